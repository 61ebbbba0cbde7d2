package order

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/order/sagaview"
)

func TestSettings_ComeFromTheEnvironment(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		env  map[string]string
		want Settings
		err  string // part of it; empty: none
	}{
		{"defaults that run", nil, Settings{15 * time.Minute, asking.Patience{Budget: 2 * time.Minute, Pause: time.Minute}, 100_000, sagaview.Addresses{}, 1}, ""},
		{"all set", map[string]string{
			"ORDER_DEADLINE": "60s", "CANCEL_BUDGET": "30s", "REPEAT_PAUSE": "1s", "OUTBOX_LIMIT": "5", "ORDER_CREATED_VERSION": "2",
			"INVENTORY_URL": "http://i:1", "PAYMENT_URL": "http://p:2/", "SHIPPING_URL": "https://s",
		}, Settings{time.Minute, asking.Patience{Budget: 30 * time.Second, Pause: time.Second}, 5, sagaview.Addresses{Inventory: "http://i:1", Payment: "http://p:2", Shipping: "https://s"}, 2}, ""},
		{"a budget that is none", map[string]string{"CANCEL_BUDGET": "0"}, Settings{}, "CANCEL_BUDGET"},
		{"a pause that is none", map[string]string{"REPEAT_PAUSE": "0s"}, Settings{}, "REPEAT_PAUSE"},
		{"an address that is none", map[string]string{"SHIPPING_URL": "shipping:8080"}, Settings{}, "SHIPPING_URL"},
		{"a deadline that is none", map[string]string{"ORDER_DEADLINE": "soon"}, Settings{}, "ORDER_DEADLINE"},
		{"a deadline in the past", map[string]string{"ORDER_DEADLINE": "-1s"}, Settings{}, "ORDER_DEADLINE"},
		{"a limit that is none", map[string]string{"OUTBOX_LIMIT": "few"}, Settings{}, "OUTBOX_LIMIT"},
		{"a limit that takes nothing", map[string]string{"OUTBOX_LIMIT": "0"}, Settings{}, "OUTBOX_LIMIT"},
		{"a version that nobody knows", map[string]string{"ORDER_CREATED_VERSION": "3"}, Settings{}, "ORDER_CREATED_VERSION must be 1 or 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := SettingsFromEnv(func(key string) string { return test.env[key] })
			switch {
			case test.err == "" && (err != nil || got != test.want):
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("got %v; want an error about %s", err, test.err)
			}
		})
	}
}

// process runs the service as its process does, until the test ends, and returns the address of its API.
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
			Service: events.Order, DatabaseURL: db.URL, MigrationsURL: db.OwnerURL,
			NATSURL: broker.URL(string(events.Order)), Addr: addr, LogLevel: slog.LevelError,
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

// publish puts an event on the stream as the service would whose event it is. Each message has an id of its
// own, so that the broker does not recognise what the inbox is to recognise.
func publish(t *testing.T, broker *testkit.NATS, eventID string, event events.Event) {
	t.Helper()
	message, err := events.Encode(eventID, time.Now(), events.Cause{}, event)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(broker.Connect(t, event.Type().Service))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), event.Type().SubjectOf(event.Order()), message); err != nil {
		t.Fatal(err)
	}
}

// TestService_AnswersEachEventOnce runs the service as its process does. Every event comes twice under one
// id, which the inbox knows, and once more under another, which only the state guards know.
func TestService_AnswersEachEventOnce(t *testing.T) {
	t.Parallel()
	db, broker := database(t), testkit.Broker(t)
	s := &shop{t: t, pool: db.Pool, url: process(t, db, broker)}
	sold, refused, stuck := s.placed("1").Id, s.placed("2").Id, s.placed("3").Id
	incident := newID(t)
	list := []events.Event{shipment(sold), rejected(refused), opened(stuck, incident), resolved(stuck, incident), shipment(refused)}
	for _, event := range list {
		id := newID(t)
		for _, eventID := range []string{id, id, newID(t)} {
			publish(t, broker, eventID, event)
		}
	}
	testkit.Eventually(t, 30*time.Second, "every event to be handled", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM inbox`) == 2*len(list)
	})
	same(t, "sold", published(t, db.Pool, sold), []string{"OrderCreated", "OrderConfirmed"})
	same(t, "refused", published(t, db.Pool, refused), []string{"OrderCreated", "OrderCancelled out_of_stock"})
	same(t, "stuck", published(t, db.Pool, stuck), []string{"OrderCreated", "OrderNeedsAttention closed account"})
	same(t, "stuck no more", read(t, db.Pool, stuck).public(), Pending)
	testkit.Eventually(t, 10*time.Second, "every answer to be published", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM outbox WHERE published_at IS NULL`) == 0
	})
}

