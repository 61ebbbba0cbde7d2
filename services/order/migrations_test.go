package order

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
)

const (
	permissionDenied = "42501"
	checkViolation   = "23514"
	uniqueViolation  = "23505"
)

// sqlState is what Postgres answered: "" when it was obeyed.
func sqlState(t *testing.T, pool *pgxpool.Pool, sql string) string {
	t.Helper()
	_, err := pool.Exec(t.Context(), sql)
	var refused *pgconn.PgError
	if err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if refused == nil {
		return ""
	}
	return refused.Code
}

func TestDatabase_TheServiceCannotRewriteItsOwnHistory(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for _, sql := range []string{
		`UPDATE order_history SET status = 'CONFIRMED'`,
		`DELETE FROM order_history`,
		`TRUNCATE order_history`,
		`ALTER TABLE orders DROP CONSTRAINT orders_status_check`,
		`DROP TABLE order_history`,
		`UPDATE price SET amount = 1`,
		`DELETE FROM orders`,
		`TRUNCATE orders`,
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			if got := sqlState(t, pool, sql); got != permissionDenied {
				t.Errorf("the database answered %q, want %q (permission denied)", got, permissionDenied)
			}
		})
	}
}

func TestDatabase_KeepsThePromises(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	id := order(t, pool, time.Hour)
	deliver(t, pool, shipment(id))
	pending := order(t, pool, time.Hour)
	for _, c := range []struct{ name, sql, want string }{
		{"an order does not end twice", `INSERT INTO order_history (order_id, status) VALUES ('` + id + `', 'CANCELLED')`, uniqueViolation},
		{"nothing is confirmed that was not shipped", `UPDATE orders SET status = 'CONFIRMED' WHERE id = '` + pending + `'`, checkViolation},
		{"nothing is shipped that is not confirmed", `UPDATE orders SET shipment_id = 'shp_1' WHERE id = '` + pending + `'`, checkViolation},
		{"nothing is cancelled without a reason", `UPDATE orders SET status = 'CANCELLED' WHERE id = '` + pending + `'`, checkViolation},
		{"nobody waits for a cancel that nobody asked for", `UPDATE orders SET status = 'CANCELLING' WHERE id = '` + pending + `'`, checkViolation},
		{"no other states", `UPDATE orders SET status = 'LOST' WHERE id = '` + pending + `'`, checkViolation},
		{"no total below zero", `UPDATE orders SET total_amount = -1 WHERE id = '` + pending + `'`, checkViolation},
		{"an incident began or ended", `INSERT INTO order_incident VALUES ('` + id + `', 'i', 'payment', 'x')`, checkViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := sqlState(t, pool, c.sql); got != c.want {
				t.Errorf("%s was answered by %q, want %q", c.sql, got, c.want)
			}
		})
	}
}

func TestDatabase_OpensWithItsPrices(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	got, err := readPrices(t.Context(), tx, []string{"widget", "gadget", "gizmo", "last-one", "unobtainium", "perpetuum mobile"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "prices", got, map[string]events.Money{
		"widget": usd(1999), "gadget": usd(4950), "gizmo": usd(750), "last-one": usd(9900), "unobtainium": usd(100000),
	})
}
