package order

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/contracts/gateway"
	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/testkit"
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
		{"no order for nothing", `UPDATE orders SET total_amount = 0 WHERE id = '` + pending + `'`, checkViolation},
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

// Where prices are entered, what the gateway could never charge is refused.
func TestDatabase_APriceCanBeCharged(t *testing.T) {
	t.Parallel()
	owner := ownerPool(t, database(t))
	insert := func(amount int64, currency string) string {
		return fmt.Sprintf(`INSERT INTO price VALUES (gen_random_uuid(), %d, '%s')`, amount, currency)
	}
	for _, amount := range []int64{0, -1} {
		if got := sqlState(t, owner, insert(amount, "USD")); got != checkViolation {
			t.Errorf("a price of %d was answered by %q", amount, got)
		}
	}
	if got := sqlState(t, owner, `UPDATE price SET amount = 0 WHERE sku = 'widget'`); got != checkViolation {
		t.Errorf("a price that becomes 0 was answered by %q", got)
	}
	taken := map[bool]int{}
	for code := range 26 * 26 * 26 {
		currency := string([]byte{'A' + byte(code/676), 'A' + byte(code/26%26), 'A' + byte(code%26)})
		takes := gateway.Takes(currency)
		if taken[takes]++; !takes && !events.KnownCurrency(currency) && code%97 != 0 {
			continue // one in 97 of the codes that no currency has is enough
		}
		if got := sqlState(t, owner, insert(1, currency)); (got == "") != takes {
			t.Errorf("a price in %s was answered by %q; the gateway takes it: %v", currency, got, takes)
		}
	}
	if taken[true] == 0 {
		t.Error("the gateway takes no currency")
	}
}

// What was entered before the constraints stays. Such a price sells nothing, and an order for nothing can be cancelled.
func TestDatabase_PricesAndOrdersFromBeforeStay(t *testing.T) {
	t.Parallel()
	db := databaseBefore(t, "00004")
	owner := ownerPool(t, db)
	for _, sql := range []string{
		`INSERT INTO price VALUES ('free', 0, 'USD'), ('dinar', 5, 'BHD')`,
		`INSERT INTO orders (id, customer_id, status, total_amount, currency, items, payment_method, ship_to, deadline)
		 VALUES (gen_random_uuid(), 'ada', 'PENDING', 0, 'USD', '[]', 'tok_visa', '{}', now())`,
	} {
		if got := sqlState(t, owner, sql); got != "" {
			t.Fatalf("%s was answered by %q", sql, got)
		}
	}
	err := service.Apply(t.Context(), db.OwnerURL, service.Migrations{Table: "goose_db_version", Files: Migrations()})
	if err != nil {
		t.Fatal(err)
	}
	for _, sku := range []string{"free", "dinar"} {
		command := twoWidgets
		command.Items = []Item{{sku, 1}}
		results, err := intake{tx: in(db.Pool), deadline: time.Hour}.commit(t.Context(), []placement{request(t, newID(t), command)})
		if err != nil {
			t.Fatal(err)
		}
		if _, refused := errors.AsType[Refusal](results[0].err); !refused {
			t.Errorf("an order for %q: %v is no refusal", sku, results[0].err)
		}
	}
	sweep := patientSweeper(db.Pool)
	if err := sweep.runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sqlState(t, owner, `UPDATE orders SET status = 'CANCELLED' WHERE status = 'CANCELLING' AND total_amount = 0`); got != "" {
		t.Errorf("the end of an order for nothing was answered by %q", got)
	}
	var cancelled int
	err = owner.QueryRow(t.Context(), `SELECT count(*) FROM orders WHERE status = 'CANCELLED'`).Scan(&cancelled)
	if err != nil || cancelled != 1 {
		t.Errorf("%d orders are cancelled: %v", cancelled, err)
	}
}

