package payment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/charge"
	"example.com/ordersaga/services/payment/repair"
)

// answer is one of the admin API.
type answer struct {
	status   int
	body     string
	replayed bool
}

// operator sends a request to the admin API, as sagactl does.
func (s *shop) operator(method, path, key string, body any) answer {
	s.t.Helper()
	router := chi.NewRouter()
	admin := adminapi.API{Pool: s.db.Pool, Transact: s.tx, Faults: s.app.Faults, Tables: keeps}
	repair.New(s.app, admin, s.gateway, s.settings.Horizon, s.wake).Routes(router)
	request := httptest.NewRequestWithContext(s.t.Context(), method, path, bytes.NewReader(mustJSON(s.t, body)))
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	router.ServeHTTP(w, request)
	return answer{w.Code, w.Body.String(), w.Header().Get("Idempotency-Replayed") == "true"}
}

// wants is a command as it is sent, given for a state that was seen.
func wants(state charge.State, number int, more ...any) map[string]any {
	w := map[string]any{"by": "grace", "why": "the customer called", "expected_state": state}
	if number > 0 {
		w["expected_refund_number"] = number
	}
	for i := 0; i < len(more); i += 2 {
		w[more[i].(string)] = more[i+1]
	}
	return w
}

// incident is the id of an order's open incident of a kind, once there is one.
func (s *shop) incident(orderID, kind string) string {
	s.t.Helper()
	testkit.Eventually(s.t, 20*time.Second, "incident "+kind, func() bool { return slices.Contains(s.openIncidents(orderID), kind) })
	return text(s.t, s.db.Pool, `SELECT id::text FROM incident WHERE order_id = $1 AND kind = $2 AND resolved_at IS NULL`, orderID, kind)
}

// refundRefused is an order whose refund the gateway has refused, with its incident.
func (s *shop) refundRefused() (orderID, incident string) {
	s.t.Helper()
	s.work()
	orderID = newID(s.t)
	s.handle(reserved(orderID, "tok_refund_refused"))
	s.becomes(orderID, charge.Captured)
	s.handle(cancelled(orderID))
	s.becomes(orderID, charge.RefundRefused)
	return orderID, s.incident(orderID, charge.KindRefundRefused)
}

// details are what the admin API shows of an incident.
func (s *shop) details(id string) adminapi.Details {
	s.t.Helper()
	answer := s.operator(http.MethodGet, "/incidents/"+id, "", nil)
	var d adminapi.Details
	if err := json.Unmarshal([]byte(answer.body), &d); err != nil || answer.status != http.StatusOK {
		s.t.Fatalf("%+v, %v", answer, err)
	}
	return d
}

// The gateway refuses, recovers, and an operator tries again: under the next key, with the incident open until the
// money is back.
func TestRepair_ARefusedRefundIsRetriedUnderTheNextKey(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refundRefused()
	if published := s.published(id); slices.Contains(published, "PaymentRefunded") {
		t.Fatalf("the stock was released: %v", published)
	}
	path := "/incidents/" + incident + "/retry"
	if a := s.operator(http.MethodPost, path, "try-1", wants(charge.RefundRefused, 1)); a.status != http.StatusOK || !strings.Contains(a.body, `"outcome":"next_key"`) {
		t.Fatalf("%+v", a)
	}
	testkit.Eventually(t, 20*time.Second, "the second refusal", func() bool {
		return s.state(id) == charge.RefundRefused && count(t, s.db.Pool, `SELECT refund_number FROM payment WHERE order_id = $1`, id) == 2
	})
	if open := s.openIncidents(id); !slices.Equal(open, []string{charge.KindRefundRefused}) {
		t.Errorf("a retry left %v open", open)
	}
	s.gate.faults(t, map[string]any{"refund_refusals": "never"})
	if a := s.operator(http.MethodPost, path, "try-2", wants(charge.RefundRefused, 2)); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	s.becomes(id, charge.Refunded)
	if charges, refunds := s.gate.moved(t, id); charges != 1 || refunds != 1 || len(s.openIncidents(id)) != 0 {
		t.Errorf("%d charges, %d refunds, open %v", charges, refunds, s.openIncidents(id))
	}
	if n := count(t, s.db.Pool, `SELECT count(*) FROM incident WHERE order_id = $1`, id); n != 1 {
		t.Errorf("%d incidents were opened, a retry keeps the first one", n)
	}
	s.checkLedgers()
}

