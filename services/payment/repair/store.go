package repair

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/services/payment/charge"
)

// behindHorizon is until when requests for an unknown charge were sent, if all of them have been carried out by now or
// never will be.
func behindHorizon(ctx context.Context, pool *pgxpool.Pool, orderID string, horizon time.Duration) (*time.Time, error) {
	var sent *time.Time
	err := pool.QueryRow(ctx, `
		SELECT max(sent_until) FROM payment
		WHERE order_id = $1 AND state = 'UNKNOWN' AND sent_until + $2::interval <= now()`, orderID, horizon).Scan(&sent)
	return sent, charge.Wrap(err, "look for the horizon of order", orderID)
}

// lock locks an order's payment as a finishing worker does, without a lease: an operator takes the payment from
// whoever works on it, whose answer is dropped then. Still: what the gateway showed is as definite as it was, which is
// so when nothing was sent since.
func lock(ctx context.Context, tx pgx.Tx, orderID string,
	definite *time.Time) (locked charge.Locked, still bool, err error) {
	// The row is read by a statement of its own: the one that waits for the lock does not see what was booked meanwhile.
	_, err = tx.Exec(ctx, `SELECT FROM payment WHERE order_id = $1 FOR UPDATE`, orderID)
	if err != nil {
		return locked, false, charge.Wrap(err, "lock the payment of order", orderID)
	}
	locked.Incidents = true
	locked.Payment, err = charge.Scan(tx.QueryRow(ctx, `
		SELECT `+charge.Columns+`, coalesce(p.sent_until = $2, false)
		FROM payment p WHERE p.order_id = $1 AND p.direct_reference IS NULL`, orderID, definite), &still)
	return locked, still, charge.Wrap(err, "read the payment of order", orderID)
}

// retryNow makes a payment due. An unknown charge gets a new budget, within which it is sent.
func retryNow(ctx context.Context, tx pgx.Tx, orderID string) error {
	tag, err := tx.Exec(ctx, `
		UPDATE payment SET next_attempt_at = now(), updated_at = now(),
			unknown_since = CASE state WHEN 'UNKNOWN' THEN now() ELSE unknown_since END
		WHERE order_id = $1 AND state IN ('UNKNOWN', 'REFUNDING')`, orderID)
	return charge.ExactlyOne(tag, err, "retry now for order", orderID)
}
