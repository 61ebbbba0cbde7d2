package shipping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
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

// Shipments of the release before, which kept no orders. The one whose event the outbox still has gets its order from
// that; about the others shipping answers with the order that the request carries, by whatever way that comes.
func TestMigrations_ShipmentsFromBeforeOrdersWereKeptAreAnsweredAbout(t *testing.T) {
	t.Parallel()
	first, err := fs.ReadFile(Migrations(), "00001_shipment.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := testkit.Database(t, events.Shipping, testkit.Migration{Table: "goose_db_version", FS: fstest.MapFS{"00001_shipment.sql": &fstest.MapFile{Data: first}}})
	owner, err := pgxpool.New(t.Context(), db.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(owner.Close)
	young, old, paid, fenced := newOrderID(t), newOrderID(t), newOrderID(t), newOrderID(t)
	for n, id := range []string{young, old, paid} {
		insert(t, owner, `INSERT INTO shipment (order_id, state, shipment_id, ship_to) VALUES ($1, 'CREATED', $2, $3)`,
			id, fmt.Sprintf("shp_%d", n), paidOrder(id, "GB").ShipTo)
	}
	insert(t, owner, `INSERT INTO shipment (order_id, state, reason) VALUES ($1, 'FENCED', 'cancelled')`, fenced)
	published, err := json.Marshal(map[string]any{"data": events.ShipmentCreated{Snapshot: paidOrder(young, "GB").Snapshot, ShipmentID: "shp_0"}})
	if err != nil {
		t.Fatal(err)
	}
	insert(t, owner, `INSERT INTO outbox (id, key, type, subject, payload) VALUES (gen_random_uuid(), $1, 'saga.shipping.ShipmentCreated.v1', 's', $2)`,
		young, published)
	err = service.Apply(t.Context(), db.OwnerURL, service.Migrations{Table: "goose_db_version", Files: Migrations()})
	if err != nil {
		t.Fatal(err)
	}
	again := events.Repeat{Attempt: 2}
	cancelAgain := func(id string, order *events.Snapshot) events.OrderCancelRequested {
		request := cancelOf(id)
		request.Repeat, request.Snapshot = again, order
		return request
	}
	payment := paidOrder(paid, "GB")
	payment.Repeat = again
	asked := paidOrder(old, "GB").Snapshot
	created := func(id string, n int) events.Event {
		return events.ShipmentCreated{Snapshot: paidOrder(id, "GB").Snapshot, ShipmentID: fmt.Sprintf("shp_%d", n), Repeat: again}
	}
	for name, c := range map[string]struct{ request, want events.Event }{
		"its event is in the outbox":             {cancelAgain(young, nil), created(young, 0)},
		"the order asks":                         {cancelAgain(old, &asked), created(old, 1)},
		"payment asks":                           {payment, created(paid, 2)},
		"an order service of the release before": {cancelAgain(old, nil), nil},
		"an order that was fenced":               {cancelAgain(fenced, nil), events.ShipmentFailed{Subject: events.Subject{OrderID: fenced}, Reason: cancelled, Repeat: again}},
		"a request that is not made again":       {cancelOf(old), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers, err := batch(context.WithoutCancel(t.Context()), db.Pool, c.request)
			if err != nil || len(answers) != 1 || !reflect.DeepEqual(answers[0], c.want) {
				t.Errorf("%+v is answered by %+v (%v), want %+v", c.request, answers, err, c.want)
			}
		})
	}
}

func insert(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}
