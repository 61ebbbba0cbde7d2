package inventory

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/pkg/testkit"
)

// sold is a history of reservations that have ended, each with an incident that is resolved.
func sold(ctx context.Context, owner *pgx.Conn, from, to int) error {
	for _, statement := range []string{`
		INSERT INTO reservation (order_id, state, lines)
		SELECT lpad(to_hex(n), 32, '0')::uuid, 'SOLD', '[{"sku": "widget", "quantity": 1}]'
		FROM generate_series($1::int, $2::int) AS n`, `
		INSERT INTO incident (id, order_id, kind, reason, resolved_at, resolution)
		SELECT id, id, 'unanswered', 'x', now(), 'y'
		FROM generate_series($1::int, $2::int) AS n, LATERAL (SELECT lpad(to_hex(n), 32, '0')::uuid AS id) AS named`,
	} {
		if _, err := owner.Exec(ctx, statement, from, to); err != nil {
			return err
		}
	}
	return nil
}

func TestStore_NothingGrowsWithTheReservationsThatHaveEnded(t *testing.T) {
	t.Parallel()
	const one = "00000000-0000-0000-0000-000000000200"
	patience := asking.Patience{Budget: time.Minute, Pause: time.Minute}
	sweep := func(do func(context.Context, pgx.Tx) error) func(context.Context, *pgxpool.Pool) error {
		return func(ctx context.Context, pool *pgxpool.Pool) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return do(ctx, tx) })
		}
	}
	testkit.NothingGrows(t, database(t), sold, map[string]func(context.Context, *pgxpool.Pool) error{
		"one reservation": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := reservationOf(ctx, pool, one)
			return err
		},
		"the stock": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := allStock(ctx, pool)
			return err
		},
		"the oldest unattended": func(ctx context.Context, pool *pgxpool.Pool) error {
			var at *time.Time
			return pool.QueryRow(ctx, oldestUnattended).Scan(&at)
		},
		"locking": sweep(func(ctx context.Context, tx pgx.Tx) error {
			return lockStock(ctx, tx, []string{"widget"}, []string{one})
		}),
		"those that nobody answers about": sweep(func(ctx context.Context, tx pgx.Tx) error {
			_, err := lockUnanswered(ctx, tx, patience)
			return err
		}),
		"those about which payment is asked again": sweep(func(ctx context.Context, tx pgx.Tx) error {
			_, err := repeatRequests(ctx, tx, patience)
			return err
		}),
	})
}
