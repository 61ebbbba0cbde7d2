package testkit

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// History is how a test makes a table long: it writes the rows from to to, as the owner.
type History func(ctx context.Context, owner *pgx.Conn, from, to int) error

// The lengths of a short and of a long history.
const (
	shortHistory = 1_000
	longHistory  = 20_000
)

// NothingGrows fails when something touches more blocks of tables and indexes behind 20,000 rows than behind 1,000: a
// look-up needs a level of an index more, and a scan twenty times as many. What is done gets a pool with one
// connection, whose plans stay from one length to the other, as they do in a service.
func NothingGrows(t *testing.T, db *DB, history History, done map[string]func(context.Context, *pgxpool.Pool) error) {
	t.Helper()
	owner, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // the database is dropped
	pool, err := pgxpool.New(t.Context(), db.URL+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	short := map[string]int64{}
	for _, length := range []struct{ from, to int }{{1, shortHistory}, {shortHistory + 1, longHistory}} {
		if err := history(t.Context(), owner, length.from, length.to); err != nil {
			t.Fatal(err)
		}
		if _, err := owner.Exec(t.Context(), `VACUUM (ANALYZE)`); err != nil { // as autovacuum does
			t.Fatal(err)
		}
		for what, do := range done {
			n := Touched(t, pool, do)
			switch {
			case length.to == shortHistory:
				short[what] = n
			case n > short[what]*2+20:
				t.Errorf("%s touches %d blocks behind %d rows, and %d behind %d", what, short[what], shortHistory, n, length.to)
			default:
				t.Logf("%s touches %d and %d blocks", what, short[what], n)
			}
		}
	}
}

// Touched is how many blocks of user tables and their indexes something reads or finds in memory. The
// pool has one connection.
func Touched(t *testing.T, pool *pgxpool.Pool, do func(context.Context, *pgxpool.Pool) error) int64 {
	t.Helper()
	count := func() (n int64) {
		t.Helper()
		// A backend reports what it has touched now and then, or at the end of this statement.
		if _, err := pool.Exec(t.Context(), `SELECT pg_stat_force_next_flush()`); err != nil {
			t.Fatal(err)
		}
		if err := pool.QueryRow(t.Context(), `
			SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))::bigint
			FROM pg_statio_user_tables`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	if err := do(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	return count() - before
}