// databaseBefore is a database as it was before a migration.
func databaseBefore(t *testing.T, file string) *testkit.DB {
	t.Helper()
	names, err := fs.Glob(Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	before := fstest.MapFS{}
	for _, name := range names {
		if name >= file {
			continue
		}
		text, err := fs.ReadFile(Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		before[name] = &fstest.MapFile{Data: text}
	}
	return testkit.Database(t, events.Order, testkit.Migration{Table: "goose_idempotency", FS: idempotency.Migrations()},
		testkit.Migration{Table: "goose_db_version", FS: before})
}

// Orders of the release before, which asked once. Shipping is asked again with the whole order, since it may have shipped
// that before it kept orders; a person has it asked at once, and its answer ends the order.
func TestMigrations_OrdersFromBeforeRequestsWereRepeatedComeToTheirEnd(t *testing.T) {
	t.Parallel()
	db := databaseBefore(t, "00005")
	owner := ownerPool(t, db)
	cancelling, pending := newID(t), newID(t)
	for id, status := range map[string]string{cancelling: "CANCELLING", pending: "PENDING"} {
		exec(t, owner, fmt.Sprintf(`
			INSERT INTO orders (id, customer_id, status, total_amount, currency, items, payment_method, ship_to, deadline, reason, cancel_requested_at)
			VALUES ('%[1]s', 'ada', '%[2]s', 1999, 'USD', '[{"sku": "widget", "quantity": 1, "unit_price": 1999}]', 'tok_visa',
				'{"name": "Ada", "street": "Bahnhofstrasse 1", "city": "Zürich", "postal_code": "8001", "country": "CH"}', now() - interval '2 days',
				CASE '%[2]s' WHEN 'CANCELLING' THEN 'customer' END, CASE '%[2]s' WHEN 'CANCELLING' THEN now() - interval '2 days' END);
			INSERT INTO order_history (order_id, status) VALUES ('%[1]s', '%[2]s')`, id, status))
	}
	err := service.Apply(t.Context(), db.OwnerURL, service.Migrations{Table: "goose_db_version", Files: Migrations()})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first round asks for the cancel of what is pending
		s := sweeper{tx: in(db.Pool), patience: asking.Patience{Pause: time.Hour}}
		if err := s.runOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for id, reason := range map[string]string{cancelling: byCustomer, pending: byDeadline} {
		same(t, "asked", asked(t, db.Pool, id), map[string][]string{cancelling: {"2"}, pending: {"1", "2"}}[id])
		var payload []byte
		err := db.Pool.QueryRow(t.Context(), `SELECT payload FROM outbox WHERE key = $1 AND type LIKE '%OrderCancelRequested%' ORDER BY position DESC LIMIT 1`, id).Scan(&payload)
		if err != nil {
			t.Fatal(err)
		}
		_, event, err := events.Decode(payload)
		if err != nil {
			t.Fatal(err)
		}
		whole := shipment(id).(events.ShipmentCreated).Snapshot
		same(t, "the request", event, events.Event(events.OrderCancelRequested{
			Subject: events.Subject{OrderID: id}, Reason: reason, Repeat: events.Repeat{Attempt: 2}, Snapshot: &whole,
		}))
		incident := texts(t, db.Pool, `SELECT id::text FROM incident WHERE order_id = $1 AND kind = $2 AND resolved_at IS NULL`, id, kindOverdue)
		if len(incident) != 1 {
			t.Fatalf("open incidents: %v", incident)
		}
		status, answer := operate(t, db.Pool, http.MethodPost, "/incidents/"+incident[0]+"/retry", id, `{"by": "grace", "why": "shipping is back", "expected_state": "CANCELLING"}`)
		if status != http.StatusOK {
			t.Errorf("%d %s", status, answer)
		}
		deliver(t, db.Pool, shipment(id))
		same(t, "the end", read(t, db.Pool, id).Status, Confirmed)
		same(t, "open incidents", len(texts(t, db.Pool, `SELECT id::text FROM incident WHERE order_id = $1 AND resolved_at IS NULL`, id)), 0)
	}
}

func ownerPool(t *testing.T, db *testkit.DB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
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
