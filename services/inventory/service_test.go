package inventory

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// process runs the service as its process does, until the test ends, and wants it to end cleanly. It
// returns the address of the API.
func process(t *testing.T, db *testkit.DB, broker *testkit.NATS) string {
	t.Helper()
	port, err := localservers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, service.Config{
			Service: events.Inventory, DatabaseURL: db.URL, MigrationsURL: db.OwnerURL,
			NATSURL: broker.URL(string(events.Inventory)), Addr: addr, LogLevel: slog.LevelError,
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	testkit.Eventually(t, 30*time.Second, "the service to be ready", func() bool { return httpserver.Healthcheck(t.Context(), addr) == nil })
	return "http://" + addr
}

// publish puts an event on the stream as the service would whose event it is. Each message has an id of
// its own, so that the broker does not recognise what the inbox is to recognise.
func publish(t *testing.T, broker *testkit.NATS, eventID string, event events.Event) {
	t.Helper()
	message, err := events.Encode(eventID, time.Now(), events.Cause{}, event)
	if err != nil {
		t.Fatal(err)
	}
	send(t, broker, event.Type().SubjectOf(event.Order()), message)
}

// send puts a message on the stream with the login of the service that the subject names.
func send(t *testing.T, broker *testkit.NATS, subject string, message []byte) {
	t.Helper()
	js, err := jetstream.New(broker.Connect(t, events.Service(strings.Split(subject, ".")[1])))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), subject, message); err != nil {
		t.Fatal(err)
	}
}

// published is the answers about an order, in the order in which they were published.
func published(t *testing.T, pool *pgxpool.Pool, orderID string) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `SELECT split_part(type, '.', 3) FROM outbox WHERE key = $1 ORDER BY position`, orderID)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// TestService_AnswersEachEventOnce runs the service as its process does. Every event comes twice under
// one id, which the inbox knows, and once more under another, which only the state guards know.
func TestService_AnswersEachEventOnce(t *testing.T) {
	t.Parallel()
	db, broker := database(t), testkit.Broker(t)
	process(t, db, broker)
	sold, refused, cancelled := newOrderID(t), newOrderID(t), newOrderID(t)
	list := []events.Event{
		orderFor(sold, "widget", 2), events.ShipmentCreated{Snapshot: orderFor(sold, "widget", 2).Snapshot, ShipmentID: "shp_1"},
		orderFor(refused, "unobtainium", 1),
		events.PaymentVoided{Subject: events.Subject{OrderID: cancelled}, Reason: "cancelled"}, orderFor(cancelled, "gizmo", 1),
	}
	for _, event := range list {
		id := newOrderID(t)
		for _, eventID := range []string{id, id, newOrderID(t)} {
			publish(t, broker, eventID, event)
		}
	}
	testkit.Eventually(t, 30*time.Second, "every event to be handled", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM inbox`) == 2*len(list)
	})
	for _, c := range []struct {
		orderID string
		state   State
		want    string
	}{
		{sold, Sold, "InventoryReserved"},
		{refused, Rejected, "InventoryRejected"},
		{cancelled, Released, "InventoryReleased"},
	} {
		if got := stateOf(t, db.Pool, c.orderID); got != c.state {
			t.Errorf("the order is %s, want %s", got, c.state)
		}
		if got := published(t, db.Pool, c.orderID); !slices.Equal(got, []string{c.want}) {
			t.Errorf("about the order that is %s was published %v, want %s once", c.state, got, c.want)
		}
	}
	testkit.Eventually(t, 10*time.Second, "every answer to be published", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM outbox WHERE published_at IS NULL`) == 0
	})
	checkStock(t, db.Pool)
}

