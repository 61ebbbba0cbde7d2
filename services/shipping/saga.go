package shipping

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// handlers are shipping's part in the saga.
func handlers() []outbox.Handler {
	return []outbox.Handler{
		outbox.HandleBatch(ship),
		outbox.HandleBatch(cancel),
	}
}

// ship creates the shipments of paid orders: the pivot, after which an order can no longer be undone.
func ship(ctx context.Context, tx pgx.Tx, orders []events.PaymentProcessed) ([]events.Event, error) {
	outcomes := make([]outcome, len(orders))
	for i, order := range orders {
		// Made of the order: whoever decides once more, after a loss, sends the same parcel.
		id := "shp_" + events.DerivedID(order.OrderID, "shipment", order.OrderID)
		s := decide(id, order.Snapshot)
		outcomes[i] = outcome{s, order.OrderID, order.Repeat, &order.Snapshot}
	}
	return store(ctx, tx, outcomes)
}

// cancel fences orders off that have no shipment yet, so that their payment, arriving later, ships
// nothing. Where there is a shipment it does nothing: the order will be confirmed.
func cancel(ctx context.Context, tx pgx.Tx, orders []events.OrderCancelRequested) ([]events.Event, error) {
	outcomes := make([]outcome, len(orders))
	for i, order := range orders {
		outcomes[i] = outcome{fence(), order.OrderID, order.Repeat, order.Snapshot}
	}
	return store(ctx, tx, outcomes)
}

// outcome is what was decided about an order, and what its event asked for.
type outcome struct {
	Shipment
	orderID string
	asked   events.Repeat
	order   *events.Snapshot // as the event carries it; nil: it carries none
}

// store stores the outcomes of orders that have none, and answers with them. Where there is one already it stands; a
// repeated request is answered with that one once more.
func store(ctx context.Context, tx pgx.Tx, outcomes []outcome) ([]events.Event, error) {
	first, err := record(ctx, tx, outcomes)
	if err != nil {
		return nil, err
	}
	answers := make([]events.Event, len(outcomes))
	for i, o := range outcomes {
		if !first[o.orderID] {
			if err := sameShipment(ctx, tx, o); err != nil {
				return nil, err
			}
			if !o.asked.Repeated() {
				continue
			}
			if o.Shipment, err = shipmentOf(ctx, tx, o.orderID); err != nil {
				return nil, err
			}
		}
		answers[i] = o.answer()
	}
	return answers, nil
}

// answer is the event that follows. A shipment from before orders were kept here is answered about with the order that
// the request carries.
func (o outcome) answer() events.Event {
	switch order := cmp.Or(o.Order, o.order); {
	case o.State == Created && order == nil: // an order service from before asks about a shipment from before
		return nil
	case o.State == Created:
		return events.ShipmentCreated{Snapshot: *order, ShipmentID: o.ShipmentID, Repeat: o.asked}
	}
	return events.ShipmentFailed{Subject: events.Subject{OrderID: o.orderID}, Reason: o.Reason, Repeat: o.asked}
}