// TestService_RunsItsLoops moves both into the past and waits for the loops.
func TestService_RunsItsLoops(t *testing.T) {
	t.Parallel()
	db, broker := database(t), testkit.Broker(t)
	late := order(t, db.Pool, time.Hour)
	exec(t, db.Pool, `UPDATE orders SET deadline = now()`)
	exec(t, db.Pool, `UPDATE idempotency_key SET expires_at = now()`)
	process(t, db, broker)
	testkit.Eventually(t, 10*time.Second, "the overdue order to be cancelled", func() bool { return read(t, db.Pool, late).Status == Cancelling })
	testkit.Eventually(t, 10*time.Second, "the expired key to be deleted", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM idempotency_key`) == 0
	})
	testkit.Eventually(t, 10*time.Second, "the request to be published", func() bool {
		return count(t, db.Pool, `SELECT count(*) FROM outbox WHERE type LIKE '%OrderCancelRequested%' AND published_at IS NOT NULL`) == 1
	})
}

// arm makes the next pass of a point fail.
func arm(t *testing.T, set *failpoint.Set, point failpoint.Point) {
	t.Helper()
	if _, err := set.Arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 1}); err != nil {
		t.Fatal(err)
	}
}

func TestIntake_AFaultLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	tests := map[failpoint.Point]bool{ // whether the order is stored when the fault strikes
		failpoint.IntakeGathered: false, failpoint.IdempotencyBegun: false, failpoint.IdempotencyStored: false, failpoint.IntakeBeforeCommit: false,
		failpoint.IdempotencyCommitted: true, failpoint.IntakeAfterCommit: true,
	}
	for point, stored := range tests {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			s := open(t)
			arm(t, s.faults, point)
			isProblem(t, s.place("k", body), http.StatusInternalServerError)
			if !stored {
				s.holdsNothing(t)
			}
			again := s.place("k", body)
			same(t, "status of the second try", again.status, http.StatusAccepted)
			same(t, "the second try is a replay", again.header.Get(idempotency.Replayed) == "true", stored)
			for _, table := range []string{"orders", "order_history", "outbox", "idempotency_key"} {
				same(t, table, count(t, s.pool, `SELECT count(*) FROM `+table), 1)
			}
		})
	}
}

func TestCancel_AFaultLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	for point, asked := range map[failpoint.Point]Status{failpoint.CancelBeforeCommit: Pending, failpoint.CancelAfterCommit: Cancelling} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			s := open(t)
			id := s.placed("k").Id
			arm(t, s.faults, point)
			isProblem(t, s.send("POST", "/v1/orders/"+id+"/cancel", ""), http.StatusInternalServerError)
			same(t, "status after the fault", read(t, s.pool, id).Status, asked)
			same(t, "answer to the second try", s.send("POST", "/v1/orders/"+id+"/cancel", "").status, http.StatusAccepted)
			same(t, "published", published(t, s.pool, id), []string{"OrderCreated", "OrderCancelRequested customer"})
		})
	}
}

func TestSweeper_AFaultLeavesAllOrNothing(t *testing.T) {
	t.Parallel()
	for point, swept := range map[failpoint.Point]Status{failpoint.DeadlineFound: Pending, failpoint.DeadlineCommitted: Cancelling} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			pool, set := database(t).Pool, failpoint.NewSet()
			id := order(t, pool, 0)
			arm(t, set, point)
			if err := (sweeper{in(pool), set, asking.Patience{Budget: time.Hour, Pause: time.Hour}}).runOnce(t.Context()); err == nil {
				t.Error("the fault did not strike")
			}
			same(t, "status after the fault", read(t, pool, id).Status, swept)
			sweep(t, pool)
			same(t, "published", published(t, pool, id), []string{"OrderCreated", "OrderCancelRequested deadline"})
		})
	}
}
