package inventory

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// handlers are the inventory's part in the saga.
func handlers() []outbox.Handler {
	return []outbox.Handler{
		outbox.Handle(reserve),
		outbox.Upcast(events.OrderCreated.Upcast, outbox.Handle(reserve)),
		outbox.Handle(sell),
		outbox.Handle(releaseUnpaid),
		outbox.Handle(releaseRefunded),
		outbox.Handle(releaseVoided),
	}
}

// reserve holds what a new order wants: all of it, or nothing.
func reserve(ctx context.Context, tx pgx.Tx, order events.OrderCreatedV2) (events.Event, error) {
	known, err := order.Downcast() // the events that follow carry the snapshot in its first version
	if err != nil {
		return nil, outbox.DeadLetter(err)
	}
	wants, err := wanted(order.Lines)
	if err != nil {
		return nil, outbox.DeadLetter(err) // it will never want anything sensible
	}
	held, err := holdStock(ctx, tx, order.OrderID, wants)
	switch {
	case err != nil:
		return nil, err
	case held == nil: // known already, or undone before it came here
		return nil, nil
	case held.State == Rejected:
		return events.InventoryRejected{Subject: events.Subject{OrderID: order.OrderID}, Reason: held.Reason}, nil
	}
	return events.InventoryReserved(known), nil
}

// sell makes what was held for a shipped order sold. Nobody waits for an answer.
func sell(ctx context.Context, tx pgx.Tx, shipment events.ShipmentCreated) (events.Event, error) {
	return nil, sellStock(ctx, tx, shipment.OrderID)
}

// releaseUnpaid undoes reserve: the order's payment was declined.
func releaseUnpaid(ctx context.Context, tx pgx.Tx, payment events.PaymentFailed) (events.Event, error) {
	return release(ctx, tx, payment.Subject, payment.Reason)
}

// releaseRefunded undoes reserve: the order's payment was returned.
func releaseRefunded(ctx context.Context, tx pgx.Tx, payment events.PaymentRefunded) (events.Event, error) {
	return release(ctx, tx, payment.Subject, payment.Reason)
}

// releaseVoided undoes reserve: the order was cancelled before it was charged, perhaps even before it
// came here. Then this is the tombstone that keeps it from reserving anything when it does.
func releaseVoided(ctx context.Context, tx pgx.Tx, payment events.PaymentVoided) (events.Event, error) {
	return release(ctx, tx, payment.Subject, payment.Reason)
}

func release(ctx context.Context, tx pgx.Tx, order events.Subject, reason string) (events.Event, error) {
	lines, released, err := releaseReservation(ctx, tx, order.OrderID, reason)
	if err != nil || !released { // sold, rejected, or released before: there is nothing to undo
		return nil, err
	}
	if err := returnStock(ctx, tx, lines); err != nil {
		return nil, err
	}
	return events.InventoryReleased{Subject: order, Reason: reason}, nil
}

// lockBatch locks all the stock that a batch of events will touch before its first step runs. If each
// step locked its own, two replicas could each hold what the other one needs next.
func lockBatch(ctx context.Context, tx pgx.Tx, batch []events.Event) error {
	var skus, orderIDs []string
	for _, event := range batch {
		orderIDs = append(orderIDs, event.Order())
		if order, ok := event.(events.OrderCreatedV2); ok {
			for _, line := range order.Lines {
				skus = append(skus, line.SKU)
			}
		}
	}
	return lockStock(ctx, tx, skus, orderIDs)
}
