package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
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

// Stock that was held before the order was stored beside it: what can be asked about is, whatever cannot be, and for that
// there is an incident, which offers nothing that would be refused.
func TestDatabase_StockHeldFromBeforeIsAskedAbout(t *testing.T) {
	t.Parallel()
	before := fstest.MapFS{}
	for _, name := range []string{"00001_stock.sql", "00002_opening_stock.sql", "00003_counts.sql"} {
		text, err := fs.ReadFile(Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		before[name] = &fstest.MapFile{Data: text}
	}
	db := testkit.Database(t, events.Inventory, testkit.Migration{Table: idempotency.Table, FS: idempotency.Migrations()},
		testkit.Migration{Table: "goose_db_version", FS: before})
	known := orderFor("ffffffff-7c3e-7d10-9a55-0c2f6a1b7e42", "widget", 2) // the last one in the order of the ids
	const held = `INSERT INTO reservation (order_id, state, lines, created_at) VALUES ($1, 'RESERVED', '[]', now() - interval '1 hour')`
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		for n := range asking.AtOnce + 1 {
			if _, err := tx.Exec(t.Context(), held, fmt.Sprintf("00000000-7c3e-7d10-9a55-%012d", n)); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(t.Context(), held, known.OrderID); err != nil {
			return err
		}
		return messaging.Publish(t.Context(), tx, events.InventoryReserved{Snapshot: known.Snapshot})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = service.Apply(t.Context(), db.OwnerURL, service.Migrations{Table: "goose_db_version", Files: Migrations()})
	if err != nil {
		t.Fatal(err)
	}
	for _, pause := range []time.Duration{time.Hour, time.Hour, 0} { // the last round opens incidents
		if err := (sweeper{in(db.Pool), asking.Patience{Budget: time.Minute, Pause: pause}}).runOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := events.InventoryReserved{Snapshot: known.Snapshot, Repeat: events.Repeat{Attempt: 2}}
	if got := asked(t, db.Pool, known.OrderID); len(got) < 2 || !reflect.DeepEqual(got[1], want) {
		t.Errorf("asked %+v, want %+v", got, want)
	}
	if n := count(t, db.Pool, `SELECT count(*) FROM outbox WHERE type LIKE '%InventoryReserved%' AND key <> $1`, known.OrderID); n != 0 {
		t.Errorf("asked %d times about an order that nothing is known of", n)
	}
	unknown := fmt.Sprintf("00000000-7c3e-7d10-9a55-%012d", 0)
	needsTheOrder(t, db.Pool, unknown)
	if _, err := batch(t.Context(), db.Pool, events.PaymentRefunded{Subject: events.Subject{OrderID: unknown}, Reason: "cancelled"}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db.Pool, `SELECT count(*) FROM incident WHERE order_id = $1 AND resolution = 'RELEASED'`, unknown); n != 1 {
		t.Errorf("%d incidents are closed by the end", n)
	}
}

// needsTheOrder wants the one incident of an order to offer a retry that brings the order, and nothing else.
func needsTheOrder(t *testing.T, pool *pgxpool.Pool, orderID string) {
	t.Helper()
	var incident string
	err := pool.QueryRow(t.Context(), `
		WITH held AS (
			UPDATE reservation SET lines = '[{"sku": "gizmo", "quantity": 1}]' WHERE order_id = $1
		), taken AS (
			UPDATE stock SET available = available - 1, reserved = reserved + 1 WHERE sku = 'gizmo'
		)
		SELECT id::text FROM incident WHERE order_id = $1 AND kind = $2`, orderID, kindUnanswered).Scan(&incident)
	if err != nil {
		t.Fatal(err)
	}
	router := chi.NewRouter()
	adminapi.API{Pool: pool, Transact: in(pool), Waits: waits}.Routes(router)
	order := orderFor(orderID, "gizmo", 1).Snapshot
	other, more, empty := order, order, order
	other.OrderID, empty.Lines = newOrderID(t), nil
	more.Lines = []events.Line{{SKU: "gizmo", Quantity: 2, UnitPrice: 1999}}
	for n, c := range []struct {
		order any
		want  string
		code  int
	}{
		{nil, "has to bring it", http.StatusBadRequest},
		{empty, "no order", http.StatusBadRequest},
		{other, "another order", http.StatusConflict},
		{more, "another order", http.StatusConflict},
		{order, `"asked"`, http.StatusOK},
	} {
		body, err := json.Marshal(map[string]any{"by": "grace", "why": "it is old", "expected_state": "RESERVED", "order": c.order})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/incidents/"+incident+"/retry", bytes.NewReader(body))
		r.Header.Set("Idempotency-Key", fmt.Sprint("k", n))
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%+v: %d %s, want %d %q", c.order, w.Code, w.Body, c.code, c.want)
		}
	}
	if got := asked(t, pool, orderID); len(got) != 1 || !reflect.DeepEqual(got[0].Snapshot, order) || !got[0].Repeated() {
		t.Errorf("asked %+v", got)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/incidents/"+incident, nil)
	w := httptest.NewRecorder()
	if router.ServeHTTP(w, r); !strings.Contains(w.Body.String(), `"action":"retry"`) {
		t.Errorf("offered: %s", w.Body)
	}
}
