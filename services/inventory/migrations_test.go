package inventory

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/testkit"
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

const (
	permissionDenied = "42501"
	checkViolation   = "23514"
	uniqueViolation  = "23505"
	foreignKey       = "23503"
)

func TestDatabase_TheServiceCannotRewriteItsOwnHistory(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for _, sql := range []string{
		`UPDATE stock_adjustment SET delta = 2`,
		`DELETE FROM stock_adjustment`,
		`TRUNCATE stock_adjustment`,
		`INSERT INTO stock (sku, available) VALUES ('out-of-thin-air', 1)`,
		`DELETE FROM stock`,
		`TRUNCATE stock CASCADE`,
		`DELETE FROM reservation`,
		`TRUNCATE reservation`,
		`ALTER TABLE stock DROP CONSTRAINT stock_available_check`,
		`DROP TABLE reservation`,
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
	owner := ownerPool(t, database(t))
	const order = `'019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42'`
	if got := sqlState(t, owner, `INSERT INTO reservation (order_id, state, lines) VALUES (`+order+`, 'RESERVED', '[]')`); got != "" {
		t.Fatal(got)
	}
	for _, c := range []struct{ name, sql, want string }{
		{"no less than nothing is available", `UPDATE stock SET available = -1`, checkViolation},
		{"no less than nothing is reserved", `UPDATE stock SET reserved = -1`, checkViolation},
		{"no less than nothing is sold", `UPDATE stock SET sold = -1`, checkViolation},
		{"a SKU is a plain word", `INSERT INTO stock (sku) VALUES ('Big Widget')`, checkViolation},
		{"an adjustment has a reason", `INSERT INTO stock_adjustment VALUES (gen_random_uuid(), 'widget', 1, '')`, checkViolation},
		{"an adjustment is of a SKU", `INSERT INTO stock_adjustment VALUES (gen_random_uuid(), 'nothing', 1, 'counted')`, foreignKey},
		{"an order has one reservation", `INSERT INTO reservation (order_id, state, lines) VALUES (` + order + `, 'RESERVED', '[]')`, uniqueViolation},
		{"no other states", `UPDATE reservation SET state = 'LOST'`, checkViolation},
		{"a reservation has lines", `UPDATE reservation SET lines = NULL`, checkViolation},
		{"a rejection has a reason", `UPDATE reservation SET state = 'REJECTED'`, checkViolation},
		{"a reservation has no reason", `UPDATE reservation SET reason = 'why not'`, checkViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := sqlState(t, owner, c.sql); got != c.want {
				t.Errorf("%s was answered by %q, want %q", c.sql, got, c.want)
			}
		})
	}
}

func TestDatabase_OpensWithItsStockInTheLedger(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	levels, err := allStock(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"gadget": 1_000_000, "gizmo": 1_000_000, "last-one": 1, "unobtainium": 0, "widget": 1_000_000}
	for _, level := range levels {
		if level != (Stock{SKU: level.SKU, Available: want[level.SKU]}) {
			t.Errorf("opened with %+v, want %d available", level, want[level.SKU])
		}
		delete(want, level.SKU)
	}
	if len(want) > 0 {
		t.Errorf("opened without %v", want)
	}
	checkStock(t, pool)
}

// ownerPool works with the login that owns the tables.
func ownerPool(t *testing.T, db *testkit.DB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}
