package service

import (
	"context"
	"errors"
	"time"

	"example.com/ordersaga/contracts/registry"
	"example.com/ordersaga/pkg/loop"
)

// announceTime is how long a start waits for the schema registry. It answers in milliseconds, or is away.
const announceTime = 2 * time.Second

// announce registers the schemas of the events that the service sends, before it says any of them. The error is that
// one of them is refused: a service that would break its readers must not start. A registry that is away
// keeps nobody from starting, for a saga needs none; then registered is false.
func (a *App) announce(ctx context.Context) (registered bool, err error) {
	if a.RegistryURL == "" {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, announceTime)
	defer cancel()
	err = registry.Client{URL: a.RegistryURL}.Announce(ctx, a.Service)
	if refused, is := errors.AsType[*registry.RefusedError](err); is {
		return false, refused
	}
	if err != nil {
		a.Log.WarnContext(ctx, "schemas are not registered yet, going on without", "error", err)
		return false, nil
	}
	a.Log.InfoContext(ctx, "schemas are registered")
	return true, nil
}

// announceLater tries until the registry has answered. A refusal ends the service, as it would have at the start:
// its events have been valid by its own schemas, and their readers cannot read them.
func (a *App) announceLater(ctx context.Context) error {
	for failures := 1; loop.Rest(ctx, loop.Backoff(failures), nil); failures++ {
		if registered, err := a.announce(ctx); registered || err != nil {
			return err
		}
	}
	return nil
}
