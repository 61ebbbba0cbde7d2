package inventory

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/pkg/events"
)

func in(pool *pgxpool.Pool) func(context.Context, func(pgx.Tx) error) error {
	return func(ctx context.Context, fn func(pgx.Tx) error) error { return pgx.BeginFunc(ctx, pool, fn) }
}

// sweep runs one round with patience for 20 minutes, after so long.
func sweep(t *testing.T, pool *pgxpool.Pool, waited time.Duration) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `UPDATE reservation SET asked_at = now() - $1::interval WHERE state = 'RESERVED'`, waited)
	if err == nil {
		err = sweeper{in(pool), asking.Patience{Budget: 20 * time.Minute, Pause: time.Minute}}.runOnce(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// asked are the requests that were made again about an order.
func asked(t *testing.T, pool *pgxpool.Pool, orderID string) (list []events.InventoryReserved) {
	t.Helper()
	rows, _ := pool.Query(t.Context(), `SELECT payload FROM outbox WHERE key = $1 AND type LIKE '%InventoryReserved%' ORDER BY position`, orderID)
	payloads, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range payloads {
		_, event, err := events.Decode(payload)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, event.(events.InventoryReserved))
	}
	return list
}

func TestSweeper_AsksAgainAboutStockThatIsHeldForTooLong(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order, sold, rejected := orderFor(newOrderID(t), "widget", 2), orderFor(newOrderID(t), "widget", 2), orderFor(newOrderID(t), "unobtainium", 1)
	if _, err := batch(t.Context(), pool, order, rejected, sold, events.ShipmentCreated{Snapshot: sold.Snapshot, ShipmentID: "shp_1"}); err != nil {
		t.Fatal(err)
	}
	var want []events.InventoryReserved
	for i, pause := range []time.Duration{20 * time.Minute, time.Minute, 30 * time.Minute, 15 * time.Hour} {
		sweep(t, pool, pause-5*time.Second)
		sweep(t, pool, pause)
		want = append(want, events.InventoryReserved{Snapshot: order.Snapshot, Repeat: events.Repeat{Attempt: i + 2}})
		if got := asked(t, pool, order.OrderID); !reflect.DeepEqual(got, want) {
			t.Errorf("after %v: asked %+v, want %+v", pause, got, want)
		}
	}
	sweep(t, pool, 1000*time.Hour)
	if n := len(asked(t, pool, order.OrderID)); n != asking.Most-1 {
		t.Errorf("asked again %d times", n)
	}
	if n := count(t, pool, `SELECT count(*) FROM incident WHERE kind = 'unanswered' AND resolved_at IS NULL`); n != 1 {
		t.Errorf("%d incidents", n)
	}
	if len(asked(t, pool, sold.OrderID))+len(asked(t, pool, rejected.OrderID)) != 0 {
		t.Error("asked about an order whose stock is not held")
	}
}

// A database that has lost the requests knows from them how often payment was asked: the next one has a number, and with
// it an id, that was not published before.
func TestRestore_TheNextRequestHasANumberOfItsOwn(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order := orderFor(newOrderID(t), "widget", 2)
	if _, err := batch(t.Context(), pool, order); err != nil {
		t.Fatal(err)
	}
	for _, published := range []int{3, 2} {
		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			return restore(t.Context(), tx, events.Envelope{},
				events.InventoryReserved{Snapshot: order.Snapshot, Repeat: events.Repeat{Attempt: published}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var again []events.Event
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
		again, err = repeatRequest(t.Context(), tx, order.OrderID)
		return err
	})
	if err != nil || len(again) != 1 || again[0].(events.InventoryReserved).Attempt != 4 {
		t.Errorf("asked %+v (%v), want the fourth time", again, err)
	}
}

func TestSweeper_ManyThatWaitAreNoStorm(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	var list []events.Event
	for range 200 {
		list = append(list, orderFor(newOrderID(t), "widget", 1))
	}
	if _, err := batch(t.Context(), pool, list...); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE reservation SET created_at = now() - interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	for round := range 2 * len(list) / asking.AtOnce {
		if err := (sweeper{in(pool), asking.Patience{Budget: time.Minute, Pause: time.Minute}}).runOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, want := count(t, pool, `SELECT count(*) FROM outbox`), min(len(list), (round+1)*asking.AtOnce); n != want {
			t.Errorf("%d requests after %d rounds, want %d", n, round+1, want)
		}
	}
}

// The end of the wait closes the incident, and the order's address is not kept longer than it is needed.
func TestSweeper_TheIncidentClosesWithTheAnswer(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order := orderFor(newOrderID(t), "widget", 2)
	for _, c := range []struct {
		answer     events.Event
		resolution string
	}{
		{events.ShipmentCreated{Snapshot: order.Snapshot, ShipmentID: "shp_1"}, "SOLD"},
		{events.PaymentRefunded{Reason: "cancelled"}, "RELEASED"},
	} {
		order.OrderID = newOrderID(t)
		switch e := c.answer.(type) {
		case events.ShipmentCreated:
			e.OrderID = order.OrderID
			c.answer = e
		case events.PaymentRefunded:
			e.OrderID = order.OrderID
			c.answer = e
		}
		if _, err := batch(t.Context(), pool, order); err != nil {
			t.Fatal(err)
		}
		sweep(t, pool, time.Hour)
		sweep(t, pool, time.Hour)
		if _, err := batch(t.Context(), pool, c.answer); err != nil {
			t.Fatal(err)
		}
		if n := count(t, pool, `SELECT count(*) FROM incident WHERE order_id = $1 AND resolution = $2`, order.OrderID, c.resolution); n != 1 {
			t.Errorf("%d incidents are closed as %s", n, c.resolution)
		}
		if n := count(t, pool, `SELECT count(*) FROM reservation WHERE snapshot IS NOT NULL`); n != 0 {
			t.Error("the order is kept beyond its end here")
		}
	}
}

func TestUnanswered_APersonHasPaymentAskedAtOnce(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order := orderFor(newOrderID(t), "widget", 2)
	if _, err := batch(t.Context(), pool, order); err != nil {
		t.Fatal(err)
	}
	sweep(t, pool, time.Hour)
	sweep(t, pool, time.Hour)
	var incident string
	if err := pool.QueryRow(t.Context(), `SELECT id::text FROM incident`).Scan(&incident); err != nil {
		t.Fatal(err)
	}
	router := chi.NewRouter()
	adminapi.API{Pool: pool, Transact: in(pool), Tables: orderRows, Waits: waits}.Routes(router)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("/incidents/%s/retry", incident),
		strings.NewReader(`{"by": "grace", "why": "payment is back", "expected_state": "RESERVED"}`))
	r.Header.Set("Idempotency-Key", "a")
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	list := asked(t, pool, order.OrderID)
	if last := list[len(list)-1]; w.Code != http.StatusOK || len(list) != 3 || last.Attempt != 4 {
		t.Errorf("%d %s, asked %+v", w.Code, w.Body, list)
	}
}

// What is sold, or looked at by a person, is not counted.
func TestUnattended_IsTheOldestReservationThatNobodyLooksAt(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order := orderFor(newOrderID(t), "widget", 2)
	if _, err := batch(t.Context(), pool, order); err != nil {
		t.Fatal(err)
	}
	held := `SELECT count(*) FROM (` + oldestUnattended + `) AS oldest WHERE min IS NOT NULL`
	if n := count(t, pool, held); n != 1 {
		t.Error("stock that is held is not counted")
	}
	sweep(t, pool, time.Hour)
	sweep(t, pool, time.Hour)
	if n := count(t, pool, held); n != 0 {
		t.Error("it is counted although an incident is open")
	}
	if _, err := pool.Exec(t.Context(), `UPDATE incident SET resolved_at = now(), resolution = 'x'`); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, held); n != 1 {
		t.Error("it is not counted although nobody looks at it")
	}
	if _, err := batch(t.Context(), pool, events.ShipmentCreated{Snapshot: order.Snapshot, ShipmentID: "shp_1"}); err != nil {
		t.Fatal(err)
	}
	if n := count(t, pool, held); n != 0 {
		t.Error("what is sold is counted")
	}
}
