package order

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/services/order/api"
	"example.com/ordersaga/services/order/sagaview"
)

// others are the three other services' public APIs, as far as the order service asks them: what they
// answer about any order is what the test gives, by the first word of the path.
type others struct {
	mu      sync.Mutex
	answers map[string]string // "reservations", "payments" or "shipments" → a body; absent: 404; a number: that status
	asked   int
}

func (o *others) open(t *testing.T) sagaview.Addresses {
	t.Helper()
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	return sagaview.Addresses{Inventory: server.URL, Payment: server.URL, Shipping: server.URL}
}

func (o *others) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.asked++
	answer := o.answers[strings.Split(r.URL.Path, "/")[2]]
	o.mu.Unlock()
	status, err := strconv.Atoi(answer)
	switch {
	case answer == "hang":
		<-r.Context().Done()
	case answer == "":
		w.WriteHeader(http.StatusNotFound)
	case err == nil:
		w.WriteHeader(status)
	default:
		fmt.Fprint(w, answer)
	}
}

func (o *others) answer(reservations, payments, shipments string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers = map[string]string{"reservations": reservations, "payments": payments, "shipments": shipments}
}

func (o *others) requests() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

// old lets all orders have been placed some time ago.
func (s *shop) old() { exec(s.t, s.pool, `UPDATE orders SET created_at = now() - interval '10 s'`) }

func (s *shop) saga(id string) (view api.Saga) {
	s.t.Helper()
	s.getJSON("/v1/orders/"+id+"/saga", &view)
	return view
}

func (s *shop) get(id string) (view api.Order) {
	s.t.Helper()
	s.getJSON("/v1/orders/"+id, &view)
	return view
}

func (s *shop) getJSON(path string, into any) {
	s.t.Helper()
	got := s.send(http.MethodGet, path, "")
	if got.status != http.StatusOK {
		s.t.Fatalf("%s answered %d %s", path, got.status, got.body)
	}
	if err := json.Unmarshal([]byte(got.body), into); err != nil {
		s.t.Fatal(err)
	}
}

const unknownCharge = `{"state": "UNKNOWN", "attempts": 3, "problem": "the gateway did not answer in time", "surprise": {},
	"unknown_since": "2026-11-22T10:15:01Z", "next_attempt_at": "2026-11-22T10:15:03Z"}`

func TestSagaView_IsWhatTheServicesAnswer(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.placed("k").Id
	s.others.answer(`{"state": "RESERVED"}`, unknownCharge, "")
	got := s.saga(id)
	same(t, "state and direction", []string{string(got.State), string(got.Direction), string(got.Status)}, []string{"In Progress", "forward", "PENDING"})
	same(t, "waits, when it has just begun", got.WaitingFor, nil)
	same(t, "expected", *got.Expected, api.Expected{Service: "payment", Events: []string{"PaymentProcessed", "PaymentFailed"}})
	same(t, "reserve", got.Steps[0], api.Step{Step: "reserve", Service: "inventory", Progress: "Committed", State: new("RESERVED")})
	same(t, "charge", got.Steps[1], api.Step{
		Step: "charge", Service: "payment", Progress: "Processing", State: new("UNKNOWN"), Attempts: 3,
		Problem: new("the gateway did not answer in time"), NextAttemptAt: new(time.Date(2026, 11, 22, 10, 15, 3, 0, time.UTC)),
	})
	same(t, "ship", got.Steps[2], api.Step{Step: "ship", Service: "shipping", Progress: "Pending"})

	deliver(t, s.pool, opened(id, "i"), opened(id, "j"), resolved(id, "j"))
	got = s.saga(id)
	same(t, "status with an incident", got.Status, api.NEEDSATTENTION)
	same(t, "open incidents", len(got.Incidents), 1)
}

func TestSagaView_AnOrderShowsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.placed("k").Id
	s.others.answer(`{"state": "RESERVED"}`, unknownCharge, "")
	same(t, "a young order waits for", s.get(id).WaitingFor, nil)
	same(t, "questions about a young order", s.others.requests(), 0)
	s.old()
	same(t, "an older one waits for", *s.get(id).WaitingFor, api.Waiting{
		Step: "charge", Service: "payment", Since: time.Date(2026, 11, 22, 10, 15, 1, 0, time.UTC), Attempts: 3,
		Why: "the gateway did not answer in time",
	})
	same(t, "in the list", strings.Contains(s.send(http.MethodGet, "/v1/orders", "").body, "waiting_for"), false)
	deliver(t, s.pool, opened(id, "i"))
	same(t, "why with an incident", s.get(id).WaitingFor.Why, "refund_refused, a person has to decide: closed account")
	deliver(t, s.pool, shipment(id))
	same(t, "a confirmed one waits for", s.get(id).WaitingFor, nil)
}

func TestSagaView_PollingIsAnsweredFromTheCache(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.placed("k").Id
	s.old()
	began := time.Now()
	for range 50 {
		s.get(id)
	}
	rounds := 1 + int(time.Since(began)/(500*time.Millisecond)) // for as long an answer is cached
	if asked := s.others.requests(); asked > 3*rounds {
		t.Errorf("50 reads asked the others %d times", asked)
	}
}

func TestSagaView_AServiceThatDoesNotAnswerIsTheReason(t *testing.T) {
	t.Parallel()
	for answer, why := range map[string]string{
		"hang":     "shipping cannot be reached",
		"503":      "shipping cannot answer now (503)",
		"{no JSON": "the answer of shipping cannot be read",
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			id := s.placed("k").Id
			s.old()
			s.others.answer(`{"state": "RESERVED"}`, `{"state": "CAPTURED"}`, answer)
			same(t, "why", s.get(id).WaitingFor.Why, why)
			got := s.saga(id)
			same(t, "step", got.Steps[2], api.Step{Step: "ship", Service: "shipping", Progress: "Processing", Problem: &why})
			same(t, "waits for", got.WaitingFor.Why, why)
		})
	}
}

func TestSagaView_AnUnknownOrderHasNone(t *testing.T) {
	t.Parallel()
	s := open(t)
	isProblem(t, s.send(http.MethodGet, "/v1/orders/"+newID(t)+"/saga", ""), http.StatusNotFound)
	isProblem(t, s.send(http.MethodGet, "/v1/orders/none/saga", ""), http.StatusNotFound)
	isProblem(t, s.send(http.MethodPost, "/v1/orders/"+newID(t)+"/saga", ""), http.StatusMethodNotAllowed)
	same(t, "questions", s.others.requests(), 0)
}
