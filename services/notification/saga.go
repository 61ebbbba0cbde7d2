package notification

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// handlers are all that notification has to do with the saga: it listens.
func handlers() []outbox.Handler {
	created := outbox.Handle(received)
	return []outbox.Handler{
		created,
		outbox.Upcast(events.OrderCreated.Upcast, created),
		outbox.Handle(cancelled),
	}
}

// received leaves the mail that an order was received. No event follows.
func received(ctx context.Context, tx pgx.Tx, order events.OrderCreatedV2) (events.Event, error) {
	return nil, leave(ctx, tx, receipt(order))
}

// cancelled leaves the mail that an order is cancelled. No event follows.
func cancelled(ctx context.Context, tx pgx.Tx, order events.OrderCancelled) (events.Event, error) {
	earlier, err := mailsOf(ctx, tx, order.OrderID)
	if err != nil {
		return nil, err
	}
	return nil, leave(ctx, tx, cancellation(order, earlier))
}
