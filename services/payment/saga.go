package payment

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/services/payment/charge"
)

// handlers are payment's part in the saga. PaymentProcessed, PaymentFailed and PaymentRefunded are not their answers: a
// step calls nobody, and the workers publish these when they know the outcome.
func handlers() []outbox.Handler {
	return []outbox.Handler{
		outbox.HandleBatch(intend),
		outbox.Handle(undo),
	}
}

// intend records that orders are to be charged, with the key and the request of every attempt. A row that exists
// already absorbs the event: the order was charged before, or voided before it came here. Its answer is repeated when
// the event is.
func intend(ctx context.Context, tx pgx.Tx, orders []events.InventoryReserved) ([]events.Event, error) {
	for _, order := range orders {
		if err := chargeable(order.Snapshot); err != nil {
			return nil, outbox.DeadLetter(err)
		}
	}
	first, err := insertIntents(ctx, tx, orders, outbox.CausesOf(ctx))
	if err != nil || len(first) == len(orders) {
		return nil, err
	}
	answers := make([]events.Event, len(orders))
	for i, order := range orders {
		if first[order.OrderID] {
			continue
		}
		if err := sameCharge(ctx, tx, order.Snapshot); err != nil {
			return nil, err
		}
		if !order.Repeated() {
			continue
		}
		if answers[i], err = repeated(ctx, tx, order.OrderID, order.Repeat); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// undo refunds what was charged for an order that will never be shipped, or sees to it that nothing
// will be charged.
func undo(ctx context.Context, tx pgx.Tx, failed events.ShipmentFailed) (events.Event, error) {
	voided, err := insertTombstone(ctx, tx, failed.OrderID, failed.Reason)
	if err != nil {
		return nil, err
	}
	if voided {
		return events.PaymentVoided(failed), nil
	}
	state, err := lockState(ctx, tx, failed.OrderID)
	if err != nil {
		return nil, err
	}
	switch refund, remember := onCancel(state); {
	case refund:
		return nil, startRefund(ctx, tx, failed.OrderID, failed.Reason, outbox.CauseOf(ctx))
	case remember:
		return nil, rememberCancel(ctx, tx, failed.OrderID, failed.Reason, outbox.CauseOf(ctx))
	case state != "" && failed.Repeated():
		return repeated(ctx, tx, failed.OrderID, failed.Repeat)
	}
	return nil, nil
}

// repeated is the answer that was given before about an order, from its row.
func repeated(ctx context.Context, tx pgx.Tx, orderID string, asked events.Repeat) (events.Event, error) {
	p, err := charge.Load(ctx, tx, orderID)
	if err != nil {
		return nil, err
	}
	return answered(p, asked), nil
}

// lockBatch locks the rows that a batch of cancels will touch before its first step runs, in the order in
// which finishing workers lock them too.
func lockBatch(ctx context.Context, tx pgx.Tx, batch []events.Event) error {
	var cancelled []string
	for _, event := range batch {
		if _, ok := event.(events.ShipmentFailed); ok {
			cancelled = append(cancelled, event.Order())
		}
	}
	if len(cancelled) == 0 { // a charge's row is new, nobody else can have it
		return nil
	}
	return lockPayments(ctx, tx, cancelled)
}
