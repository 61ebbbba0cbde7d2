package idempotency

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/testkit"
)

// answered is a history of keys, twenty of which have expired.
func answered(ctx context.Context, owner *pgx.Conn, from, to int) error {
	_, err := owner.Exec(ctx, `
		INSERT INTO idempotency_key (scope, key, fingerprint, status, headers, body, expires_at)
		SELECT 'things', 'key-' || n, decode(repeat('00', 32), 'hex'), 202, '{}', '{}',
			now() + interval '1 hour' * CASE WHEN n <= $1::int + 20 THEN -1 ELSE 1 END
		FROM generate_series($1::int, $2::int) AS n`, from, to)
	return err
}

// A service begins with an empty table, and prepares its statements then. Until the table is analyzed, which takes up to
// a minute, the same plans look keys up among all that came since.
func TestStore_KeysAreLookedUpByAPlanFromTheBeginning(t *testing.T) {
	t.Parallel()
	db := database(t)
	pool, err := pgxpool.New(t.Context(), db.URL+"&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	lookUp := func(ctx context.Context, pool *pgxpool.Pool) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			_, err := Begin(ctx, tx, []Request{{Scope: "things", Key: "key-500"}, {Scope: "things", Key: "new"}})
			return err
		})
	}
	for range 10 { // from the sixth time on the plan is kept
		if err := lookUp(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO idempotency_key (scope, key, fingerprint, status, headers, body, expires_at)
		SELECT 'things', 'key-' || n, decode(repeat('00', 32), 'hex'), 202, '{}', '{}', now() + interval '1 hour'
		FROM generate_series(1, 5000) AS n`); err != nil {
		t.Fatal(err)
	}
	if n := testkit.Touched(t, pool, lookUp); n > 20 {
		t.Errorf("two keys of 5,000 were looked up in %d blocks", n)
	}
}

func TestStore_NothingGrowsWithTheKeys(t *testing.T) {
	t.Parallel()
	testkit.NothingGrows(t, database(t), answered, map[string]func(context.Context, *pgxpool.Pool) error{
		"looking keys up": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				_, err := Begin(ctx, tx, []Request{{Scope: "things", Key: "key-500"}, {Scope: "things", Key: "new"}})
				return err
			})
		},
		"advancing": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				return Advance(ctx, tx, []Request{{Scope: "things", Key: "key-500"}})
			})
		},
		"reaping": func(ctx context.Context, pool *pgxpool.Pool) error {
			n, err := Reap(ctx, pool, 5)
			if n != 5 {
				err = errors.Join(err, fmt.Errorf("%d keys were reaped, want 5", n))
			}
			return err
		},
	})
}
