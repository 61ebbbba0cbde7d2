package service

import (
	"context"
	"errors"
	"log/slog"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/events"
)

// Main is a service's main function: [httpserver.Main] with the configuration of [FromEnv].
func Main(service events.Service, run func(context.Context, Config) error) {
	httpserver.Main(string(service), func(ctx context.Context, getenv func(string) string, _ *slog.Logger) error {
		c, err := FromEnv(service, getenv)
		if err != nil {
			return err
		}
		if err = failpoint.Wait(ctx); err == nil {
			err = run(ctx, c)
		}
		if !errors.Is(err, context.Canceled) {
			return err
		}
		return nil // asked to end while it was still waiting for its database
	})
}
