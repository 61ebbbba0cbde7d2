package order

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// database is a fresh one with the order service's tables and the opening price list.
func database(t *testing.T) *testkit.DB {
	t.Helper()
	return testkit.Database(t, events.Order,
		testkit.Migration{Table: idempotency.Table, FS: idempotency.Migrations()},
		testkit.Migration{Table: "goose_db_version", FS: Migrations()})
}

// in runs functions in a transaction each, as outbox.Tx does where there is a broker.
func in(pool *pgxpool.Pool) transaction {
	return func(ctx context.Context, fn func(pgx.Tx) error) error { return pgx.BeginFunc(ctx, pool, fn) }
}

func newID(t *testing.T) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// twoWidgets is what most tests order.
var twoWidgets = PlaceOrder{
	CustomerID:    "ada",
	Items:         []Item{{"widget", 2}},
	PaymentMethod: "tok_visa",
	ShipTo:        events.Address{Name: "Ada", Street: "Rue 1", City: "Bern", PostalCode: "3000", Country: "CH"},
}

// request is a placement under a key.
func request(t *testing.T, key string, command PlaceOrder) placement {
	t.Helper()
	r, err := idempotency.ForOperation("POST /v1/orders", "orders", key, command)
	if err != nil {
		t.Fatal(err)
	}
	return placement{id: newID(t), request: r, command: command, version: 1}
}

// order places an order for two widgets that may be pending for so long, and returns its id.
func order(t *testing.T, pool *pgxpool.Pool, deadline time.Duration) string {
	t.Helper()
	return orders(t, pool, 1, deadline)[0]
}

func orders(t *testing.T, pool *pgxpool.Pool, n int, deadline time.Duration) []string {
	t.Helper()
	var all []placement
	for range n {
		all = append(all, request(t, newID(t), twoWidgets))
	}
	results, err := intake{tx: in(pool), deadline: deadline}.commit(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.err != nil {
			t.Fatal(r.err)
		}
	}
	return idsOf(all)
}

// handle takes events as the inbox does: in one transaction, prepared, each by its step.
func handle(ctx context.Context, pool *pgxpool.Pool, list ...events.Event) (answers []events.Event, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := lockBatch(ctx, tx, list); err != nil {
			return err
		}
		for _, event := range list {
			answer, err := react(ctx, tx, event)
			if err != nil {
				return err
			}
			answers = append(answers, answer)
		}
		return nil
	})
	return answers, err
}

// react calls the step that handles the event.
func react(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
	switch e := event.(type) {
	case events.InventoryRejected:
		return outOfStock(ctx, tx, e)
	case events.InventoryReleased:
		return undone(ctx, tx, e)
	case events.ShipmentCreated:
		return testkit.Alone(ctx, tx, e, shipped)
	case events.IncidentOpened:
		return incidentOpened(ctx, tx, e)
	case events.IncidentResolved:
		return incidentResolved(ctx, tx, e)
	}
	panic("the order service does not subscribe to " + event.Type().Name)
}

// deliver handles events, each in a transaction of its own, and returns their answers.
func deliver(t *testing.T, pool *pgxpool.Pool, list ...events.Event) (answers []events.Event) {
	t.Helper()
	for _, event := range list {
		answer, err := handle(t.Context(), pool, event)
		if err != nil {
			t.Fatalf("%s: %v", event.Type(), err)
		}
		answers = append(answers, answer...)
	}
	return answers
}

// cancel asks for the cancel of an order as its customer.
func cancel(t *testing.T, pool *pgxpool.Pool, id string) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return askToCancel(t.Context(), tx, []string{id}, byCustomer) })
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, pool *pgxpool.Pool, id string) Order {
	t.Helper()
	o, err := readOrder(t.Context(), pool, id)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// history is what an order went through: "PENDING", "CANCELLED out_of_stock", ….
func history(t *testing.T, pool *pgxpool.Pool, id string) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT concat_ws(' ', status, reason) FROM order_history WHERE order_id = $1 ORDER BY position`, id)
}

// published is what the outbox holds about an order: "OrderCreated", "OrderCancelRequested customer", ….
func published(t *testing.T, pool *pgxpool.Pool, id string) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT concat_ws(' ', split_part(type, '.', 3), convert_from(payload, 'UTF8')::jsonb #>> '{data,reason}')
		FROM outbox WHERE key = $1 ORDER BY position`, id)
}

func texts(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func count(t *testing.T, pool *pgxpool.Pool, sql string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %s, want %s", what, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
	}
}

// exec changes a row behind the service's back.
func exec(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
