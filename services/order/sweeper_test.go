package order

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/pkg/events"
)

// impatientSweeper takes any cancel for one that takes too long, and asks again about it once.
func impatientSweeper(pool *pgxpool.Pool) sweeper {
	return sweeper{tx: in(pool), patience: asking.Patience{Pause: time.Hour}}
}

func TestSweeper_ACancelThatTakesTooLongIsAnIncidentUntilTheOrderEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		event     func(id string) events.Event
		status    Status
		published string
	}{
		"by a cancel":   {func(id string) events.Event { return released(id, "cancelled") }, Cancelled, "OrderCancelled customer"},
		"by a shipment": {shipment, Confirmed, "OrderConfirmed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := database(t).Pool
			late, other := order(t, pool, time.Hour), order(t, pool, time.Hour)
			cancel(t, pool, late)
			for range 2 { // the second round finds nothing
				if err := impatientSweeper(pool).runOnce(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			reason := "neither shipped nor cancelled 0s after somebody asked for the cancel"
			same(t, "published", published(t, pool, late), []string{"OrderCreated", "OrderCancelRequested customer", "OrderCancelRequested customer", "IncidentOpened " + reason})
			same(t, "published of another", published(t, pool, other), []string{"OrderCreated"})

			incident := texts(t, pool, `SELECT id::text FROM incident WHERE resolved_at IS NULL`)
			same(t, "open incidents", len(incident), 1)
			deliver(t, pool, events.IncidentOpened{
				Subject: events.Subject{OrderID: late}, IncidentID: incident[0], Service: "order", Kind: kindOverdue, Reason: reason,
			})
			same(t, "status meanwhile", read(t, pool, late).public(), NeedsAttention)

			deliver(t, pool, end.event(late), end.event(late))
			same(t, "status at the end", read(t, pool, late).public(), end.status)
			same(t, "open incidents at the end", count(t, pool, `SELECT count(*) FROM incident WHERE resolved_at IS NULL`), 0)
			same(t, "published at the end", published(t, pool, late)[4:], []string{"IncidentResolved"})
		})
	}
}

func TestSweeper_OpensNoIncidentWhereOneIsOpen(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	looked, early, pending, ended := order(t, pool, time.Hour), order(t, pool, time.Hour), order(t, pool, time.Hour), order(t, pool, time.Hour)
	cancel(t, pool, looked)
	deliver(t, pool, opened(looked, "i"))
	cancel(t, pool, ended)
	deliver(t, pool, shipment(ended))
	if err := impatientSweeper(pool).runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel(t, pool, early)
	sweep(t, pool) // with an hour's budget
	same(t, "incidents", count(t, pool, `SELECT count(*) FROM incident`), 0)
	same(t, "status of a pending one", read(t, pool, pending).Status, Pending)
}

func TestSweeper_OpensAnIncidentForEachOfManyOrders(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	n := overdueAtOnce + 1
	for _, id := range orders(t, pool, n, time.Hour) {
		cancel(t, pool, id)
	}
	if err := impatientSweeper(pool).runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "incidents", count(t, pool, `SELECT count(DISTINCT order_id) FROM incident`), n)
	same(t, "events", fmt.Sprint(count(t, pool, `SELECT count(*) FROM outbox WHERE type LIKE '%IncidentOpened%'`)), fmt.Sprint(n))
}

