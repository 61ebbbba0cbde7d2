package shipping

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// handlers are shipping's part in the saga.
func handlers() []outbox.Handler {
	return []outbox.Handler{
		outbox.Handle(ship),
		outbox.Handle(cancel),
	}
}

// ship creates the shipment of a paid order: the pivot, after which the order can no longer be undone.
func ship(ctx context.Context, tx pgx.Tx, order events.PaymentProcessed) (events.Event, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make a shipment id: %w", err)
	}
	return decided(ctx, tx, order.OrderID, decide("shp_"+id.String(), order.Snapshot), order.Repeat, &order.Snapshot)
}

// cancel fences an order off that has no shipment yet, so that its payment, arriving later, ships
// nothing. Where there is a shipment it does nothing: the order will be confirmed.
func cancel(ctx context.Context, tx pgx.Tx, order events.OrderCancelRequested) (events.Event, error) {
	return decided(ctx, tx, order.OrderID, fence(), order.Repeat, order.Snapshot)
}

// decided stores the outcome of an order, unless there is one, and answers with it. Where there is one already it
// stands; a repeated request is answered with that one once more. A shipment from before orders were kept here is
// answered about with the order that the request carries.
func decided(ctx context.Context, tx pgx.Tx, orderID string, s Shipment, asked events.Repeat,
	order *events.Snapshot) (events.Event, error) {
	first, err := record(ctx, tx, orderID, s)
	switch {
	case err != nil || !first && !asked.Repeated():
		return nil, err
	case !first:
		if s, err = shipmentOf(ctx, tx, orderID); err != nil {
			return nil, err
		}
	}
	switch order = cmp.Or(s.Order, order); {
	case s.State == Created && order == nil: // an order service from before asks about a shipment from before
		return nil, nil
	case s.State == Created:
		return events.ShipmentCreated{Snapshot: *order, ShipmentID: s.ShipmentID, Repeat: asked}, nil
	}
	return events.ShipmentFailed{Subject: events.Subject{OrderID: orderID}, Reason: s.Reason, Repeat: asked}, nil
}
