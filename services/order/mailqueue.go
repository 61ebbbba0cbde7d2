package order

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/services/order/api"
)

// claimMails takes up to limit mails that are due, for as long as the lease. That an order is cancelled is told
// after its receipt, never before.
func claimMails(ctx context.Context, pool *pgxpool.Pool, limit int) ([]Letter, error) {
	rows, err := pool.Query(ctx, `
		WITH due AS (
			SELECT order_id, kind FROM mail
			WHERE sent_at IS NULL AND refused_at IS NULL AND next_attempt_at <= now()
			  AND (kind = 'received' OR NOT EXISTS (
				SELECT FROM mail first
				WHERE first.order_id = mail.order_id AND first.kind = 'received' AND first.sent_at IS NULL
				  AND first.refused_at IS NULL))
			ORDER BY next_attempt_at LIMIT $1
			FOR UPDATE SKIP LOCKED
		)
		UPDATE mail SET attempts = mail.attempts + 1, next_attempt_at = now() + $2::interval
		FROM due JOIN orders o ON o.id = due.order_id
		WHERE mail.order_id = due.order_id AND mail.kind = due.kind
		RETURNING mail.kind, o.contact_email, o.id::text, o.items, o.total_amount, o.currency, o.ship_to,
		  coalesce(o.reason, ''),
		          mail.created_at, mail.attempts`, limit, mailLease)
	if err != nil {
		return nil, fmt.Errorf("claim mails: %w", err)
	}
	letters, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Letter, err error) {
		err = row.Scan(&l.Kind, &l.To, &l.Order.OrderID, &l.Order.Lines, &l.Order.Total.Amount, &l.Order.Total.Currency,
			&l.Order.ShipTo,
			&l.Reason, &l.At, &l.Attempts)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("claim mails: %w", err)
	}
	return letters, nil
}

// markMails notes what became of the letters. What somebody else has sent meanwhile stays sent.
func markMails(ctx context.Context, pool *pgxpool.Pool, letters []Letter, outcomes []outcome) error {
	var ids, kinds, problems []string
	var never []bool
	var pauses []time.Duration
	for i, l := range letters {
		problem := errorOf(outcomes[i].never, outcomes[i].later)
		text := ""
		if problem != nil {
			text = problem.Error()
		}
		ids, kinds, problems = append(ids, l.Order.OrderID), append(kinds, l.Kind), append(problems, text)
		never, pauses = append(never, outcomes[i].never != nil), append(pauses, mailPause(l.Attempts))
	}
	_, err := pool.Exec(ctx, `
		UPDATE mail SET
			sent_at = CASE WHEN done.problem = '' THEN now() END,
			refused_at = CASE WHEN done.never THEN now() END,
			problem = nullif(done.problem, ''),
			next_attempt_at = now() + done.pause
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::interval[]) AS done (order_id, kind, problem,
		  never, pause)
		WHERE mail.order_id = done.order_id AND mail.kind = done.kind AND mail.sent_at IS NULL AND mail.refused_at IS NULL`,
		ids, kinds, problems, never, pauses)
	if err != nil {
		return fmt.Errorf("mark %d mails: %w", len(letters), err)
	}
	return nil
}

// mailsOf are the mails about an order, the oldest first.
func mailsOf(ctx context.Context, db reader, orderID string) ([]api.Mail, error) {
	rows, err := db.Query(ctx, `
		SELECT kind, attempts, sent_at, refused_at FROM mail WHERE order_id = $1 ORDER BY created_at, kind DESC`, orderID)
	if err != nil {
		return nil, fmt.Errorf("read the mails of order %s: %w", orderID, err)
	}
	mails, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m api.Mail, err error) {
		err = row.Scan(&m.Kind, &m.Attempts, &m.SentAt, &m.RefusedAt)
		m.SentAt, m.RefusedAt = utc(m.SentAt), utc(m.RefusedAt)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the mails of order %s: %w", orderID, err)
	}
	return append([]api.Mail{}, mails...), nil
}
