package service

import (
	"context"
	"errors"
	"time"

	"example.com/ordersaga/internal/schemaregistry"
	"example.com/ordersaga/pkg/loop"
)

// registrationTime is how long a start waits for the schema registry. It answers in milliseconds, or is away.
const registrationTime = 2 * time.Second

// registerSchemas registers the schemas of the events that the service publishes, before it publishes any. The error is
// that one of them is refused: a service that would break its consumers must not start. A registry that is away
// prevents no start, for a saga needs none; then registered is false.
func (a *App) registerSchemas(ctx context.Context) (registered bool, err error) {
	if a.RegistryURL == "" {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, registrationTime)
	defer cancel()
	err = schemaregistry.Client{URL: a.RegistryURL}.RegisterPublications(ctx, a.Service)
	if refused, is := errors.AsType[*schemaregistry.RefusedError](err); is {
		return false, refused
	}
	if err != nil {
		a.Log.WarnContext(ctx, "schemas are not registered yet, going on without", "error", err)
		return false, nil
	}
	a.Log.InfoContext(ctx, "schemas are registered")
	return true, nil
}

// retrySchemas retries until the registry has answered. A refusal ends the service, as it would have at the start:
// its events have been valid by its own schemas, and their consumers cannot read them.
func (a *App) retrySchemas(ctx context.Context) error {
	for failures := 1; loop.Rest(ctx, loop.Backoff(failures), nil); failures++ {
		if registered, err := a.registerSchemas(ctx); registered || err != nil {
			return err
		}
	}
	return nil
}
