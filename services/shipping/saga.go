package shipping

import (
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
	s := decide("shp_"+id.String(), order.ShipTo)
	first, err := record(ctx, tx, order.OrderID, s)
	switch {
	case err != nil || !first: // shipped already, or fenced: the cancel came in time
		return nil, err
	case s.State == Failed:
		return failed(order.OrderID, s), nil
	}
	return events.ShipmentCreated{Snapshot: order.Snapshot, ShipmentID: s.ShipmentID}, nil
}

// cancel fences an order off that has no shipment yet, so that its payment, arriving later, ships
// nothing. Where there is a shipment it does nothing: the order will be confirmed.
func cancel(ctx context.Context, tx pgx.Tx, order events.OrderCancelRequested) (events.Event, error) {
	s := fence()
	first, err := record(ctx, tx, order.OrderID, s)
	if err != nil || !first {
		return nil, err
	}
	return failed(order.OrderID, s), nil
}

func failed(orderID string, s Shipment) events.Event {
	return events.ShipmentFailed{Subject: events.Subject{OrderID: orderID}, Reason: s.Reason}
}
