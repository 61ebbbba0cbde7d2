package shipping

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
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
)

func TestDatabase_TheServiceCannotRewriteItsOwnHistory(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for _, sql := range []string{
		`UPDATE shipment SET state = 'FENCED'`,
		`DELETE FROM shipment`,
		`TRUNCATE shipment`,
		`ALTER TABLE shipment DROP CONSTRAINT shipment_pkey`,
		`DROP TABLE shipment`,
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
	const insert = `INSERT INTO shipment (order_id, state, shipment_id, reason, ship_to) VALUES `
	if got := sqlState(t, pool, insert+`('019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42', 'CREATED', 'shp_1', NULL, '{}')`); got != "" {
		t.Fatal(got)
	}
	for _, c := range []struct{ name, row, want string }{
		{"an order has one shipment", `('019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42', 'CREATED', 'shp_2', NULL, '{}')`, uniqueViolation},
		{"a shipment is of one order", `(gen_random_uuid(), 'CREATED', 'shp_1', NULL, '{}')`, uniqueViolation},
		{"no other states", `(gen_random_uuid(), 'LOST', NULL, 'lost', '{}')`, checkViolation},
		{"what is shipped has an id", `(gen_random_uuid(), 'CREATED', NULL, NULL, '{}')`, checkViolation},
		{"the id is a shipment's", `(gen_random_uuid(), 'CREATED', 'ch_3', NULL, '{}')`, checkViolation},
		{"what is not shipped has none", `(gen_random_uuid(), 'FAILED', 'shp_3', 'why not', '{}')`, checkViolation},
		{"a no has a reason", `(gen_random_uuid(), 'FENCED', NULL, NULL, NULL)`, checkViolation},
		{"what is shipped goes somewhere", `(gen_random_uuid(), 'CREATED', 'shp_4', NULL, NULL)`, checkViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := sqlState(t, pool, insert+c.row); got != c.want {
				t.Errorf("%s was answered by %q, want %q", c.row, got, c.want)
			}
		})
	}
}
