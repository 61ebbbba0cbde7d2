package inventory

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// database is a fresh one with the inventory's tables and the opening stock.
func database(t *testing.T) *testkit.DB {
	t.Helper()
	return testkit.Database(t, events.Inventory,
		testkit.Migration{Table: idempotency.Table, FS: idempotency.Migrations()},
		testkit.Migration{Table: "goose_db_version", FS: Migrations()})
}

func newOrderID(t *testing.T) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// orderFor is a new order for a quantity of one SKU.
func orderFor(orderID, sku string, quantity int) events.OrderCreated {
	return events.OrderCreated{Snapshot: events.Snapshot{
		OrderID: orderID, CustomerID: "ada", PaymentMethod: "tok_visa",
		Lines:  []events.Line{{SKU: sku, Quantity: quantity, UnitPrice: 1999}},
		Total:  events.Money{Amount: 1999 * int64(quantity), Currency: "USD"},
		ShipTo: events.Address{Name: "Ada", Street: "Bahnhofstrasse 1", City: "Zürich", PostalCode: "8001", Country: "CH"},
	}}
}

// batch handles events as the inbox does: in one transaction, prepared, each by its step.
func batch(ctx context.Context, pool *pgxpool.Pool, list ...events.Event) (answers []events.Event, err error) {
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

// react calls the event's step.
func react(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
	switch e := event.(type) {
	case events.OrderCreated:
		return testkit.Alone(ctx, tx, e, reserve)
	case events.OrderCreatedV2:
		return testkit.Alone(ctx, tx, e, reserveV2)
	case events.PaymentFailed:
		return releaseUnpaid(ctx, tx, e)
	case events.PaymentRefunded:
		return releaseRefunded(ctx, tx, e)
	case events.PaymentVoided:
		return releaseVoided(ctx, tx, e)
	case events.ShipmentCreated:
		return testkit.Alone(ctx, tx, e, sell)
	}
	panic("the inventory has no step for " + event.Type().Name)
}

// checkStock checks that every unit is accounted for: against the ledger, and against the reservations.
func checkStock(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		SELECT format('%s: %s available, %s reserved, %s sold; %s came in, %s reserved and %s sold by the orders',
			sku, available, reserved, sold, came, held, gone)
		FROM stock,
			LATERAL (SELECT coalesce(sum(delta), 0) AS came FROM stock_adjustment a WHERE a.sku = stock.sku) AS ledger,
			LATERAL (SELECT coalesce(sum(quantity) FILTER (WHERE state = 'RESERVED'), 0) AS held,
			                coalesce(sum(quantity) FILTER (WHERE state = 'SOLD'), 0) AS gone
			         FROM reservation, jsonb_to_recordset(lines) AS line (sku text, quantity bigint)
			         WHERE line.sku = stock.sku) AS orders
		WHERE available + reserved + sold <> came OR reserved <> held OR sold <> gone`)
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Error(w)
	}
}

func count(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
