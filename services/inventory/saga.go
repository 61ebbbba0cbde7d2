package inventory

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// handlers are the inventory's part in the saga.
func handlers() []outbox.Handler {
	return []outbox.Handler{
		outbox.Handle(reserve),
		outbox.Handle(reserveV2),
		outbox.Handle(sell),
		outbox.Handle(releaseUnpaid),
		outbox.Handle(releaseRefunded),
		outbox.Handle(releaseVoided),
	}
}

// reserve holds the stock for a new order: all of it, or nothing.
func reserve(ctx context.Context, tx pgx.Tx, order events.OrderCreated) (events.Event, error) {
	lines, err := quantities(order.Lines)
	if err != nil {
		return nil, outbox.DeadLetter(err) // no retry makes the order valid
	}
	held, err := holdStock(ctx, tx, order.Snapshot, lines)
	switch {
	case err != nil:
		return nil, err
	case held == nil: // reserved before, or undone before it came here (a tombstone)
		return nil, nil
	case held.State == Rejected:
		return events.InventoryRejected{Subject: events.Subject{OrderID: order.OrderID}, Reason: held.Reason}, nil
	}
	return events.InventoryReserved{Snapshot: order.Snapshot}, nil
}

// reserveV2 reserves for an order in the second version of the event. The events that follow carry the order as the
// first version has it, so one that the first version cannot express is a dead letter.
func reserveV2(ctx context.Context, tx pgx.Tx, order events.OrderCreatedV2) (events.Event, error) {
	first, err := order.Downcast()
	if err != nil {
		return nil, outbox.DeadLetter(err)
	}
	return reserve(ctx, tx, first)
}

// sell makes what was held for a shipped order sold. No event follows.
func sell(ctx context.Context, tx pgx.Tx, shipment events.ShipmentCreated) (events.Event, error) {
	asked, err := sellStock(ctx, tx, shipment.OrderID)
	if err != nil || !asked {
		return nil, err
	}
	return nil, incident.Close(ctx, tx, events.Inventory, shipment.OrderID, kindUnanswered, string(Sold))
}

// releaseUnpaid undoes reserve: the order's payment was declined.
func releaseUnpaid(ctx context.Context, tx pgx.Tx, payment events.PaymentFailed) (events.Event, error) {
	return release(ctx, tx, payment.Subject, payment.Reason, payment.Repeat)
}

// releaseRefunded undoes reserve: the order's payment was returned.
func releaseRefunded(ctx context.Context, tx pgx.Tx, payment events.PaymentRefunded) (events.Event, error) {
	return release(ctx, tx, payment.Subject, payment.Reason, payment.Repeat)
}

// releaseVoided undoes reserve: the order was cancelled before it was charged, perhaps even before it
// came here. Then this is the tombstone that keeps it from reserving anything when it does.
func releaseVoided(ctx context.Context, tx pgx.Tx, payment events.PaymentVoided) (events.Event, error) {
	return release(ctx, tx, payment.Subject, payment.Reason, payment.Repeat)
}

func release(ctx context.Context, tx pgx.Tx, order events.Subject, reason string,
	repeat events.Repeat) (events.Event, error) {
	lines, released, asked, err := releaseReservation(ctx, tx, order.OrderID, reason)
	switch {
	case err != nil:
		return nil, err
	case !released && repeat.Repeated():
		return repeated(ctx, tx, order, repeat)
	case !released: // sold, rejected, or released before: there is nothing to undo
		return nil, nil
	case asked:
		err = incident.Close(ctx, tx, events.Inventory, order.OrderID, kindUnanswered, string(Released))
	}
	if err != nil {
		return nil, err
	}
	return events.InventoryReleased{Subject: order, Reason: reason, Repeat: repeat}, returnStock(ctx, tx, lines)
}

// repeated is the answer that was given before about an order of which nothing is held; none where it was sold.
func repeated(ctx context.Context, tx pgx.Tx, order events.Subject, repeat events.Repeat) (events.Event, error) {
	r, err := reservationOf(ctx, tx, order.OrderID)
	switch {
	case err != nil:
		return nil, err
	case r.State == Released:
		return events.InventoryReleased{Subject: order, Reason: r.Reason, Repeat: repeat}, nil
	case r.State == Rejected:
		return events.InventoryRejected{Subject: order, Reason: r.Reason, Repeat: repeat}, nil
	}
	return nil, nil
}

// lockBatch locks all the stock that a batch of events will touch before its first step runs. If each
// step locked its own, two replicas could each hold what the other one needs next.
func lockBatch(ctx context.Context, tx pgx.Tx, batch []events.Event) error {
	var skus, orderIDs []string
	for _, event := range batch {
		orderIDs = append(orderIDs, event.Order())
		switch order := event.(type) {
		case events.OrderCreated:
			for _, line := range order.Lines {
				skus = append(skus, line.SKU)
			}
		case events.OrderCreatedV2:
			for _, line := range order.Lines {
				skus = append(skus, line.SKU)
			}
		}
	}
	return lockStock(ctx, tx, skus, orderIDs)
}
