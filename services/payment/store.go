package payment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// insertIntent records what is to be charged. A row that is there already, whatever its state, stays as it is.
func insertIntent(ctx context.Context, tx pgx.Tx, order events.Snapshot, cause outbox.Cause) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO payment (order_id, state, charge_key, amount, currency, payment_method, snapshot, cause_id, traceparent)
		VALUES ($1, 'INTENT', $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (order_id) DO NOTHING`,
		order.OrderID, chargeKey(order.OrderID), order.Total.Amount, order.Total.Currency, order.PaymentMethod, order,
		cause.EventID, cause.TraceParent)
	return wrap(err, "record the charge of order", order.OrderID)
}

// insertTombstone records that an order which was never seen will never be charged.
func insertTombstone(ctx context.Context, tx pgx.Tx, orderID, reason string) (bool, error) {
	tag, err := tx.Exec(ctx, `
		INSERT INTO payment (order_id, state, reason) VALUES ($1, 'VOIDED', $2)
		ON CONFLICT (order_id) DO NOTHING`, orderID, reason)
	return tag.RowsAffected() == 1, wrap(err, "void the payment of order", orderID)
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
func lockState(ctx context.Context, tx pgx.Tx, orderID string) (State, error) {
	var state State
	err := tx.QueryRow(ctx, `SELECT state FROM payment WHERE order_id = $1 AND direct_reference IS NULL FOR UPDATE`,
		orderID).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return state, wrap(err, "look at the payment of order", orderID)
}

// startRefund makes captured money something to be given back.
func startRefund(ctx context.Context, tx pgx.Tx, orderID, reason string, cause outbox.Cause) error {
	tag, err := tx.Exec(ctx, `
		UPDATE payment SET state = 'REFUNDING', refund_amount = amount, reason = $2, cause_id = $3, traceparent = $4,
			attempts = 0, next_attempt_at = now(), updated_at = now()
		WHERE order_id = $1 AND state = 'CAPTURED'`, orderID, reason, cause.EventID, cause.TraceParent)
	return exactlyOne(tag, err, "refund order", orderID)
}

// rememberCancel lets whoever learns the outcome of the open charge know that the order is cancelled.
func rememberCancel(ctx context.Context, tx pgx.Tx, orderID, reason string, cause outbox.Cause) error {
	tag, err := tx.Exec(ctx, `
		UPDATE payment SET cancel_wanted = true, reason = $2, cause_id = $3, traceparent = $4, updated_at = now()
		WHERE order_id = $1 AND state IN ('INTENT', 'UNKNOWN')`, orderID, reason, cause.EventID, cause.TraceParent)
	return exactlyOne(tag, err, "remember the cancel of order", orderID)
}

// record is a payment as it is shown.
type record struct {
	Payment
	Attempts      int
	NextAttemptAt time.Time
	UnknownSince  *time.Time
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// columns are a [Payment], in the order in which [Payment.fields] takes them.
const columns = `p.order_id::text, coalesce(p.direct_reference, ''), p.state, coalesce(p.charge_key, ''),
	coalesce(p.amount, 0),
	coalesce(p.currency, ''), coalesce(p.payment_method, ''), coalesce(p.charge_id, ''), coalesce(p.refund_id, ''),
	p.refund_number, coalesce(p.refund_amount, 0), p.cancel_wanted, coalesce(p.reason, ''), coalesce(p.problem, ''),
	coalesce(p.charge_request, ''), coalesce(p.refund_request, '')`

func (p *Payment) fields() []any {
	return []any{
		&p.OrderID, &p.Direct, &p.State, &p.ChargeKey, &p.Amount,
		&p.Currency, &p.PaymentMethod, &p.ChargeID, &p.RefundID,
		&p.RefundNumber, &p.RefundAmount, &p.CancelWanted, &p.Reason, &p.Problem,
		&p.ChargeRequest, &p.RefundRequest,
	}
}

// paymentOf is an order's payment; pgx.ErrNoRows when there is none. A direct payment is no order's.
func paymentOf(ctx context.Context, pool *pgxpool.Pool, orderID string) (record, error) {
	return readRecord(pool.QueryRow(ctx, recordOf, orderID))
}

const recordOf = `
	SELECT ` + columns + `, p.attempts, p.next_attempt_at, p.unknown_since, p.created_at, p.updated_at
	FROM payment p WHERE p.order_id = $1 AND p.direct_reference IS NULL`

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// directOf is the direct payment with a reference; pgx.ErrNoRows when there is none.
func directOf(ctx context.Context, q querier, reference string) (record, error) {
	return readRecord(q.QueryRow(ctx, `
		SELECT `+columns+`, p.attempts, p.next_attempt_at, p.unknown_since, p.created_at, p.updated_at
		FROM payment p WHERE p.direct_reference = $1`, reference))
}

func readRecord(row pgx.Row) (record, error) {
	var r record
	err := row.Scan(append(r.fields(), &r.Attempts, &r.NextAttemptAt, &r.UnknownSince, &r.CreatedAt, &r.UpdatedAt)...)
	if err != nil {
		return record{}, fmt.Errorf("read a payment: %w", err)
	}
	return r, nil
}

func exactlyOne(tag pgconn.CommandTag, err error, what, orderID string) error {
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("%d rows changed instead of one", tag.RowsAffected())
	}
	return wrap(err, what, orderID)
}

func wrap(err error, what, orderID string) error {
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, orderID, err)
	}
	return nil
}
