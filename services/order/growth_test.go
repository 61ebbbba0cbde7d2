package order

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/pkg/testkit"
)

// finished is a history of orders that have ended, each with an incident that is resolved.
func finished(ctx context.Context, owner *pgx.Conn, from, to int) error {
	for _, statement := range []string{`
		INSERT INTO orders (id, customer_id, status, reason, shipment_id, total_amount, currency, items, payment_method,
			ship_to, deadline)
		SELECT lpad(to_hex(n), 32, '0')::uuid, 'c', CASE n % 10 WHEN 0 THEN 'CANCELLED' ELSE 'CONFIRMED' END,
			CASE n % 10 WHEN 0 THEN 'x' END, CASE WHEN n % 10 > 0 THEN 's' END, 1, 'USD',
			'[{"sku": "widget", "quantity": 1, "unit_price": 1}]', 'tok_visa', '{"name": "Ada Lovelace"}', now()
		FROM generate_series($1::int, $2::int) AS n`, `
		INSERT INTO order_history (order_id, status)
		SELECT lpad(to_hex(n), 32, '0')::uuid, 'PENDING' FROM generate_series($1::int, $2::int) AS n`, `
		INSERT INTO order_incident (order_id, incident_id, service, kind, opened_at, resolved_at)
		SELECT lpad(to_hex(n), 32, '0')::uuid, n, 'payment', 'k', now(), now() FROM generate_series($1::int, $2::int) AS n`,
	} {
		if _, err := owner.Exec(ctx, statement, from, to); err != nil {
			return err
		}
	}
	return nil
}

func TestStore_NothingGrowsWithTheOrdersThatHaveEnded(t *testing.T) {
	t.Parallel()
	const deep = "00000000-0000-0000-0000-000000000200" // 512 orders are older
	list := func(status Status, before string) func(context.Context, *pgxpool.Pool) error {
		return func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := listOrders(ctx, pool, status, before, 51)
			return err
		}
	}
	sweep := func(do func(context.Context, pgx.Tx) error) func(context.Context, *pgxpool.Pool) error {
		return func(ctx context.Context, pool *pgxpool.Pool) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return do(ctx, tx) })
		}
	}
	testkit.NothingGrows(t, database(t), finished, map[string]func(context.Context, *pgxpool.Pool) error{
		"the first page":               list("", newest),
		"a deep page":                  list("", deep),
		"the cancelled ones":           list(Cancelled, newest),
		"a deep page of the confirmed": list(Confirmed, deep),
		"those that wait":              list(Pending, newest),
		"those that need attention":    list(NeedsAttention, newest),
		"one order": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := readOrder(ctx, pool, deep)
			return err
		},
		"the oldest unattended": func(ctx context.Context, pool *pgxpool.Pool) error {
			var at *time.Time
			return pool.QueryRow(ctx, oldestUnattended).Scan(&at)
		},
		"those beyond their deadline": sweep(func(ctx context.Context, tx pgx.Tx) error {
			_, err := lockOverdue(ctx, tx, 200)
			return err
		}),
		"those whose cancel takes too long": sweep(func(ctx context.Context, tx pgx.Tx) error {
			_, err := lockStuck(ctx, tx, time.Minute, 200)
			return err
		}),
		"those about which shipping is asked again": sweep(func(ctx context.Context, tx pgx.Tx) error {
			_, err := repeatRequests(ctx, tx, asking.Patience{Budget: time.Minute, Pause: time.Minute})
			return err
		}),
		"mails of the release before": sweep(func(ctx context.Context, tx pgx.Tx) error {
			_, err := takeMails(ctx, tx, 50)
			return err
		}),
	})
}