// asked are the numbers of the attempts of the requests to cancel an order.
func asked(t *testing.T, pool *pgxpool.Pool, id string) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT coalesce(convert_from(payload, 'UTF8')::jsonb #>> '{data,attempt}', '1') FROM outbox
		WHERE key = $1 AND type LIKE '%OrderCancelRequested%' ORDER BY position`, id)
}

func TestSweeper_AsksAgainWithLongerPausesAndNotForEver(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	id, other := order(t, pool, time.Hour), order(t, pool, time.Hour)
	cancel(t, pool, id)
	s := sweeper{tx: in(pool), patience: asking.Patience{Budget: 2 * time.Minute, Pause: time.Minute}}
	want := []string{"1"}
	for i, pause := range []time.Duration{2 * time.Minute, time.Minute, 30 * time.Minute, 15 * time.Hour} {
		for _, waited := range []time.Duration{pause - 5*time.Second, pause} {
			exec(t, pool, fmt.Sprintf(`UPDATE orders SET asked_at = now() - interval '%d s' WHERE id = '%s'`, int(waited.Seconds()), id))
			if waited == pause {
				want = append(want, fmt.Sprint(i+2))
			}
			for range 2 {
				if err := s.runOnce(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			same(t, fmt.Sprintf("asked when the last time is %v ago", waited), asked(t, pool, id), want)
		}
	}
	exec(t, pool, `UPDATE orders SET asked_at = now() - interval '1 year', cancel_requested_at = now() - interval '1 year' WHERE id = '`+id+`'`)
	deliver(t, pool, opened(id, "i")) // a person may look at something else: somebody has to look at this
	if err := s.runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "asked after a year", asked(t, pool, id), want)
	t.Logf("measured: asked %d times", len(asked(t, pool, id)))
	same(t, "incidents", texts(t, pool, `SELECT kind FROM incident WHERE resolved_at IS NULL`), []string{kindOverdue})
	same(t, "asked about a pending order", asked(t, pool, other), []string{})
}

func TestSweeper_AnOrderThatHasEndedIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	id := order(t, pool, time.Hour)
	cancel(t, pool, id)
	deliver(t, pool, shipment(id))
	if err := impatientSweeper(pool).runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "asked", asked(t, pool, id), []string{"1"})
}

// 200 orders that wait at once are asked about once each, some of them in each round.
func TestSweeper_ManyThatWaitAreNoStorm(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	const n = 200
	for _, id := range orders(t, pool, n, time.Hour) {
		cancel(t, pool, id)
	}
	requests := func() int {
		return count(t, pool, `SELECT count(*) FROM outbox WHERE type LIKE '%OrderCancelRequested%'`) - n
	}
	for round := 1; round <= 2*n/asking.AtOnce; round++ { // two replicas
		before := requests()
		errs := make(chan error, 2)
		for range cap(errs) {
			go func() { errs <- impatientSweeper(pool).runOnce(t.Context()) }()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if made := requests() - before; made > 2*asking.AtOnce {
			t.Errorf("%d requests in round %d", made, round)
		}
	}
	same(t, "requests that were made again", requests(), n)
	same(t, "orders", count(t, pool, `SELECT count(*) FROM orders WHERE attempt = 2`), n)
}

// operate sends a command about an incident, as sagactl does.
func operate(t *testing.T, pool *pgxpool.Pool, method, path, key, body string) (status int, answer string) {
	t.Helper()
	router := chi.NewRouter()
	adminapi.API{Pool: pool, Transact: in(pool), Tables: orderRows, Waits: waits}.Routes(router)
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Idempotency-Key", key)
	w := httptest.NewRecorder()
	router.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestOverdue_APersonHasShippingAskedAtOnce(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	id := order(t, pool, time.Hour)
	cancel(t, pool, id)
	if err := impatientSweeper(pool).runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `UPDATE orders SET attempt = 5`)
	incident := texts(t, pool, `SELECT id::text FROM incident`)[0]
	path := "/incidents/" + incident
	if status, answer := operate(t, pool, http.MethodGet, path, "", ""); status != http.StatusOK ||
		!strings.Contains(answer, `"state":{"state":"CANCELLING","attempt":5},"possible":[{"action":"retry"`) {
		t.Errorf("%d %s", status, answer)
	}
	const command = `{"by": "grace", "why": "shipping is back", "expected_state": "CANCELLING"}`
	for _, c := range []struct {
		key, body string
		want      int
		attempts  []string
	}{
		{"a", `{"by": "grace", "why": "shipping is back"}`, http.StatusBadRequest, []string{"1", "2"}},
		{"b", `{"why": "shipping is back", "expected_state": "CANCELLING"}`, http.StatusBadRequest, []string{"1", "2"}},
		{"c", strings.ReplaceAll(command, "CANCELLING", "PENDING"), http.StatusConflict, []string{"1", "2"}},
		{"d", command, http.StatusOK, []string{"1", "2", "6"}},
		{"d", command, http.StatusOK, []string{"1", "2", "6"}}, // the answer of before
		{"e", command, http.StatusOK, []string{"1", "2", "6", "7"}},
	} {
		status, answer := operate(t, pool, http.MethodPost, path+"/retry", c.key, c.body)
		same(t, c.body+" was answered by "+answer, status, c.want)
		same(t, "asked after "+c.key, asked(t, pool, id), c.attempts)
	}
	deliver(t, pool, released(id, "cancelled"))
	if status, answer := operate(t, pool, http.MethodPost, path+"/retry", "f", command); status != http.StatusConflict {
		t.Errorf("after the end: %d %s", status, answer)
	}
	if _, answer := operate(t, pool, http.MethodGet, path, "", ""); !strings.Contains(answer, `"possible":[]`) {
		t.Errorf("after the end: %s", answer)
	}
	same(t, "records", count(t, pool, `SELECT count(*) FROM operator_action WHERE action = 'retry' AND by = 'grace'`), 2)
}

// An order that waits for a person is not counted, and one that has ended is not either.
func TestUnattended_IsTheOldestOrderThatNobodyLooksAt(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	ids := orders(t, pool, 4, time.Hour)
	for n, id := range ids {
		exec(t, pool, fmt.Sprintf(`UPDATE orders SET created_at = '2026-01-01T00:00:0%dZ' WHERE id = '%s'`, n, id))
	}
	deliver(t, pool, events.ShipmentCreated{Snapshot: events.Snapshot{OrderID: ids[0]}, ShipmentID: "shp_1"},
		events.IncidentOpened{Subject: events.Subject{OrderID: ids[1]}, IncidentID: "i", Service: "payment", Kind: "refund_refused"})
	cancel(t, pool, ids[2])
	oldest := func() string { return texts(t, pool, `SELECT coalesce((`+oldestUnattended+`)::text, 'none')`)[0] }
	same(t, "the oldest", oldest()[17:19], "02")
	deliver(t, pool, events.IncidentResolved{Subject: events.Subject{OrderID: ids[1]}, IncidentID: "i", Service: "payment", Kind: "refund_refused"})
	same(t, "after the incident", oldest()[17:19], "01")
	for _, id := range ids[1:] {
		deliver(t, pool, events.InventoryReleased{Subject: events.Subject{OrderID: id}, Reason: "x"})
	}
	same(t, "of none", oldest(), "none")
}
