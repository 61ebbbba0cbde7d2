// Package console shows and drives the running system in the browser: pages for live sagas, the flow simulator, placing
// orders, breaking things, and repairing them.
//
// It is no source of truth. It reads the stream, with a read-only login, and asks the services over their listeners; a
// console that is killed loses nothing. The services' admin token stays in this process: browsers ask here.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"example.com/ordersaga/apps/internal/console/faults"
	"example.com/ordersaga/apps/internal/console/flow"
	"example.com/ordersaga/apps/internal/console/operate"
	"example.com/ordersaga/apps/internal/console/orders"
	"example.com/ordersaga/apps/internal/console/processes"
	"example.com/ordersaga/apps/internal/console/sagas"
	"example.com/ordersaga/apps/internal/console/simulator"
	"example.com/ordersaga/apps/internal/console/traces"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/httpserver"
)

// Config is what a console needs to know.
type Config struct {
	Addr   string                // HTTP_ADDR: where it listens for browsers
	System endpoints.Description // ORDERSAGA_FILE, ORDERSAGA_…: where everything else listens; see endpoints.Find
}

// Run is the whole process: environment, listener, until ctx ends.
func Run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	system, err := endpoints.Find(getenv("ORDERSAGA_FILE"), os.Environ())
	if err != nil {
		return err
	}
	if system.NATS == "" {
		return errors.New("ORDERSAGA_NATS must be the broker's address")
	}
	c, err := Open(ctx, Config{httpserver.Env(getenv, "HTTP_ADDR", "127.0.0.1:0"), system}, log)
	if err != nil {
		return err
	}
	return c.Serve(ctx)
}

// Console is a console whose listener is open.
type Console struct {
	Addr string // where it takes requests

	system    endpoints.Description
	log       *slog.Logger
	flow      http.Handler
	simulator *simulator.Stepper
	sagas     *sagas.Board
	shop      *client.Client
	operate   *operate.API
	faults    *faults.API
	orders    *orders.API
	processes *processes.Watcher
	traces    *traces.API
	server    *httpserver.Server
}

// Open listens; the system that it shows need not run yet. Streams to pages end with ctx.
func Open(ctx context.Context, c Config, log *slog.Logger) (*Console, error) {
	flow, err := flow.Handler()
	if err != nil {
		return nil, err
	}
	shop, err := client.New(c.System)
	if err != nil {
		return nil, err
	}
	board := sagas.NewBoard(c.System.NATS, log)
	console := &Console{
		system: c.System, log: log, flow: flow, simulator: simulator.New(c.System, shop), sagas: board, shop: shop,
		operate: operate.New(c.System), faults: faults.New(c.System), orders: orders.New(shop, board),
		processes: processes.New(c.System, board), traces: traces.New(),
	}
	routes, err := console.routes(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare the pages: %w", err)
	}
	if console.server, err = httpserver.Listen(ctx, c.Addr, routes); err != nil {
		return nil, err
	}
	console.Addr = console.server.Addr
	return console, nil
}

// Serve answers until ctx ends.
func (c *Console) Serve(ctx context.Context) error {
	c.log.InfoContext(ctx, "serving", "addr", c.Addr)
	err := httpserver.Serve(ctx, []*httpserver.Server{c.server}, c.sagas.Run, c.operate.Run, c.orders.Run,
		c.processes.Run)
	c.log.InfoContext(ctx, "ended")
	return err
}
