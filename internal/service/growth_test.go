package service_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox/recovery"
	"example.com/ordersaga/pkg/testkit"
)

// exchanged is a history of messages that were published and received, the first twenty of each part long ago.
func exchanged(ctx context.Context, owner *pgx.Conn, from, to int) error {
	const row = ` FROM generate_series($1::int, $2::int) AS n, LATERAL (SELECT lpad(to_hex(n), 32, '0')::uuid AS id,
		now() - interval '1 day' * CASE WHEN n < $1 + 20 THEN 9 ELSE 0 END AS at) AS named`
	for _, statement := range []string{
		`INSERT INTO inbox (event_id, type, key, received_at) SELECT id, 't', id, at` + row,
		`INSERT INTO outbox_message (id, key, type, subject, payload, created_at)
			SELECT id, id, 't', 's', convert_to(repeat('x', 500), 'UTF8'), at` + row,
		`INSERT INTO outbox_mark (id, published_at, stream_created, stream_seq) SELECT id, at, at, n` + row,
		`INSERT INTO incident (id, order_id, kind, reason, opened_at, resolved_at, resolution)
			SELECT id, id, 'k', 'x', at, now(), 'y'` + row,
	} {
		if _, err := owner.Exec(ctx, statement, from, to); err != nil {
			return err
		}
	}
	return nil
}

func TestService_NothingGrowsWithTheMessagesThatWereExchanged(t *testing.T) {
	t.Parallel()
	nothing := func(context.Context) error { return nil }
	testkit.NothingGrows(t, testkit.Database(t, events.Shipping), exchanged,
		map[string]func(context.Context, *pgxpool.Pool) error{
			"the age of the outbox": func(ctx context.Context, pool *pgxpool.Pool) error {
				var at *time.Time
				return pool.QueryRow(ctx, service.OldestUnpublished).Scan(&at)
			},
			"open incidents": func(ctx context.Context, pool *pgxpool.Pool) error {
				var n int
				return pool.QueryRow(ctx, `SELECT count(*) FROM incident WHERE resolved_at IS NULL`).Scan(&n)
			},
			"sweeping": func(ctx context.Context, pool *pgxpool.Pool) error {
				s := recovery.Sweeper{Pool: pool, Observe: func(string, int64) {}, BeforeDelete: nothing, Deleted: nothing}
				return s.RunOnce(ctx)
			},
		})
}
