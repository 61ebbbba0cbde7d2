package payment

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/idset"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/services/payment/charge"
)

// insertIntents records what is to be charged, and returns the orders for which it did. A row that is there already
// stays as it is, whatever its state.
func insertIntents(ctx context.Context, tx pgx.Tx, orders []events.InventoryReserved,
	causes []outbox.Cause) (map[string]bool, error) {
	var ids, keys, currencies, methods, causeIDs, traces []string
	var amounts []int64
	var snapshots []events.Snapshot
	for i, order := range orders {
		ids, keys = append(ids, order.OrderID), append(keys, charge.Key(order.OrderID))
		amounts, currencies = append(amounts, order.Total.Amount), append(currencies, order.Total.Currency)
		methods, snapshots = append(methods, order.PaymentMethod), append(snapshots, order.Snapshot)
		causeIDs, traces = append(causeIDs, causes[i].EventID), append(traces, causes[i].TraceParent)
	}
	first, err := idset.Query(ctx, tx, `
		INSERT INTO payment (order_id, state, charge_key, amount, currency, payment_method, snapshot, cause_id, traceparent)
		SELECT order_id, 'INTENT', charge_key, amount, currency, payment_method, snapshot, cause_id, traceparent
		FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::jsonb[], $7::text[], $8::text[])
			AS new (order_id, charge_key, amount, currency, payment_method, snapshot, cause_id, traceparent)
		ON CONFLICT (order_id) DO NOTHING
		RETURNING order_id::text`, ids, keys, amounts, currencies, methods, snapshots, causeIDs, traces)
	if err != nil {
		return nil, fmt.Errorf("record the charges of %d orders: %w", len(orders), err)
	}
	return first, nil
}

// sameCharge compares an order with the charge that was recorded for it before. When that is another charge, or for
// another order, the event is a dead letter.
func sameCharge(ctx context.Context, tx pgx.Tx, order events.Snapshot) error {
	same := false
	err := tx.QueryRow(ctx, `
		SELECT direct_reference IS NULL
		   AND (charge_key IS NULL OR (amount, currency, payment_method) = ($2, $3, $4)) AND coalesce(snapshot = $5, true)
		FROM payment WHERE order_id = $1`,
		order.OrderID, order.Total.Amount, order.Total.Currency, order.PaymentMethod, order).Scan(&same)
	if err == nil && !same {
		return outbox.DeadLetter(fmt.Errorf("order %s was to be charged another amount, currency or card before, "+
			"or for something else", order.OrderID))
	}
	return charge.Wrap(err, "compare the charge of order", order.OrderID)
}

// insertTombstone records that an order which was never seen will never be charged. A row that is there answers the
// cancel by its state, whatever the reason.
func insertTombstone(ctx context.Context, tx pgx.Tx, orderID, reason string) (bool, error) {
	tag, err := tx.Exec(ctx, `
		INSERT INTO payment (order_id, state, reason) VALUES ($1, 'VOIDED', $2)
		ON CONFLICT (order_id) DO NOTHING`, orderID, reason)
	return tag.RowsAffected() == 1, charge.Wrap(err, "void the payment of order", orderID)
}

// lockPayments locks rows in key order, so that two transactions that want the same rows cannot each hold
// what the other one needs next.
func lockPayments(ctx context.Context, tx pgx.Tx, orderIDs []string) error {
	_, err := tx.Exec(ctx, `SELECT FROM payment WHERE order_id = ANY($1) ORDER BY order_id FOR UPDATE`, orderIDs)
	if err != nil {
		return fmt.Errorf("lock payments: %w", err)
	}
	return nil
}

// lockState is the state of an order's payment, which stays that way until the end of the transaction. It is empty
// when there is none: what was paid directly is no order's.
func lockState(ctx context.Context, tx pgx.Tx, orderID string) (charge.State, error) {
	var state charge.State
	err := tx.QueryRow(ctx, `SELECT state FROM payment WHERE order_id = $1 AND direct_reference IS NULL FOR UPDATE`,
		orderID).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return state, charge.Wrap(err, "look at the payment of order", orderID)
}

// startRefund makes captured money work for the workers, who refund what is not back yet.
func startRefund(ctx context.Context, tx pgx.Tx, orderID, reason string, cause outbox.Cause) error {
	tag, err := tx.Exec(ctx, `
		UPDATE payment SET state = 'REFUNDING', captured_amount = coalesce(captured_amount, amount),
			refund_amount = coalesce(nullif(coalesce(captured_amount, amount) - returned_amount, 0), captured_amount),
			reason = $2, cause_id = $3, traceparent = $4, attempts = 0, next_attempt_at = now(), updated_at = now()
		WHERE order_id = $1 AND state = 'CAPTURED'`, orderID, reason, cause.EventID, cause.TraceParent)
	return charge.ExactlyOne(tag, err, "refund order", orderID)
}

// rememberCancel has the money refunded, if the open charge turns out to have captured it.
func rememberCancel(ctx context.Context, tx pgx.Tx, orderID, reason string, cause outbox.Cause) error {
	tag, err := tx.Exec(ctx, `
		UPDATE payment SET cancel_wanted = true, reason = $2, cause_id = $3, traceparent = $4, updated_at = now()
		WHERE order_id = $1 AND state IN ('INTENT', 'UNKNOWN')`, orderID, reason, cause.EventID, cause.TraceParent)
	return charge.ExactlyOne(tag, err, "remember the cancel of order", orderID)
}

// oldestUnattended is when the payment was recorded that has been work for the longest time, and that no person looks
// at. A direct payment's client asks for itself.
const oldestUnattended = `
	SELECT min(created_at) FROM payment p
	WHERE state IN ('INTENT', 'UNKNOWN', 'LATE_CAPTURED', 'REFUNDING') AND direct_reference IS NULL
	  AND NOT EXISTS (SELECT FROM incident i WHERE i.order_id = p.order_id AND resolved_at IS NULL)`
