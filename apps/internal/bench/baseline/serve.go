package baseline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/postgres"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"

	gateway "example.com/ordersaga/contracts/gateway/api"
)

// connections to each database: twice what a service has, since here every order holds one at a time and
// none waits for others to share its commit.
const connections = 24

// Run serves the baseline until ctx ends. The environment has HTTP_ADDR, GATEWAY_URL (the ambassador), and
// ORDER_DATABASE, INVENTORY_DATABASE, PAYMENT_DATABASE and SHIPPING_DATABASE with the services' logins.
func Run(ctx context.Context, getenv func(string) string) error {
	shop := &Shop{Pools: map[events.Service]*pgxpool.Pool{}}
	for owner, variable := range Variables {
		config, err := pgxpool.ParseConfig(getenv(variable))
		if err != nil {
			return fmt.Errorf("%s: %w", variable, err)
		}
		config.MaxConns = connections
		service.PlanByKey(config.ConnConfig) // as the services do
		pool, err := postgres.NewPool(ctx, config)
		if err != nil {
			return fmt.Errorf("%s: %w", variable, err)
		}
		defer pool.Close()
		shop.Pools[owner] = pool
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 30 * time.Second}
	var err error
	shop.Gateway, err = gateway.NewClientWithResponses(getenv("GATEWAY_URL"), gateway.WithHTTPClient(client))
	if err != nil {
		return fmt.Errorf("GATEWAY_URL: %w", err)
	}
	handler, err := shop.Handler()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", getenv("HTTP_ADDR"))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stopped := context.AfterFunc(ctx, func() { _ = server.Shutdown(context.WithoutCancel(ctx)) })
	defer stopped()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// Variables say in which variable of the environment a service's database stands.
var Variables = map[events.Service]string{
	events.Order: "ORDER_DATABASE", events.Inventory: "INVENTORY_DATABASE",
	events.Payment: "PAYMENT_DATABASE", events.Shipping: "SHIPPING_DATABASE",
}