func TestRepair_EveryActionIsRecordedWithWhatItChanged(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refundRefused()
	before := s.details(incident)
	if before.OrderID != id || len(before.Possible) != 2 || len(before.Actions) != 0 {
		t.Errorf("%+v", before)
	}
	s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", "k", wants(charge.RefundRefused, 1, "outcome", "settlement", "reference", "bank 7"))
	after := s.details(incident)
	if after.Open() || len(after.Possible) != 0 || len(after.Actions) != 1 {
		t.Fatalf("%+v", after)
	}
	done := after.Actions[0]
	if done.By != "grace" || done.Why != "the customer called" || done.Action != "resolve settlement" || done.At.IsZero() ||
		!strings.Contains(string(done.Before), "REFUND_REFUSED") || !strings.Contains(string(done.After), "settlement:bank 7") {
		t.Errorf("%+v, %s → %s", done, done.Before, done.After)
	}
	const denied = "42501"
	for _, sql := range []string{`UPDATE operator_action SET by = 'x'`, `DELETE FROM operator_action`, `TRUNCATE operator_action`} {
		if got := code(t, s, sql); got != denied {
			t.Errorf("%s: %q", sql, got)
		}
	}
	list := s.operator(http.MethodGet, "/incidents?open=true", "", nil)
	one := s.operator(http.MethodGet, "/incidents?order="+id, "", nil)
	if list.body != `{"incidents":[],"next":null}` || !strings.Contains(one.body, incident) {
		t.Errorf("open %s, of the order %s", list.body, one.body)
	}
}

// The money came back by another way. The saga goes on as if it had been a refund.
func TestRepair_ASettlementOutsideTheGatewayEndsTheSaga(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refundRefused()
	a := s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", "k", wants(charge.RefundRefused, 1, "outcome", "settlement", "reference", "bank 7"))
	if a.status != http.StatusOK || s.state(id) != charge.Settled || len(s.openIncidents(id)) != 0 {
		t.Fatalf("%+v, %s, open %v", a, s.state(id), s.openIncidents(id))
	}
	refunded := events.PaymentRefunded{
		Subject: events.Subject{OrderID: id}, RefundID: "settlement:bank 7", Reason: "cancelled",
		Amount: events.Money{Amount: 1999, Currency: "USD"},
	}
	if !slices.Contains(s.events(id), events.Event(refunded)) {
		t.Errorf("published %+v", s.events(id))
	}
	sides := text(t, s.db.Pool, `
		SELECT string_agg(account || ' ' || amount, ', ' ORDER BY account) FROM ledger_entry
		WHERE merchant_reference = $1 AND kind = 'settlement'`, id)
	if sides != "customers 1999, manual_settlement -1999" {
		t.Errorf("the settlement is booked as %s", sides)
	}
	s.checkLedgers()
}

// refundPastPayment refunds a charge at the gateway, as somebody at the gateway's own console would.
func (s *shop) refundPastPayment(orderID string) (refundID string) {
	s.t.Helper()
	s.gate.faults(s.t, map[string]any{"refund_refusals": "never"})
	chargeID := text(s.t, s.db.Pool, `SELECT charge_id FROM payment WHERE order_id = $1`, orderID)
	var made charge.GatewayResponse
	s.gate.ask(s.t, http.MethodPost, s.gate.url+"/v1/refunds", http.Header{"Idempotency-Key": {"by-hand"}},
		map[string]any{"charge_id": chargeID, "amount": 1999, "currency": "USD"}, http.StatusCreated, &made)
	return made.ID
}

