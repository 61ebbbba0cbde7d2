package notification

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
	if refused, is := errors.AsType[*pgconn.PgError](err); is {
		return refused.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	return ""
}

const (
	permissionDenied = "42501"
	checkViolation   = "23514"
	uniqueViolation  = "23505"
)

func TestDatabase_KeepsThePromises(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	const insert = `INSERT INTO mail (order_id, kind, recipient, name, body, state, problem, ended_at) VALUES `
	const id = `('019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42', `
	if got := sqlState(t, pool, insert+id+`'received', 'a@b.c', '', '', 'WAITING', NULL, NULL)`); got != "" {
		t.Fatal(got)
	}
	for _, c := range []struct{ name, sql, want string }{
		{"an order has one mail of a kind", insert + id + `'received', 'a@b.c', '', '', 'WAITING', NULL, NULL)`, uniqueViolation},
		{"no other kinds", insert + id + `'shipped', 'a@b.c', '', '', 'WAITING', NULL, NULL)`, checkViolation},
		{"no other states", insert + id + `'cancelled', 'a@b.c', '', '', 'LOST', 'lost', now())`, checkViolation},
		{"no mail to nobody", insert + id + `'cancelled', '', '', '', 'WAITING', NULL, NULL)`, checkViolation},
		{"an end has a moment", insert + id + `'cancelled', 'a@b.c', '', '', 'SENT', NULL, NULL)`, checkViolation},
		{"what waits has none", insert + id + `'cancelled', 'a@b.c', '', '', 'WAITING', NULL, now())`, checkViolation},
		{"an end without a mail has words", insert + id + `'cancelled', 'a@b.c', '', '', 'UNKNOWN', NULL, now())`, checkViolation},
		{"the service forgets no mail", `DELETE FROM mail`, permissionDenied},
		{"nor all of them", `TRUNCATE mail`, permissionDenied},
		{"nor changes the table", `DROP TABLE mail`, permissionDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			same(t, c.sql, sqlState(t, pool, c.sql), c.want)
		})
	}
}
