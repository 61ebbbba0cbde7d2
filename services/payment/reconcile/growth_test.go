package reconcile

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// settled is a history of captured payments which both ledgers show, each with an incident that is resolved.
func settled(ctx context.Context, owner *pgx.Conn, from, to int) error {
	const row = ` FROM generate_series($1::int, $2::int) AS n, LATERAL (SELECT lpad(to_hex(n), 32, '0')::uuid AS id) AS named`
	for _, statement := range []string{`
		INSERT INTO payment (order_id, state, charge_key, amount, currency, payment_method, charge_id, captured_amount)
		SELECT id, 'CAPTURED', n, 1, 'USD', 'tok_visa', 'ch_' || n, 1` + row, `
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind, created_at)
		SELECT id, account, sign, 'USD', id, 'ch_' || n, 'charge', now() - interval '1 hour'` + row + `,
			(VALUES ('gateway', 1), ('customers', -1)) AS side (account, sign)`, `
		INSERT INTO gateway_line (position, id, kind, merchant_reference, order_id, amount, currency, matched_at)
		SELECT n, 'ch_' || n, 'charge', id, id, 1, 'USD', now()` + row, `
		INSERT INTO incident (id, order_id, kind, reason, resolved_at, resolution)
		SELECT id, id, 'reconciliation', 'x', now(), 'y'` + row, `
		INSERT INTO compared (entry) SELECT max(id) - 40 FROM ledger_entry WHERE $1::int < $2::int
		ON CONFLICT (one) DO UPDATE SET entry = EXCLUDED.entry`,
	} {
		if _, err := owner.Exec(ctx, statement, from, to); err != nil {
			return err
		}
	}
	return nil
}

// A round that finds nothing new touches a few blocks, however long the ledgers are.
func TestReconcile_NothingGrowsWithTheLedgers(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Payment, testkit.Migration{Table: "goose_db_version", FS: os.DirFS("../migrations")})
	testkit.NothingGrows(t, db, settled, map[string]func(context.Context, *pgxpool.Pool) error{
		"the last line": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, _, err := lastLine(ctx, pool)
			return err
		},
		"matching": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return matchLines(ctx, tx) })
		},
		"late captures": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { _, _ = markLate(ctx, tx); return nil }) // there is none
		},
		"refunds made by hand": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := refundedByHand(ctx, pool)
			return err
		},
		"what the gateway alone shows": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := onlyTheirs(ctx, pool, time.Second)
			return err
		},
		"our last entries": func(ctx context.Context, pool *pgxpool.Pool) error {
			var last int64
			if err := pool.QueryRow(ctx, `SELECT max(id) FROM ledger_entry`).Scan(&last); err != nil {
				return err
			}
			_, err := ourEntries(ctx, pool, last-40, time.Now())
			return err
		},
		"what was missing": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := linesOf(ctx, pool, []ourEntry{{difference: difference{gatewayID: "ch_7"}}})
			return err
		},
		"the first comparison of a process": func(ctx context.Context, pool *pgxpool.Pool) error {
			return (&Reconciler{pool: pool}).compareOurs(ctx, time.Now())
		},
		"open incidents": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := openIncidents(ctx, pool)
			return err
		},
	})
}

// What one process has compared the next one does not, but for what the gateway did not show.
func TestReconcile_GoesOnBehindWhatWasCompared(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Payment, testkit.Migration{Table: "goose_db_version", FS: os.DirFS("../migrations")})
	owner, err := pgx.Connect(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.WithoutCancel(t.Context())) //nolint:errcheck // the database is dropped
	if err := settled(t.Context(), owner, 1, 100); err != nil {
		t.Fatal(err)
	}
	compare := func(statement string, want int, up int64) {
		t.Helper()
		if _, err := owner.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		r := &Reconciler{pool: db.Pool}
		if err := r.compareOurs(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if entry, err := comparedUpTo(t.Context(), db.Pool); err != nil || entry != up || len(r.missing) != want {
			t.Errorf("after %q: %d are missing, want %d; compared up to %d, want %d: %v", statement, len(r.missing), want, entry, up, err)
		}
	}
	lineOf := func(n string) string { return `gateway_line WHERE id = 'ch_` + n + `'` }
	compare(`UPDATE compared SET entry = 0; DELETE FROM `+lineOf("50"), 1, 2*49) // two entries each
	compare(`DELETE FROM `+lineOf("40"), 1, 2*49)                                // it was compared
	compare(`INSERT INTO gateway_line SELECT position + 1000, 'ch_50', kind, merchant_reference, order_id, direct_reference, amount,
		currency FROM `+lineOf("60"), 0, 2*100-1)
}