// Whatever an operator wants about a refused refund: one that the gateway shows ends it, and no money moves again.
func TestRepair_ARefundThatTheGatewayShowsEndsIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		action string
		more   []any
	}{
		"a retry":      {"retry", nil},
		"a settlement": {"resolve", []any{"outcome", "settlement", "reference", "bank 7"}},
		"its own name": {"resolve", []any{"outcome", "refund", "refund_id", "?"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id, incident := s.refundRefused()
			refund := s.refundPastPayment(id)
			for i, value := range test.more {
				if value == "?" {
					test.more[i] = refund
				}
			}
			a := s.operator(http.MethodPost, "/incidents/"+incident+"/"+test.action, "k", wants(charge.RefundRefused, 1, test.more...))
			if a.status != http.StatusOK || !strings.Contains(a.body, `"outcome":"refund"`) || s.state(id) != charge.Refunded {
				t.Fatalf("%+v, %s", a, s.state(id))
			}
			if _, refunds := s.gate.moved(t, id); refunds != 1 || len(s.openIncidents(id)) != 0 {
				t.Errorf("%d refunds, open %v", refunds, s.openIncidents(id))
			}
			s.checkLedgers()
		})
	}
}

// A refund is believed to the gateway alone.
func TestRepair_ARefundThatTheGatewayDoesNotShowIsNotBelieved(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refundRefused()
	path := "/incidents/" + incident + "/resolve"
	invented := wants(charge.RefundRefused, 1, "outcome", "refund", "refund_id", "re_invented")
	if a := s.operator(http.MethodPost, path, "k", invented); a.status != http.StatusConflict || s.state(id) != charge.RefundRefused {
		t.Errorf("%+v, %s", a, s.state(id))
	}
	s.refundPastPayment(id)
	if a := s.operator(http.MethodPost, path, "k", invented); a.status != http.StatusConflict || s.state(id) != charge.RefundRefused {
		t.Errorf("%+v, %s", a, s.state(id))
	}
	s.gate.wire.set(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
	for _, more := range [][]any{{"outcome", "settlement", "reference", "bank 7"}, nil} {
		action := "resolve"
		if more == nil {
			action = "retry"
		}
		a := s.operator(http.MethodPost, "/incidents/"+incident+"/"+action, "k", wants(charge.RefundRefused, 1, more...))
		if a.status != http.StatusServiceUnavailable || s.state(id) != charge.RefundRefused {
			t.Errorf("without the gateway: %+v, %s", a, s.state(id))
		}
	}
	if n := count(t, s.db.Pool, `SELECT count(*) FROM operator_action`); n != 0 {
		t.Errorf("%d actions were recorded, none was done", n)
	}
}

func TestRepair_OfTwoOperatorsOneWins(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refundRefused()
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			a := s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", fmt.Sprint("key-", n),
				wants(charge.RefundRefused, 1, "outcome", "settlement", "reference", fmt.Sprint("bank ", n)))
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	wg.Wait()
	if statuses[http.StatusOK] != 1 || statuses[http.StatusConflict] != 7 {
		t.Errorf("%v", statuses)
	}
	if n := count(t, s.db.Pool, `SELECT count(*) FROM ledger_entry WHERE merchant_reference = $1 AND kind = 'settlement'`, id); n != 2 {
		t.Errorf("%d entries of settlements", n)
	}
	if n := count(t, s.db.Pool, `SELECT count(*) FROM operator_action`); n != 1 {
		t.Errorf("%d actions were recorded", n)
	}
}

