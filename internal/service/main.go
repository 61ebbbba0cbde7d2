package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/events"
)

// Main is a service's main function: it reads the environment, runs until SIGINT or SIGTERM, and exits
// with 0 after a clean end, with 1 and one line on standard error otherwise. Called with the argument
// "healthcheck" it asks the running service whether it is ready and exits with the answer, since the
// images have no shell to ask with.
func Main(service events.Service, run func(context.Context, Config) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := main(ctx, service, run)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", service, err)
		os.Exit(1)
	}
}

func main(ctx context.Context, service events.Service, run func(context.Context, Config) error) error {
	if len(os.Args) > 1 && os.Args[1] == "healthcheck" {
		return httpserver.Healthcheck(ctx, os.Getenv("HTTP_ADDR"))
	}
	c, err := FromEnv(service, os.Getenv)
	if err != nil {
		return err
	}
	if err := run(ctx, c); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