// Somebody holds widget. The service must wait for it before the first step of the batch, where it can
// choose the order in which it locks, and not in the middle of one.
func TestService_LocksItsStockBeforeTheFirstStep(t *testing.T) {
	t.Parallel()
	db, broker := database(t), testkit.Broker(t)
	process(t, db, broker)
	orderID := newOrderID(t)
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		if err := lockStock(t.Context(), tx, []string{"widget"}, nil); err != nil {
			return err
		}
		publish(t, broker, newOrderID(t), orderFor(orderID, "widget", 1))
		testkit.Eventually(t, 10*time.Second, "the service to wait for the stock, and not in a step", func() bool {
			return count(t, db.Pool, `
				SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ 'FROM stock.*FOR UPDATE'`) == 1
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, "the order to be reserved", func() bool { return stateOf(t, db.Pool, orderID) == Reserved })
}

func TestReserve_AnInvalidOrderIsADeadLetter(t *testing.T) {
	t.Parallel()
	db, broker := database(t), testkit.Broker(t)
	process(t, db, broker)
	orderID := newOrderID(t)
	publish(t, broker, newOrderID(t), orderFor(orderID, "widget", -1)) // never published by our own services: they would not get it into their outbox
	testkit.Eventually(t, 30*time.Second, "the order to be parked", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM dead_letter WHERE key = $1 AND reason LIKE '%/lines/0/quantity: it must be at least 1%'`, orderID) == 1
	})
	if got := stateOf(t, db.Pool, orderID); got != nothing {
		t.Errorf("the order is %s, want nothing known of it", got)
	}
	checkStock(t, db.Pool)
}

// Both versions of an order are handled, and what follows has the same snapshot.
func TestReserve_BothVersionsOfAnOrder(t *testing.T) {
	t.Parallel()
	db, broker := database(t), testkit.Broker(t)
	process(t, db, broker)
	first, second := orderFor(newOrderID(t), "widget", 1), orderFor(newOrderID(t), "widget", 1)
	publish(t, broker, newOrderID(t), first)
	publish(t, broker, newOrderID(t), second.Upcast())
	for _, order := range []events.OrderCreated{first, second} {
		testkit.Eventually(t, 30*time.Second, "the order to be reserved", func() bool { return stateOf(t, db.Pool, order.OrderID) == Reserved })
		var payload []byte
		err := db.Pool.QueryRow(t.Context(), `SELECT payload FROM outbox WHERE key = $1`, order.OrderID).Scan(&payload)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := events.Decode(payload); err != nil || !reflect.DeepEqual(got, events.Event(events.InventoryReserved{Snapshot: order.Snapshot})) {
			t.Errorf("what follows has %+v, %v, want the snapshot of %+v", got, err, order)
		}
	}
	handled := count(t, db.Pool, `SELECT count(*) FROM inbox WHERE type IN ('saga.order.OrderCreated.v1', 'saga.order.OrderCreated.v2')`)
	if handled != 2 {
		t.Errorf("the inbox remembers %d orders, each under its own type, want 2", handled)
	}
}

// An event that cannot be decoded, or whose answer cannot be published, is a dead letter with its reason; the rest goes on.
func TestReserve_AnUnknownVersionIsADeadLetter(t *testing.T) {
	t.Parallel()
	db, broker := database(t), testkit.Broker(t)
	process(t, db, broker)
	third, mixed, good := newOrderID(t), newOrderID(t), newOrderID(t)
	message, err := events.Encode(newOrderID(t), time.Now(), events.Cause{}, orderFor(third, "widget", 1).Upcast())
	if err != nil {
		t.Fatal(err)
	}
	send(t, broker, events.OrderCreatedV2{}.Type().SubjectOf(third), bytes.ReplaceAll(message, []byte("OrderCreated.v2"), []byte("OrderCreated.v3")))
	currencies := orderFor(mixed, "widget", 1).Upcast()
	currencies.Lines[0].UnitPrice.Currency = "EUR"
	publish(t, broker, newOrderID(t), currencies)
	publish(t, broker, newOrderID(t), orderFor(good, "widget", 1))
	testkit.Eventually(t, 30*time.Second, "the good order to be reserved", func() bool { return stateOf(t, db.Pool, good) == Reserved })
	for orderID, reason := range map[string]string{
		third: `unknown major version of an event: "saga.order.OrderCreated.v3"`,
		mixed: `"widget" costs EUR in an order that costs USD`,
	} {
		testkit.Eventually(t, 30*time.Second, "the order to be parked", func() bool {
			return count(t, db.Pool, `SELECT count(*) FROM dead_letter WHERE key = $1 AND position($2 IN reason) > 0`, orderID, reason) == 1
		})
		if got := stateOf(t, db.Pool, orderID); got != nothing {
			t.Errorf("the order is %s, want nothing known of it", got)
		}
	}
	checkStock(t, db.Pool)
}

// TestService_DeletesExpiredKeys moves a key into the past and waits for the loop.
func TestService_DeletesExpiredKeys(t *testing.T) {
	t.Parallel()
	db, broker := database(t), testkit.Broker(t)
	client, _ := serve(t, db.Pool)
	adjustBy(t, client, "widget", "key-1", 1, "delivery")
	if _, err := db.Pool.Exec(t.Context(), `UPDATE idempotency_key SET expires_at = now()`); err != nil {
		t.Fatal(err)
	}
	process(t, db, broker)
	testkit.Eventually(t, 10*time.Second, "the expired key to be deleted", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM idempotency_key`) == 0
	})
}