func TestRepair_TheSameKeyTwiceIsOneActionAndOneAnswer(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refundRefused()
	path, body := "/incidents/"+incident+"/resolve", wants(charge.RefundRefused, 1, "outcome", "settlement", "reference", "bank 7")
	answers := make([]answer, 8)
	var wg sync.WaitGroup
	for n := range answers {
		wg.Go(func() { answers[n] = s.operator(http.MethodPost, path, "one", body) })
	}
	wg.Wait()
	first := 0
	for _, a := range answers {
		if a.status != http.StatusOK || a.body != answers[0].body {
			t.Errorf("%+v", a)
		}
		if !a.replayed {
			first++
		}
	}
	if settled := strings.Count(strings.Join(s.published(id), " "), "PaymentRefunded"); first != 1 || settled != 1 {
		t.Errorf("%d were the first, %d PaymentRefunded", first, settled)
	}
	body["why"] = "another reason"
	if a := s.operator(http.MethodPost, path, "one", body); a.status != http.StatusUnprocessableEntity {
		t.Errorf("another body under the key: %+v", a)
	}
}

func TestRepair_ACommandForAnotherStateIsRefusedWithTheCurrentOne(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refundRefused()
	for sentence, test := range map[string]struct {
		action  string
		command map[string]any
		detail  string
	}{
		"another state":           {"retry", wants(charge.Unknown, 0), "The payment is REFUND_REFUSED (refund 1), not UNKNOWN any more."},
		"another number":          {"retry", wants(charge.RefundRefused, 2), "The payment is REFUND_REFUSED (refund 1), not REFUND_REFUSED (refund 2) any more."},
		"an outcome of a charge":  {"resolve", wants(charge.RefundRefused, 1, "outcome", "captured"), "cannot be recorded"},
		"nothing that is waiting": {"retry", wants(charge.Refunding, 1), "not REFUNDING (refund 1)"},
	} {
		a := s.operator(http.MethodPost, "/incidents/"+incident+"/"+test.action, "k", test.command)
		if a.status != http.StatusConflict || !strings.Contains(a.body, test.detail) {
			t.Errorf("%s: %+v", sentence, a)
		}
	}
	settle := wants(charge.RefundRefused, 1, "outcome", "settlement", "reference", "bank 7")
	s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", "done", settle)
	if a := s.operator(http.MethodPost, "/incidents/"+incident+"/retry", "k", wants(charge.RefundRefused, 1)); a.status != http.StatusConflict ||
		!strings.Contains(a.body, "The incident is resolved: SETTLED.") {
		t.Errorf("a resolved incident: %+v", a)
	}
	if s.state(id) != charge.Settled {
		t.Errorf("%s", s.state(id))
	}
}

func TestRepair_BadInputIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refundRefused()
	without := func(name string) map[string]any { w := wants(charge.RefundRefused, 1); delete(w, name); return w }
	for sentence, test := range map[string]struct {
		path, key string
		body      any
		status    int
	}{
		"no key":                         {"/incidents/" + incident + "/retry", "", wants(charge.RefundRefused, 1), 400},
		"nobody":                         {"/incidents/" + incident + "/retry", "k", without("by"), 400},
		"no reason":                      {"/incidents/" + incident + "/retry", "k", without("why"), 400},
		"no state":                       {"/incidents/" + incident + "/retry", "k", without("expected_state"), 400},
		"no number":                      {"/incidents/" + incident + "/retry", "k", without("expected_refund_number"), 400},
		"a retry with an outcome":        {"/incidents/" + incident + "/retry", "k", wants(charge.RefundRefused, 1, "outcome", "captured"), 400},
		"a resolve without one":          {"/incidents/" + incident + "/resolve", "k", wants(charge.RefundRefused, 1), 400},
		"an outcome that nobody knows":   {"/incidents/" + incident + "/resolve", "k", wants(charge.RefundRefused, 1, "outcome", "lost"), 400},
		"a settlement without reference": {"/incidents/" + incident + "/resolve", "k", wants(charge.RefundRefused, 1, "outcome", "settlement"), 400},
		"a refund without its id":        {"/incidents/" + incident + "/resolve", "k", wants(charge.RefundRefused, 1, "outcome", "refund"), 400},
		"a member that nobody knows":     {"/incidents/" + incident + "/retry", "k", wants(charge.RefundRefused, 1, "dry_run", true), 400},
		"no object":                      {"/incidents/" + incident + "/retry", "k", "retry", 400},
		"no incident":                    {"/incidents/" + id + "/retry", "k", wants(charge.RefundRefused, 1), 404},
		"no id":                          {"/incidents/x/retry", "k", wants(charge.RefundRefused, 1), 404},
	} {
		if a := s.operator(http.MethodPost, test.path, test.key, test.body); a.status != test.status || !strings.Contains(a.body, `"detail"`) {
			t.Errorf("%s: %+v", sentence, a)
		}
	}
	for _, query := range []string{"open=maybe", "order=x"} {
		if a := s.operator(http.MethodGet, "/incidents?"+query, "", nil); a.status != http.StatusBadRequest {
			t.Errorf("%s: %+v", query, a)
		}
	}
	if n := count(t, s.db.Pool, `SELECT count(*) FROM operator_action`); n != 0 || s.state(id) != charge.RefundRefused {
		t.Errorf("%d actions were recorded, %s", n, s.state(id))
	}
}

