package console

import (
	"context"
	"log/slog"
	"os"
)

// Run is the whole process: environment, listener, until ctx ends.
func Run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	config, err := FromEnv(getenv, os.Environ())
	if err != nil {
		return err
	}
	c, err := Open(ctx, config, log)
	if err != nil {
		return err
	}
	return c.Serve(ctx)
}
