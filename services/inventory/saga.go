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
		outbox.HandleBatch(reserve),
		outbox.HandleBatch(reserveV2),
		outbox.HandleBatch(sell),
		outbox.Handle(releaseUnpaid),
		outbox.Handle(releaseRefunded),
		outbox.Handle(releaseVoided),
	}
}

// reserve holds the stock for new orders: for each of them all of it, or nothing.
func reserve(ctx context.Context, tx pgx.Tx, orders []events.OrderCreated) ([]events.Event, error) {
	needs := make([]need, len(orders))
	for i, order := range orders {
		lines, err := quantities(order.Lines)
		if err != nil {
			return nil, outbox.DeadLetter(err) // no retry makes the order valid
		}
		needs[i] = need{order.OrderID, lines, order.Snapshot}
	}
	held, err := holdForAll(ctx, tx, needs)
	if err != nil {
		return nil, err
	}
	answers := make([]events.Event, len(orders))
	for i, n := range needs {
		if held[n.OrderID] {
			answers[i] = events.InventoryReserved{Snapshot: n.Order}
		} else if answers[i], err = reserveOne(ctx, tx, n); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// reserveOne holds the stock for an order that the others may have left too little for, or that came before.
func reserveOne(ctx context.Context, tx pgx.Tx, n need) (events.Event, error) {
	held, err := holdStock(ctx, tx, n)
	switch {
	case err != nil:
		return nil, err
	case held == nil: // reserved before, or undone before it came here (a tombstone)
		return nil, nil
	case held.State == Rejected:
		return events.InventoryRejected{Subject: events.Subject{OrderID: n.OrderID}, Reason: held.Reason}, nil
	}
	return events.InventoryReserved{Snapshot: n.Order}, nil
}

// reserveV2 reserves for orders in the second version of the event. The events that follow carry an order as the
// first version has it, so one that the first version cannot express is a dead letter.
func reserveV2(ctx context.Context, tx pgx.Tx, orders []events.OrderCreatedV2) ([]events.Event, error) {
	first := make([]events.OrderCreated, len(orders))
	for i, order := range orders {
		var err error
		if first[i], err = order.Downcast(); err != nil {
			return nil, outbox.DeadLetter(err)
		}
	}
	return reserve(ctx, tx, first)
}

// sell makes what was held for shipped orders sold. No event follows.
func sell(ctx context.Context, tx pgx.Tx, shipments []events.ShipmentCreated) ([]events.Event, error) {
	asked, err := sellStock(ctx, tx, shipments)
	if err != nil {
		return nil, err
	}
	causes := outbox.CausesOf(ctx)
	for i, shipment := range shipments {
		if !asked[shipment.OrderID] {
			continue
		}
		ctx := outbox.WithCause(ctx, causes[i])
		if err := incident.Close(ctx, tx, events.Inventory, shipment.OrderID, kindUnanswered, string(Sold)); err != nil {
			return nil, err
		}
	}
	return nil, nil
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