// Of a wrong amount the operator has refunded what was really captured; nothing else of it can be believed.
func TestRepair_AChargeOverAWrongAmountIsRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget = 100 * time.Millisecond })
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_wrong_amount"))
	path := "/incidents/" + s.incident(id, charge.KindChargeUndecided) + "/resolve"
	for _, outcome := range []string{"captured", "declined"} {
		if a := s.operator(http.MethodPost, path, "k", wants(charge.Unknown, 0, "outcome", outcome)); a.status != http.StatusConflict || s.state(id) != charge.Unknown {
			t.Errorf("%s: %+v, %s", outcome, a, s.state(id))
		}
	}
	if a := s.operator(http.MethodPost, path, "k", wants(charge.Unknown, 0, "outcome", "refund")); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	s.becomes(id, charge.Refunded)
	published := s.published(id)
	if slices.Contains(published, "PaymentProcessed") || !slices.Contains(published, "PaymentRefunded") || len(s.openIncidents(id)) != 0 {
		t.Errorf("published %v, open %v", published, s.openIncidents(id))
	}
	s.checkLedgers()
}

// The workers' requests do not arrive any more, and their look-ups neither; the operator's do.
func TestRepair_AnUnknownChargeIsRecordedAsTheGatewayShowsIt(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget = 50 * time.Millisecond })
	s.gate.wire.set(swallow)
	stop := s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	path := "/incidents/" + s.incident(id, charge.KindChargeUndecided)
	stop()
	s.expireLeases()
	if a := s.operator(http.MethodPost, path+"/resolve", "k", wants(charge.Unknown, 0, "outcome", "declined")); a.status != http.StatusConflict ||
		!strings.Contains(a.body, "horizon") {
		t.Errorf("before the horizon: %+v", a)
	}
	if a := s.operator(http.MethodPost, path+"/resolve", "k", wants(charge.Unknown, 0, "outcome", "captured")); a.status != http.StatusConflict {
		t.Errorf("without a charge: %+v", a)
	}
	s.gate.wire.heal()
	s.gate.charge(t, "charge:"+id, id, 1999) // what had lain somewhere arrives
	if a := s.operator(http.MethodPost, path+"/resolve", "k", wants(charge.Unknown, 0, "outcome", "captured")); a.status != http.StatusOK || s.state(id) != charge.Captured {
		t.Fatalf("%+v, %s", a, s.state(id))
	}
	if published := s.published(id); !slices.Contains(published, "PaymentProcessed") || len(s.openIncidents(id)) != 0 {
		t.Errorf("published %v, open %v", published, s.openIncidents(id))
	}
	s.checkLedgers()
}

