package notification

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/outbox"
)

// leave stores a mail, unless it has no recipient: not every customer wants mails. An order has one of each kind, from
// the event that came first; the event may be published again. One that names another recipient is a
// dead letter. The text is not compared: a later version of this service may word it otherwise.
func leave(ctx context.Context, tx pgx.Tx, m Mail) error {
	if m.Recipient == "" {
		return nil
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO mail (order_id, kind, recipient, name, body, state, problem, ended_at)
		VALUES ($1, $2, $3, $4, $5, $6, nullif($7, ''), CASE WHEN $6 <> 'WAITING' THEN now() END)
		ON CONFLICT (order_id, kind) DO NOTHING`,
		m.OrderID, m.Kind, m.Recipient, m.Name, m.Body, m.State, m.Problem)
	if err != nil {
		return fmt.Errorf("leave the mail that order %s is %s: %w", m.OrderID, m.Kind, err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	other := false
	err = tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM mail WHERE (order_id, kind) = ($1, $2) AND recipient <> $3)`,
		m.OrderID, m.Kind, m.Recipient).Scan(&other)
	if err != nil {
		return fmt.Errorf("compare the mail that order %s is %s: %w", m.OrderID, m.Kind, err)
	}
	if other {
		return outbox.DeadLetter(fmt.Errorf("the mail that order %s is %s had another recipient before", m.OrderID, m.Kind))
	}
	return nil
}

const columns = `order_id::text, kind, recipient, name, body, state, coalesce(problem, ''), attempts, unanswered,
	created_at, ended_at`

// reader is a pool or a transaction.
type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// mailsOf reads an order's mails, the oldest first.
func mailsOf(ctx context.Context, db reader, orderID string) ([]Mail, error) {
	rows, _ := db.Query(ctx, `SELECT `+columns+` FROM mail WHERE order_id = $1 ORDER BY created_at, kind DESC`, orderID)
	mails, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Mail])
	if err != nil {
		return nil, fmt.Errorf("read the mails of order %s: %w", orderID, err)
	}
	return mails, nil
}

// claimMail takes a mail that is due, for as long as the lease; nil: none is. The mail that an order is cancelled
// follows the one that it was received, as long as that is to be sent.
func claimMail(ctx context.Context, pool *pgxpool.Pool, lease time.Duration) (*Mail, error) {
	rows, _ := pool.Query(ctx, `
		UPDATE mail SET attempts = attempts + 1, next_attempt_at = now() + $1::interval
		WHERE (order_id, kind) = (
			SELECT order_id, kind FROM mail due
			WHERE state = 'WAITING' AND next_attempt_at <= now() AND NOT EXISTS (
				SELECT FROM mail first WHERE due.kind = 'cancelled' AND first.order_id = due.order_id
				  AND first.kind = 'received' AND first.state = 'WAITING')
			ORDER BY next_attempt_at LIMIT 1
			FOR UPDATE SKIP LOCKED)
		RETURNING `+columns, lease)
	m, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByPos[Mail])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("claim a mail: %w", err)
	}
	return m, nil
}

// errLost means that the lease had expired and another process has the mail.
var errLost = errors.New("another process is sending the mail")

// extendLease keeps a claimed mail. From handingOver on its attempt counts as one that the server may have taken.
func extendLease(ctx context.Context, pool *pgxpool.Pool, m Mail, lease time.Duration, handingOver bool) error {
	unanswered := m.Unanswered
	if handingOver {
		unanswered++
	}
	tag, err := pool.Exec(ctx, `
		UPDATE mail SET next_attempt_at = now() + $4::interval, unanswered = greatest(unanswered, $5)
		WHERE order_id = $1 AND kind = $2 AND attempts = $3 AND state = 'WAITING'`,
		m.OrderID, m.Kind, m.Attempts, lease, unanswered)
	if err == nil && tag.RowsAffected() == 0 {
		err = errLost
	}
	if err != nil {
		return fmt.Errorf("keep the mail that order %s is %s: %w", m.OrderID, m.Kind, err)
	}
	return nil
}

// markMail stores what came of an attempt. What is known as sent is so, whoever has the mail by now.
func markMail(ctx context.Context, pool *pgxpool.Pool, m Mail, state State, problem error) error {
	if state == Waiting && errors.Is(problem, errUnanswered) {
		m.Unanswered++
	}
	_, err := pool.Exec(ctx, `
		UPDATE mail SET state = $4, problem = nullif($5, ''), unanswered = $6, next_attempt_at = now() + $7::interval,
			ended_at = CASE WHEN $4 <> 'WAITING' THEN now() END
		WHERE order_id = $1 AND kind = $2 AND (attempts = $3 AND state = 'WAITING' OR $4 = 'SENT' AND state <> 'SENT')`,
		m.OrderID, m.Kind, m.Attempts, state, words(problem, m), m.Unanswered, pause(m.Attempts))
	if err != nil {
		return fmt.Errorf("mark the mail that order %s is %s: %w", m.OrderID, m.Kind, err)
	}
	return nil
}

// countWaiting counts the mails that are to be sent, and for how many seconds the oldest has been waiting.
func countWaiting(ctx context.Context, pool *pgxpool.Pool) (waiting, seconds float64, err error) {
	err = pool.QueryRow(ctx, `
		SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)
		FROM mail WHERE state = 'WAITING'`).Scan(&waiting, &seconds)
	if err != nil {
		return 0, 0, fmt.Errorf("count the mails that are to be sent: %w", err)
	}
	return waiting, seconds, nil
}
