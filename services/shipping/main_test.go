package shipping

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// database is a fresh one with shipping's table.
func database(t *testing.T) *testkit.DB {
	t.Helper()
	return testkit.Database(t, events.Shipping, testkit.Migration{Table: "goose_db_version", FS: Migrations()})
}

func newOrderID(t *testing.T) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// paidOrder is an order that is paid and wants to go to a country.
func paidOrder(orderID, country string) events.PaymentProcessed {
	return events.PaymentProcessed{ChargeID: "ch_1", Snapshot: events.Snapshot{
		OrderID: orderID, CustomerID: "ada", PaymentMethod: "tok_visa",
		Lines:  []events.Line{{SKU: "widget", Quantity: 1, UnitPrice: 1999}},
		Total:  events.Money{Amount: 1999, Currency: "USD"},
		ShipTo: events.Address{Name: "Ada Lovelace", Street: "12 St James's Square", City: "London", PostalCode: "SW1Y 4JH", Country: country},
	}}
}

func cancelOf(orderID string) events.OrderCancelRequested {
	return events.OrderCancelRequested{Subject: events.Subject{OrderID: orderID}, Reason: "customer"}
}

// batch handles events as the inbox does: in one transaction, each by its step.
func batch(ctx context.Context, pool *pgxpool.Pool, list ...events.Event) (answers []events.Event, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
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
	case events.PaymentProcessed:
		return testkit.Alone(ctx, tx, e, ship)
	case events.OrderCancelRequested:
		return testkit.Alone(ctx, tx, e, cancel)
	}
	panic("shipping does not subscribe to " + event.Type().Name)
}

func count(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