func TestRepair_AChargeIsRecordedAsDeclinedOnlyBehindTheHorizon(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget, s.Horizon = 50*time.Millisecond, 2*time.Second })
	s.gate.wire.set(swallow)
	stop := s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	path := "/incidents/" + s.incident(id, charge.KindChargeUndecided) + "/resolve"
	stop()
	declined := wants(charge.Unknown, 0, "outcome", "declined")
	var last answer
	testkit.Eventually(t, 30*time.Second, "the horizon", func() bool {
		last = s.operator(http.MethodPost, path, "k", declined)
		return last.status == http.StatusOK
	})
	waited := text(t, s.db.Pool, `SELECT ((updated_at - sent_until) >= interval '2 seconds')::text FROM payment WHERE order_id = $1`, id)
	if published := s.published(id); waited != "true" || s.state(id) != charge.Declined || !slices.Contains(published, "PaymentFailed") {
		t.Errorf("waited %s, %s, published %v", waited, s.state(id), published)
	}
}

// A retry of an unknown outcome asks at once, under the same key.
func TestRepair_ARetryOfAnUnknownOutcomeUsesTheSameKey(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) {
		// A retry sends the charge within another budget, so that has to be longer than a busy machine needs to claim it.
		s.ChargeBudget, s.RefundBudget, s.RetryFirst, s.RetryLimit = 2*time.Second, 50*time.Millisecond, 50*time.Millisecond, time.Hour
	})
	var mu sync.Mutex
	keys := map[string]bool{}
	broken := true
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		mu.Lock()
		down := broken
		if r.Method == http.MethodPost {
			keys[r.Header.Get("Idempotency-Key")] = true
		}
		mu.Unlock()
		if down {
			panic(http.ErrAbortHandler)
		}
		pass(w, r)
	})
	down := func(yes bool) { mu.Lock(); defer mu.Unlock(); broken = yes }
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	unknown := s.incident(id, charge.KindChargeUndecided)
	execute(t, s.db.Pool, `UPDATE payment SET next_attempt_at = now() + interval '1 hour' WHERE order_id = $1`, id)
	down(false)
	if a := s.operator(http.MethodPost, "/incidents/"+unknown+"/retry", "k1", wants(charge.Unknown, 0)); a.status != http.StatusOK || !strings.Contains(a.body, `"asked"`) {
		t.Fatalf("%+v", a)
	}
	s.becomes(id, charge.Captured)
	down(true)
	s.handle(cancelled(id))
	refund := s.incident(id, charge.KindRefundUndecided)
	execute(t, s.db.Pool, `UPDATE payment SET next_attempt_at = now() + interval '1 hour' WHERE order_id = $1`, id)
	down(false)
	if a := s.operator(http.MethodPost, "/incidents/"+refund+"/retry", "k2", wants(charge.Refunding, 1)); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	s.becomes(id, charge.Refunded)
	if len(keys) != 2 || count(t, s.db.Pool, `SELECT refund_number FROM payment WHERE order_id = $1`, id) != 1 {
		t.Errorf("asked under the keys %v", keys)
	}
	s.checkLedgers()
}

// The refund of money that came late is refused: two incidents, which end together.
func TestRepair_ALateCaptureWhoseRefundIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.faults(t, map[string]any{"refund_refusals": "always"})
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_declined"))
	s.becomes(id, charge.Declined)
	s.gate.charge(t, "past-payment", id, 1999)
	s.reconcile()
	s.becomes(id, charge.RefundRefused)
	if open := s.openIncidents(id); !slices.Equal(open, []string{charge.KindLateCapture, charge.KindRefundRefused}) {
		t.Fatalf("open %v", open)
	}
	path := "/incidents/" + s.incident(id, charge.KindLateCapture) + "/resolve"
	if a := s.operator(http.MethodPost, path, "k", wants(charge.RefundRefused, 1, "outcome", "settlement", "reference", "bank 7")); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	if open := s.openIncidents(id); len(open) != 0 || s.state(id) != charge.Settled {
		t.Errorf("%s, open %v", s.state(id), open)
	}
	s.checkLedgers()
}
