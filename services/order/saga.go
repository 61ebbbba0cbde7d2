package order

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// handlers are the order service's part in the saga: it begins with OrderCreated (see intake), and ends with one of
// these. An event that comes twice, late or out of order finds an order that has ended, changes nothing and is not
// answered.
func handlers() []outbox.Handler {
	return []outbox.Handler{
		outbox.Handle(outOfStock),
		outbox.Handle(undone),
		outbox.HandleBatch(shipped),
		outbox.Handle(incidentOpened),
		outbox.Handle(incidentResolved),
	}
}

// lockBatch locks the orders of a batch in key order, so that two batches never wait for each other.
func lockBatch(ctx context.Context, tx pgx.Tx, batch []events.Event) error {
	ids := make([]string, 0, len(batch))
	for _, event := range batch {
		ids = append(ids, event.Order())
	}
	return lockOrders(ctx, tx, ids)
}

// outOfStock ends an order that inventory could not hold the goods for.
func outOfStock(ctx context.Context, tx pgx.Tx, event events.InventoryRejected) (events.Event, error) {
	return cancelled(ctx, tx, event.Subject, event.Reason)
}

// undone ends an order whose steps have been taken back: inventory is the last of that chain.
func undone(ctx context.Context, tx pgx.Tx, event events.InventoryReleased) (events.Event, error) {
	return cancelled(ctx, tx, event.Subject, event.Reason)
}

func cancelled(ctx context.Context, tx pgx.Tx, about events.Subject, reason string) (events.Event, error) {
	ended, err := cancelOrder(ctx, tx, about.OrderID, reason)
	if err != nil || !ended.changed {
		return nil, err
	}
	cancelled := events.OrderCancelled{Subject: about, Reason: ended.reason, ContactEmail: ended.contact}
	return cancelled, closeOverdue(ctx, tx, about.OrderID, ended.overdue)
}

// shipped confirms orders, also those whose cancel was requested: a shipment means that the cancel came too late.
func shipped(ctx context.Context, tx pgx.Tx, shipments []events.ShipmentCreated) ([]events.Event, error) {
	causes := outbox.CausesOf(ctx)
	ended, err := confirmOrders(ctx, tx, shipments, causes)
	if err != nil {
		return nil, err
	}
	answers := make([]events.Event, len(shipments))
	for i, s := range shipments {
		overdue, now := ended[s.OrderID]
		if !now {
			continue
		}
		answers[i] = events.OrderConfirmed{Subject: events.Subject{OrderID: s.OrderID}, ShipmentID: s.ShipmentID}
		if err := closeOverdue(outbox.WithCause(ctx, causes[i]), tx, s.OrderID, overdue); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// closeOverdue closes the incident of an order whose cancel lasted too long, in the transaction that ends it. Most
// orders have none, and are not asked about it a second time.
func closeOverdue(ctx context.Context, tx pgx.Tx, orderID string, overdue bool) error {
	if !overdue {
		return nil
	}
	return incident.Close(ctx, tx, events.Order, orderID, kindOverdue, "the order has ended")
}

// incidentOpened stores that a service cannot go on with the order. Its saga state stays what it is, and
// saga events apply as always; only the public status changes, and only while the order is not terminal.
func incidentOpened(ctx context.Context, tx pgx.Tx, event events.IncidentOpened) (events.Event, error) {
	stuck, err := openIncident(ctx, tx, event)
	if err != nil || !stuck {
		return nil, err
	}
	return events.OrderNeedsAttention{
		Subject: event.Subject, IncidentID: event.IncidentID, Kind: event.Kind, Reason: event.Reason,
	}, nil
}

// incidentResolved takes an incident out of the order's open ones. When it arrives before the opening it
// leaves a tombstone, which the opening then cannot open any more.
func incidentResolved(ctx context.Context, tx pgx.Tx, event events.IncidentResolved) (events.Event, error) {
	return nil, resolveIncident(ctx, tx, event)
}

// askToCancel asks shipping to stop those of the orders that are pending. The others have been asked for already, or
// have ended.
func askToCancel(ctx context.Context, tx pgx.Tx, orderIDs []string, reason string) error {
	asked, err := requestCancel(ctx, tx, orderIDs, reason)
	if err != nil {
		return err
	}
	requests := make([]events.Event, 0, len(asked))
	for _, id := range asked {
		requests = append(requests, events.OrderCancelRequested{Subject: events.Subject{OrderID: id}, Reason: reason})
	}
	return messaging.Publish(ctx, tx, requests...)
}

// transaction runs a function in one, as outbox.Tx does.
type transaction func(ctx context.Context, fn func(tx pgx.Tx) error) error
