package order

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/services/order/apiversion"
)

// restore makes true again what this service has published and its database has lost: that there is an order, and that
// somebody wants it to be cancelled. Everything else follows from events, which are handled again. The deadline is what
// an order is given.
func restore(deadline time.Duration) func(context.Context, pgx.Tx, events.Envelope, events.Event) error {
	return func(ctx context.Context, tx pgx.Tx, e events.Envelope, event events.Event) error {
		switch event := event.(type) {
		case events.OrderCreated:
			return restoreOrder(ctx, tx, e, event, deadline)
		case events.OrderCreatedV2:
			first, err := event.Downcast()
			if err != nil {
				return err
			}
			return restoreOrder(ctx, tx, e, first, deadline)
		case events.OrderCancelRequested:
			return restoreCancel(ctx, tx, event)
		}
		return nil
	}
}

// restoreOrder stores an order, with the key of its request and the answer that the client got.
func restoreOrder(ctx context.Context, tx pgx.Tx, e events.Envelope, event events.OrderCreated,
	deadline time.Duration) error {
	o := Order{
		Snapshot: event.Snapshot, Contact: event.ContactEmail, Status: Pending,
		CreatedAt: e.Time, UpdatedAt: e.Time, Deadline: e.Time.Add(deadline),
	}
	if _, err := insertOrders(ctx, tx, []Order{o}, deadline); err != nil {
		return err
	}
	if err := backdate(ctx, tx, o); err != nil || e.Key == "" {
		return err
	}
	version, err := apiversion.Parse(e.APIVersion)
	if err != nil {
		return fmt.Errorf("the request for order %s: %w", o.OrderID, err)
	}
	hash, err := hex.DecodeString(e.Hash)
	if err != nil {
		return fmt.Errorf("the request for order %s: %w", o.OrderID, err)
	}
	answer, err := accepted(o, version)
	if err != nil {
		return err
	}
	return idempotency.Finish(ctx, tx, []idempotency.Finished{{
		Request: idempotency.Request{Scope: scopeOrders, Key: e.Key, Fingerprint: hash}, Response: answer,
	}})
}

// restoreCancel stores that a cancel was requested, and how often.
func restoreCancel(ctx context.Context, tx pgx.Tx, event events.OrderCancelRequested) error {
	if _, err := requestCancel(ctx, tx, []string{event.OrderID}, event.Reason); err != nil {
		return err
	}
	return setAttempt(ctx, tx, event.OrderID, event.Attempt)
}
