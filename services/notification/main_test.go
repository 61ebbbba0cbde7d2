package notification

import (
	"context"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// database is a fresh one with notification's table.
func database(t *testing.T) *testkit.DB {
	t.Helper()
	return testkit.Database(t, events.Notification, testkit.Migration{Table: "goose_db_version", FS: Migrations()})
}

func newOrderID(t *testing.T) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

const ada = "ada@customers.example"

// createdFor is a new order of somebody who gets mails at an address; empty: of somebody who wants none.
func createdFor(orderID, contact string) events.OrderCreatedV2 {
	return events.OrderCreated{ContactEmail: contact, Snapshot: events.Snapshot{
		OrderID: orderID, CustomerID: "ada", PaymentMethod: "tok_visa",
		Lines:  []events.Line{{SKU: "widget", Quantity: 2, UnitPrice: 1999}},
		Total:  events.Money{Amount: 3998, Currency: "USD"},
		ShipTo: events.Address{Name: "Ada Lövelace", Street: "Rue 1", City: "Bern", PostalCode: "3000", Country: "CH"},
	}}.Upcast()
}

func cancelledFor(orderID, contact, reason string) events.OrderCancelled {
	return events.OrderCancelled{Subject: events.Subject{OrderID: orderID}, Reason: reason, ContactEmail: contact}
}

// react calls the step that handles the event.
func react(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
	switch e := event.(type) {
	case events.OrderCreated:
		return received(ctx, tx, e.Upcast())
	case events.OrderCreatedV2:
		return received(ctx, tx, e)
	case events.OrderCancelled:
		return cancelled(ctx, tx, e)
	}
	panic("notification does not subscribe to " + event.Type().Name)
}

// handle handles events as the inbox does: in one transaction, each by its step. None is answered.
func handle(t *testing.T, pool *pgxpool.Pool, list ...events.Event) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		for _, event := range list {
			answer, err := react(t.Context(), tx, event)
			if err != nil {
				return err
			}
			if answer != nil {
				t.Errorf("%s was answered by %v", event.Type(), answer)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ordered lets orders be placed by these customers.
func ordered(t *testing.T, pool *pgxpool.Pool, contacts ...string) (ids []string) {
	t.Helper()
	for _, contact := range contacts {
		id := newOrderID(t)
		handle(t, pool, createdFor(id, contact))
		ids = append(ids, id)
	}
	return ids
}

// process sends what is in the database to a server, with time-outs that a test can wait for.
func process(pool *pgxpool.Pool, addr string) sending {
	server := mailServer{addr: addr, from: "orders@shop.example", hello: "shop.example",
		times: times{command: 5 * time.Second, data: 5 * time.Second, end: 5 * time.Second}}
	return newSending(pool, server, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

func runOnce(t *testing.T, s sending) {
	t.Helper()
	defer s.rest.Wait()
	if err := s.runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// due lets every mail's pause, or lease, be over.
func due(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	exec(t, pool, `UPDATE mail SET next_attempt_at = now()`)
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// texts are the values of a column.
func texts(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
