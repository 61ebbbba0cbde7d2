package charge

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// decided is a history of payments that were captured and returned. Ten of each part are still work.
func decided(ctx context.Context, owner *pgx.Conn, from, to int) error {
	const row = ` FROM generate_series($1::int, $2::int) AS n, LATERAL (SELECT lpad(to_hex(n), 32, '0')::uuid AS id) AS named`
	for _, statement := range []string{`
		INSERT INTO payment (order_id, state, charge_key, amount, currency, payment_method, charge_id, captured_amount,
			returned_amount, refund_id, refund_amount)
		SELECT id, CASE WHEN n < $1 + 10 THEN 'INTENT' ELSE 'REFUNDED' END, n, 1, 'USD', 'tok_visa', 'ch_' || n, 1, 1,
			're_' || n, 1` + row, `
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		SELECT id, account, sign, 'USD', id, 're_' || n, 'refund'` + row + `,
			(VALUES ('gateway', -1), ('customers', 1)) AS side (account, sign)`, `
		INSERT INTO incident (id, order_id, kind, reason, resolved_at, resolution)
		SELECT id, id, 'charge_undecided', 'x', now(), 'y'` + row,
	} {
		if _, err := owner.Exec(ctx, statement, from, to); err != nil {
			return err
		}
	}
	return nil
}

func TestWorkers_NothingGrowsWithThePaymentsThatAreDecided(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Payment, testkit.Migration{Table: "goose_db_version", FS: os.DirFS("../migrations")})
	w := &Workers{Settings: Settings{ChargeBudget: time.Minute, GatewayTimeout: time.Second, Horizon: time.Minute}}
	testkit.NothingGrows(t, db, decided, map[string]func(context.Context, *pgxpool.Pool) error{
		"a claim and its outcome": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				claims, err := w.lease(ctx, tx, 2, `next_attempt_at <= now()`)
				if err != nil || len(claims) != 2 {
					return fmt.Errorf("%d payments were claimed: %w", len(claims), err)
				}
				batch := []finished{{Claim: claims[0]}, {Claim: claims[1]}}
				locked, err := lockClaimed(ctx, tx, batch, w.Settings)
				if err != nil || len(locked) != 2 {
					return fmt.Errorf("%d payments were locked: %w", len(locked), err)
				}
				var changes []Transition
				for _, l := range locked {
					changes = append(changes, Transition{From: l, To: Change{State: Captured}})
				}
				return storeChanges(ctx, tx, changes)
			})
		},
		"one payment": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := Load(ctx, pool, "00000000-0000-0000-0000-000000000200")
			return err
		},
	})
}
