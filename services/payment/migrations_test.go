package payment

import (
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/charge"
)

// before are the migrations up to a file, which is not among them.
func before(t *testing.T, file string) fs.FS {
	t.Helper()
	names, err := fs.Glob(Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	old := fstest.MapFS{}
	for _, name := range names {
		if name < file {
			text, err := os.ReadFile("migrations/" + name)
			if err != nil {
				t.Fatal(err)
			}
			old[name] = &fstest.MapFile{Data: text}
		}
	}
	return old
}

// Payments of the release before get their sums from the ledger: an order's and a direct one, whole and in part.
func TestMigrations_SumsOfOldPaymentsAreThoseOfTheLedger(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Payment, testkit.Migration{Table: "goose_db_version", FS: before(t, "00004")})
	owner, err := pgxpool.New(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(owner.Close)
	want := map[string]string{
		"01936f2e-7c00-7000-8000-000000000001": "CAPTURED 1999 0",
		"01936f2e-7c00-7000-8000-000000000002": "REFUNDED 1999 1999",
		"01936f2e-7c00-7000-8000-000000000003": "SETTLED 1999 1999",
		"01936f2e-7c00-7000-8000-000000000004": "DECLINED - 0",
		"01936f2e-7c00-7000-8000-000000000005": "REFUNDED 1999 500",
	}
	execute(t, owner, `
		INSERT INTO payment (order_id, direct_reference, state, charge_key, amount, currency, payment_method, charge_id, refund_id, refund_amount)
		SELECT ('01936f2e-7c00-7000-8000-00000000000' || n)::uuid, direct, state, 'k' || n, 1999, 'USD', 'tok_visa', 'ch_' || n, 're_' || n, part
		FROM (VALUES (1, NULL, 'CAPTURED', NULL), (2, NULL, 'REFUNDED', 1999), (3, NULL, 'SETTLED', 1999), (4, NULL, 'DECLINED', NULL),
			(5, 'invoice-1', 'REFUNDED', 500)) AS old (n, direct, state, part)`)
	postings := []charge.Posting{}
	for n, reference := range []string{"01936f2e-7c00-7000-8000-000000000001", "01936f2e-7c00-7000-8000-000000000002", "01936f2e-7c00-7000-8000-000000000003", "direct:invoice-1"} {
		postings = append(postings, charge.Posting{Kind: "charge", Reference: reference, GatewayID: "ch_" + string(rune('a'+n)), Amount: 1999, Currency: "USD"})
	}
	postings = append(postings,
		charge.Posting{Kind: "refund", Reference: "01936f2e-7c00-7000-8000-000000000002", GatewayID: "re_2", Amount: 1999, Currency: "USD"},
		charge.Posting{Kind: "settlement", Reference: "01936f2e-7c00-7000-8000-000000000003", Amount: 1999, Currency: "USD"},
		charge.Posting{Kind: "refund", Reference: "direct:invoice-1", GatewayID: "re_5", Amount: 500, Currency: "USD"})
	tx, err := owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := charge.Post(t.Context(), tx, postings...); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := service.Migrate(t.Context(), db.OwnerURL, service.Migrations{Table: "goose_db_version", Files: Migrations()}); err != nil {
		t.Fatal(err)
	}
	for id, sums := range want {
		if got := text(t, owner, `SELECT concat(state, ' ', coalesce(captured_amount::text, '-'), ' ', returned_amount) FROM payment WHERE order_id = $1`, id); got != sums {
			t.Errorf("%s: %s, want %s", id, got, sums)
		}
	}
}
