package inventory

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
)

// Orders that share a batch get what they would get one after the other: the same answers, the same stock. Where there
// is too little for all of them, and where one came before, too.
func TestReserve_ABatchIsLikeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	one, other := database(t), database(t)
	together, alone, owners := one.Pool, other.Pool, []*pgxpool.Pool{ownerPool(t, one), ownerPool(t, other)}
	skus := []string{"batch-a", "batch-b", "batch-c"}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same orders each time
	enough, short, again := 0, 0, 0
	for range 60 {
		stock := 1 + random.IntN(12)
		for _, pool := range owners {
			execute(t, pool, `INSERT INTO stock (sku, available) SELECT sku, $2 FROM unnest($1::text[]) AS sku
				ON CONFLICT (sku) DO UPDATE SET available = EXCLUDED.available`, skus, stock)
		}
		var batch []events.OrderCreated
		for range 2 + random.IntN(4) {
			order := orderFor(newOrderID(t), skus[random.IntN(3)], 1+random.IntN(4))
			order.Lines = append(order.Lines, events.Line{SKU: skus[random.IntN(3)], Quantity: 1, UnitPrice: 1})
			batch = append(batch, order)
		}
		if random.IntN(3) == 0 { // one that came before
			again++
			reserved(t, together, batch[:1])
			reserved(t, alone, batch[:1])
		}
		got := reserved(t, together, batch)
		var want []events.Event
		for i := range batch {
			want = append(want, reserved(t, alone, batch[i:i+1])...)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("a batch was answered by\n%+v, one after the other by\n%+v", got, want)
		}
		if left, want := stockIn(t, together), stockIn(t, alone); !reflect.DeepEqual(left, want) {
			t.Fatalf("a batch left the stock %+v, one after the other left %+v", left, want)
		}
		if rejects(got) {
			short++
		} else {
			enough++
		}
	}
	if enough == 0 || short == 0 || again == 0 {
		t.Errorf("%d batches had enough, %d too little, %d an order that came before", enough, short, again)
	}
}

// reserved has orders reserved in one call of the step, with their stock locked.
func reserved(t *testing.T, pool *pgxpool.Pool, orders []events.OrderCreated) (answers []events.Event) {
	t.Helper()
	list := make([]events.Event, len(orders))
	for i, order := range orders {
		list[i] = order
	}
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
		if err := lockBatch(t.Context(), tx, list); err != nil {
			return err
		}
		answers, err = reserve(t.Context(), tx, orders)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

func execute(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func rejects(answers []events.Event) bool {
	for _, answer := range answers {
		if _, is := answer.(events.InventoryRejected); is {
			return true
		}
	}
	return false
}

func stockIn(t *testing.T, pool *pgxpool.Pool) []Stock {
	t.Helper()
	levels, err := allStock(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return levels
}

// What is sold of one SKU in a batch is summed, and an order that is not held adds nothing.
func TestSell_ABatchIsSummed(t *testing.T) {
	t.Parallel()
	db := database(t)
	pool := db.Pool
	execute(t, ownerPool(t, db), `INSERT INTO stock (sku, available) VALUES ('batch-a', 10)`)
	var shipments []events.ShipmentCreated
	var orders []events.OrderCreated
	for n := range 3 {
		order := orderFor(newOrderID(t), "batch-a", n+1)
		orders = append(orders, order)
		shipments = append(shipments, events.ShipmentCreated{Snapshot: order.Snapshot, ShipmentID: "shp_1"})
	}
	reserved(t, pool, orders[:2]) // the third was never reserved
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := sell(t.Context(), tx, shipments)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := stockOf(t.Context(), pool, "batch-a")
	if want := (Stock{SKU: "batch-a", Available: 7, Sold: 3}); err != nil || got != want {
		t.Errorf("the stock is %+v (%v), want %+v", got, err, want)
	}
}
