package payment

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/api"
	"example.com/ordersaga/services/payment/charge"
)

func chargeBody(reference, card string) string {
	return fmt.Sprintf(`{"reference":%q,"amount":1999,"currency":"USD","payment_method":%q}`, reference, card)
}

func refundBody(chargeID string, amount int) string {
	return fmt.Sprintf(`{"charge_id":%q,"amount":%d,"currency":"USD"}`, chargeID, amount)
}

// charged makes a direct charge and returns its id.
func charged(t *testing.T, h http.Handler, reference, card string) string {
	t.Helper()
	answer := ask(t, h, http.MethodPost, "/v1/charges", "charge-"+reference, chargeBody(reference, card))
	var charge api.Charge
	if err := json.Unmarshal([]byte(answer.body), &charge); err != nil || answer.status != http.StatusCreated {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	return charge.Id
}

func (s *shop) point(key string) string { //nolint:unparam // it reads as a question
	s.t.Helper()
	return text(s.t, s.db.Pool, `SELECT recovery_point FROM idempotency_key WHERE key = $1`, key)
}

func TestDirect_AChargeThatIsSentTwiceIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	first := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
	again := ask(t, h, http.MethodPost, "/v1/charges", `"k"`, `{"amount": 1999, "reference": "r-1", "payment_method": "tok_visa", "currency": "USD"}`)
	if first.status != http.StatusCreated || again.status != first.status || again.body != first.body {
		t.Errorf("%d %s\nthen %d %s", first.status, first.body, again.status, again.body)
	}
	if first.header.Get(idempotency.Replayed) != "" || again.header.Get(idempotency.Replayed) != "true" {
		t.Error("the second answer, and no other, is marked as a replay")
	}
	if other := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-2", "tok_visa")); other.status != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d %s", other.status, other.body)
	}
	if charges, _ := s.gate.moved(t, "direct:r-1"); charges != 1 || s.gate.wire.seen.Load() != 1 {
		t.Errorf("%d charges, %d calls", charges, s.gate.wire.seen.Load())
	}
	if s.point("k") != "finished" {
		t.Errorf("the key is %s", s.point("k"))
	}
	s.checkLedgers()
}

// The answer's bytes come from the payment's row alone, so that whoever takes over gives the same.
func TestDirect_ADeclineIsAnAnswerLikeAnyOther(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	first := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_insufficient_funds"))
	again := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_insufficient_funds"))
	if first.status != http.StatusPaymentRequired || first.header.Get("Content-Type") != problem.ContentType || !strings.Contains(first.body, `"code":"insufficient_funds"`) {
		t.Errorf("%d %s", first.status, first.body)
	}
	if again.body != first.body || again.header.Get(idempotency.Replayed) != "true" {
		t.Errorf("then %d %s", again.status, again.body)
	}
}

// Keys expire, and clients lose them. What is paid is paid once, whatever the key.
func TestDirect_BeneathTheKeyTheReferenceKeepsToOneCharge(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	first := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
	other := ask(t, h, http.MethodPost, "/v1/charges", "another", chargeBody("r-1", "tok_visa"))
	if other.status != http.StatusConflict || other.header.Get("Retry-After") != "" {
		t.Errorf("another key: %d %s", other.status, other.body)
	}
	execute(t, s.db.Pool, `UPDATE idempotency_key SET expires_at = now()`)
	if err := idempotency.Reaper(s.db.Pool, nil)(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa")); again.body != first.body {
		t.Errorf("after the key was reaped: %d %s", again.status, again.body)
	}
	if charges, _ := s.gate.moved(t, "direct:r-1"); charges != 1 {
		t.Errorf("%d charges", charges)
	}
}

// When the key has expired the row beneath it compares what the key had compared: the same body gets the first answer,
// another one none.
func TestDirect_BeneathAnExpiredKeyTheWholeRequestIsCompared(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	body := chargeBody("r-1", "tok_visa")
	first := ask(t, h, http.MethodPost, "/v1/charges", "k", body)
	id := charged(t, h, "r-2", "tok_visa")
	refund := ask(t, h, http.MethodPost, "/v1/refunds", "k", refundBody(id, 500))
	for _, request := range []struct {
		path, body string
		want       reply
	}{
		{"/v1/charges", strings.Replace(body, "1999", "2999", 1), reply{status: http.StatusConflict}},
		{"/v1/charges", strings.Replace(body, "USD", "EUR", 1), reply{status: http.StatusConflict}},
		{"/v1/charges", strings.Replace(body, "tok_visa", "tok_declined", 1), reply{status: http.StatusConflict}},
		{"/v1/charges", body, first},
		{"/v1/refunds", refundBody(id, 400), reply{status: http.StatusConflict}},
		{"/v1/refunds", strings.Replace(refundBody(id, 500), "USD", "EUR", 1), reply{status: http.StatusConflict}},
		{"/v1/refunds", refundBody(id, 500), refund},
	} {
		execute(t, s.db.Pool, `UPDATE idempotency_key SET expires_at = now()`)
		if err := idempotency.Reaper(s.db.Pool, nil)(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := ask(t, h, http.MethodPost, request.path, "k", request.body)
		if got.status != request.want.status || request.want.body != "" && got.body != request.want.body {
			t.Errorf("%s %s: %d %s", request.path, request.body, got.status, got.body)
		}
	}
	if charges, _ := s.gate.moved(t, "direct:r-1"); charges != 1 {
		t.Errorf("%d charges", charges)
	}
}

func TestDirect_AnUnknownOutcomeIsNoAnswer(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	s.gate.wire.set(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
	lost := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
	if lost.status != http.StatusServiceUnavailable || lost.header.Get("Retry-After") == "" || s.point("k") != "started" {
		t.Errorf("%d %s, %s", lost.status, lost.body, s.point("k"))
	}
	if other := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-2", "tok_visa")); other.status != http.StatusUnprocessableEntity {
		t.Errorf("the key stands for another charge: %d %s", other.status, other.body)
	}
	s.gate.wire.heal()
	again := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
	if again.status != http.StatusCreated || again.header.Get(idempotency.Replayed) != "" {
		t.Errorf("%d %s", again.status, again.body)
	}
	s.checkLedgers()
}

// The client never comes back. The charge is brought to its end all the same, and answered when somebody asks.
func TestDirect_AnAbandonedChargeIsFinishedByTheWorkers(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	s.gate.wire.set(loseAnswers)
	lost := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
	if lost.status != http.StatusServiceUnavailable {
		t.Fatalf("%d %s", lost.status, lost.body)
	}
	s.work()
	testkit.Eventually(t, 10*time.Second, "the workers to find it out", func() bool { return s.point("k") == "gateway_called" })
	s.gate.wire.set(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
	if again := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa")); again.status != http.StatusCreated {
		t.Errorf("%d %s", again.status, again.body)
	}
}

// fail arms an error at a point, for the next request.
func (s *shop) fail(point failpoint.Point) {
	s.t.Helper()
	if _, err := s.app.Faults.Arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 1}); err != nil {
		s.t.Fatal(err)
	}
}

// leasesEndTogether reports whether a key and the one payment that there is are leased until the same moment.
func (s *shop) leasesEndTogether(key string) (same bool) {
	s.t.Helper()
	err := s.db.Pool.QueryRow(s.t.Context(), `
		SELECT coalesce(k.lease_until = p.lease_until, false) FROM idempotency_key k, payment p WHERE k.key = $1`, key).Scan(&same)
	if err != nil {
		s.t.Fatal(err)
	}
	return same
}

// A request dies between two of the three steps; the next one with the key goes on from the recovery point.
func TestDirect_ARequestIsTakenOverAtItsRecoveryPoint(t *testing.T) {
	t.Parallel()
	for _, died := range []struct {
		after string
		at    failpoint.Point
		calls int64 // that the successor makes
	}{{"started", failpoint.IdempotencyBegun, 1}, {"gateway_called", failpoint.IdempotencyStored, 0}} {
		t.Run(died.after, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			h := s.api()
			s.fail(died.at)
			ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
			if got := s.point("k"); got != died.after {
				t.Fatalf("died after %s", got)
			}
			if same := s.leasesEndTogether("k"); !same && died.after == "started" {
				t.Error("the key is held longer than the payment")
			}
			busy := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
			if busy.status != http.StatusConflict || busy.header.Get("Retry-After") == "" {
				t.Errorf("while the lease lasts: %d %s", busy.status, busy.body)
			}
			execute(t, s.db.Pool, `UPDATE idempotency_key SET lease_until = now()`)
			s.expireLeases()
			before := s.gate.wire.seen.Load()
			over := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
			if over.status != http.StatusCreated || s.gate.wire.seen.Load()-before != died.calls {
				t.Errorf("taken over: %d %s after %d calls", over.status, over.body, s.gate.wire.seen.Load()-before)
			}
			if charges, _ := s.gate.moved(t, "direct:r-1"); charges != 1 {
				t.Errorf("%d charges", charges)
			}
		})
	}
}

// A request sleeps at the gateway for longer than its leases. Its successor answers; what the sleeper learns is dropped,
// and it stores no answer of its own.
func TestDirect_ARequestWhoseLeaseWasTakenOverStoresNoAnswer(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.GatewayTimeout = 10 * time.Second })
	h := s.api()
	asked, wakeUp := make(chan struct{}), make(chan struct{})
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		close(asked)
		<-wakeUp
		pass(w, r)
	})
	slept := make(chan reply)
	go func() { slept <- ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa")) }()
	<-asked
	s.gate.wire.heal()
	execute(t, s.db.Pool, `UPDATE idempotency_key SET lease_until = now()`)
	s.expireLeases()
	over := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
	close(wakeUp)
	late := <-slept
	if over.status != http.StatusCreated || late.status != http.StatusConflict || late.header.Get("Retry-After") == "" {
		t.Errorf("%d %s\nthe one that slept: %d %s", over.status, over.body, late.status, late.body)
	}
	if charges, _ := s.gate.moved(t, "direct:r-1"); charges != 1 || s.metric("payment_answers_dropped_total") != 1 {
		t.Errorf("%d charges, %v answers dropped", charges, s.metric("payment_answers_dropped_total"))
	}
}

// While a worker has the payment, a client that takes the key over has to wait, and its key is not held.
func TestDirect_ATakeoverWaitsForTheWorkerWhoHasThePayment(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	s.fail(failpoint.IdempotencyBegun)
	ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
	execute(t, s.db.Pool, `UPDATE idempotency_key SET lease_until = now()`) // the payment's lease goes on
	for range 2 {
		answer := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa"))
		if answer.status != http.StatusConflict || answer.header.Get("Retry-After") == "" {
			t.Errorf("%d %s", answer.status, answer.body)
		}
	}
}

func TestDirect_AClientThatHangsUpStopsNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	ctx, hangUp := context.WithCancel(t.Context())
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		hangUp()
		pass(w, r)
	})
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/charges", strings.NewReader(chargeBody("r-1", "tok_visa")))
	request.Header.Set("Idempotency-Key", "k")
	request.Header.Set("Content-Type", "application/json")
	serve(s.api(), request)
	if s.point("k") != "finished" {
		t.Errorf("stopped at %s", s.point("k"))
	}
}

func TestDirect_AFaultAroundAnAnswerHeals(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{failpoint.IdempotencyBegun, failpoint.IdempotencyStored, failpoint.IdempotencyCommitted} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			h := s.api()
			s.fail(point)
			if first := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa")); first.status != http.StatusInternalServerError {
				t.Errorf("%d %s", first.status, first.body)
			}
			execute(t, s.db.Pool, `UPDATE idempotency_key SET lease_until = now() WHERE lease_until IS NOT NULL`)
			s.expireLeases()
			if again := ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_visa")); again.status != http.StatusCreated {
				t.Errorf("%d %s", again.status, again.body)
			}
			if charges, _ := s.gate.moved(t, "direct:r-1"); charges != 1 {
				t.Errorf("%d charges", charges)
			}
		})
	}
}

func TestDirect_ARefundIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	whole, part := charged(t, h, "whole", "tok_visa"), charged(t, h, "part", "tok_visa")

	tooMuch := ask(t, h, http.MethodPost, "/v1/refunds", "r1", refundBody(whole, 2000))
	if tooMuch.status != http.StatusUnprocessableEntity || !strings.Contains(tooMuch.body, "19.99 USD were captured") {
		t.Errorf("too much: %d %s", tooMuch.status, tooMuch.body)
	}
	first := ask(t, h, http.MethodPost, "/v1/refunds", "r1", refundBody(whole, 1999)) // what was refused left the key free
	again := ask(t, h, http.MethodPost, "/v1/refunds", "r1", refundBody(whole, 1999))
	if first.status != http.StatusCreated || again.body != first.body || again.header.Get(idempotency.Replayed) != "true" {
		t.Errorf("%d %s\nthen %d %s", first.status, first.body, again.status, again.body)
	}
	if second := ask(t, h, http.MethodPost, "/v1/refunds", "r2", refundBody(whole, 1)); second.status != http.StatusConflict {
		t.Errorf("a second refund: %d %s", second.status, second.body)
	}
	if some := ask(t, h, http.MethodPost, "/v1/refunds", "r3", refundBody(part, 500)); some.status != http.StatusCreated || !strings.Contains(some.body, `"amount":500`) {
		t.Errorf("a part: %d %s", some.status, some.body)
	}
	shown := ask(t, h, http.MethodGet, "/v1/charges/part", "", "")
	if shown.status != http.StatusOK || !strings.Contains(shown.body, `"refund_amount":500`) || !strings.Contains(shown.body, `"state":"REFUNDED"`) {
		t.Errorf("shown as %d %s", shown.status, shown.body)
	}
	s.checkLedgers()
}

func TestDirect_ARefusedRefundStaysRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	id := charged(t, h, "r-1", "tok_refund_refused")
	first := ask(t, h, http.MethodPost, "/v1/refunds", "k", refundBody(id, 1999))
	again := ask(t, h, http.MethodPost, "/v1/refunds", "k", refundBody(id, 1999))
	if first.status != http.StatusPaymentRequired || !strings.Contains(first.body, `"code":"refund_refused"`) || again.body != first.body {
		t.Errorf("%d %s\nthen %d %s", first.status, first.body, again.status, again.body)
	}
}

// restBody asks for all that is not back yet.
func restBody(chargeID string) string {
	return fmt.Sprintf(`{"charge_id":%q,"currency":"USD"}`, chargeID)
}

// A refund that was definitely refused can be asked for anew, under another key, at the gateway and here.
func TestDirect_ANewKeyTriesARefusedRefundAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	id := charged(t, h, "r-1", "tok_refund_refused")
	refused := ask(t, h, http.MethodPost, "/v1/refunds", "old", refundBody(id, 1999))
	s.gate.faults(t, map[string]any{"refund_refusals": "never"})
	statuses := map[int]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			answer := ask(t, h, http.MethodPost, "/v1/refunds", fmt.Sprint("new-", n), refundBody(id, 1999))
			mu.Lock()
			defer mu.Unlock()
			statuses[answer.status]++
		})
	}
	wg.Wait()
	if statuses[http.StatusCreated] != 1 || statuses[http.StatusConflict] != 19 {
		t.Errorf("20 new keys: %v", statuses)
	}
	if again := ask(t, h, http.MethodPost, "/v1/refunds", "old", refundBody(id, 1999)); refused.status != http.StatusPaymentRequired || again.body != refused.body {
		t.Errorf("the old key: %d %s\nthen %d %s", refused.status, refused.body, again.status, again.body)
	}
	if _, refunds := s.gate.moved(t, "direct:r-1"); refunds != 1 {
		t.Errorf("%d refunds", refunds)
	}
	s.checkLedgers()
}

func TestDirect_RefundsInPartsSumToWhatWasCaptured(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	id := charged(t, h, "r-1", "tok_visa")
	for _, step := range []struct {
		key, body string
		status    int
		contains  string
	}{
		{"a", refundBody(id, 500), http.StatusCreated, `"amount":500`},
		{"b", refundBody(id, 1500), http.StatusUnprocessableEntity, "19.99 USD were captured and 5.00 USD are back; 14.99 USD is the most"},
		{"b", strings.Replace(refundBody(id, 100), "USD", "EUR", 1), http.StatusUnprocessableEntity, "14.99 USD is the most"},
		{"b", refundBody(id, 0), http.StatusUnprocessableEntity, "/amount"},
		{"b", refundBody(id, -1), http.StatusUnprocessableEntity, "/amount"},
		{"b", refundBody(id, 1000), http.StatusCreated, `"amount":1000`}, // what was refused left the key free
		{"a", refundBody(id, 500), http.StatusCreated, `"amount":500`},
		{"c", restBody(id), http.StatusCreated, `"amount":499`},
		{"c", restBody(id), http.StatusCreated, `"amount":499`},
		{"d", restBody(id), http.StatusConflict, "All of it is back: 19.99 USD."},
		{"e", refundBody(id, 1), http.StatusConflict, "All of it is back"},
	} {
		if got := ask(t, h, http.MethodPost, "/v1/refunds", step.key, step.body); got.status != step.status || !strings.Contains(got.body, step.contains) {
			t.Errorf("%s %s: %d %s", step.key, step.body, got.status, got.body)
		}
	}
	if shown := ask(t, h, http.MethodGet, "/v1/charges/r-1", "", ""); !strings.Contains(shown.body, `"returned_amount":1999`) {
		t.Errorf("shown as %s", shown.body)
	}
	s.checkLedgers()
}

// The key of an earlier part has expired. It gets the first answer, and no money moves: not even where another part is free.
func TestDirect_AnExpiredKeyIsNoNewRefund(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	id, other := charged(t, h, "r-1", "tok_visa"), charged(t, h, "r-2", "tok_visa")
	first := ask(t, h, http.MethodPost, "/v1/refunds", "a", refundBody(id, 500))
	ask(t, h, http.MethodPost, "/v1/refunds", "b", refundBody(id, 300))
	for body, want := range map[string]int{
		refundBody(id, 500): http.StatusCreated, refundBody(id, 300): http.StatusConflict, restBody(id): http.StatusConflict,
		refundBody(other, 500): http.StatusConflict, strings.Replace(refundBody(id, 500), "USD", "EUR", 1): http.StatusConflict,
	} {
		execute(t, s.db.Pool, `UPDATE idempotency_key SET expires_at = now()`)
		if err := idempotency.Reaper(s.db.Pool, nil)(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := ask(t, h, http.MethodPost, "/v1/refunds", "a", body)
		if got.status != want || want == http.StatusCreated && got.body != first.body {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	if _, refunds := s.gate.moved(t, "direct:r-1"); refunds != 2 {
		t.Errorf("%d refunds", refunds)
	}
}

// A part was refunded by hand: what payment asks for is too much, and the next request knows what is left.
func TestDirect_RefundsMadeByHandCount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	id := charged(t, h, "r-1", "tok_visa")
	s.gate.ask(t, http.MethodPost, s.gate.url+"/v1/refunds", http.Header{"Idempotency-Key": {"by-hand"}},
		map[string]any{"charge_id": id, "amount": 500, "currency": "USD"}, http.StatusCreated, nil)
	if got := ask(t, h, http.MethodPost, "/v1/refunds", "a", refundBody(id, 1999)); got.status != http.StatusPaymentRequired || !strings.Contains(got.body, `"code":"more_than_captured"`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := ask(t, h, http.MethodPost, "/v1/refunds", "b", restBody(id)); got.status != http.StatusCreated || !strings.Contains(got.body, `"amount":1499`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	s.checkLedgers()
}

// The answer to a part is lost; the client asks again, and the part is made once.
func TestDirect_APartWhoseAnswerIsLostIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	id := charged(t, h, "r-1", "tok_refund_lost_response")
	ask(t, h, http.MethodPost, "/v1/refunds", "a", refundBody(id, 500))
	s.work()
	var got reply
	testkit.Eventually(t, 10*time.Second, "the part's answer", func() bool {
		got = ask(t, h, http.MethodPost, "/v1/refunds", "a", refundBody(id, 500))
		return got.status == http.StatusCreated
	})
	if _, refunds := s.gate.moved(t, "direct:r-1"); refunds != 1 || !strings.Contains(got.body, `"amount":500`) {
		t.Errorf("%d refunds, %s", refunds, got.body)
	}
	s.checkLedgers()
}

// What the saga owns is out of reach here, and what is paid here is out of the saga's.
func TestDirect_PaymentsAndTheSagasAreKeptApart(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget, s.RefundBudget = 30*time.Millisecond, 30*time.Millisecond })
	h := s.api()
	s.work()
	order := newID(t)
	s.handle(reserved(order, "tok_visa"))
	s.becomes(order, charge.Captured)
	ofOrder := text(t, s.db.Pool, `SELECT charge_id FROM payment WHERE order_id = $1`, order)
	if taken := ask(t, h, http.MethodPost, "/v1/refunds", "k", refundBody(ofOrder, 1999)); taken.status != http.StatusConflict || s.state(order) != charge.Captured {
		t.Errorf("a saga's charge: %d %s", taken.status, taken.body)
	}

	same := charged(t, h, order, "tok_visa") // a direct payment called like the order
	if same == ofOrder {
		t.Error("the order's charge was given to a direct payment")
	}
	row := text(t, s.db.Pool, `SELECT order_id::text FROM payment WHERE direct_reference = $1`, order)
	if hidden := ask(t, h, http.MethodGet, "/v1/payments/"+row, "", ""); hidden.status != http.StatusNotFound {
		t.Errorf("a direct payment is shown as an order's: %d %s", hidden.status, hidden.body)
	}
	s.handle(cancelled(row)) // nobody publishes that, but if somebody did
	ask(t, h, http.MethodPost, "/v1/charges", "declined", chargeBody("declined", "tok_declined"))
	ask(t, h, http.MethodPost, "/v1/charges", "wrong", chargeBody("wrong", "tok_wrong_amount"))
	refused := charged(t, h, "refused", "tok_refund_refused")
	ask(t, h, http.MethodPost, "/v1/refunds", "refused", refundBody(refused, 1999))
	testkit.Eventually(t, 10*time.Second, "a charge to be unknown beyond its budget", func() bool {
		return count(t, s.db.Pool, `SELECT count(*) FROM payment WHERE direct_reference = 'wrong' AND attempts > 3 AND unknown_since < now() - interval '100 ms'`) == 1
	})
	if n := count(t, s.db.Pool, `SELECT count(*) FROM outbox WHERE key <> $1`, order); n != 0 {
		t.Errorf("direct payments published %d events", n)
	}
	if n := count(t, s.db.Pool, `SELECT count(*) FROM incident`); n != 0 {
		t.Errorf("direct payments opened %d incidents", n)
	}
	if state := text(t, s.db.Pool, `SELECT state FROM payment WHERE direct_reference = $1`, order); state != string(charge.Captured) {
		t.Errorf("an event about a direct payment made it %s", state)
	}
}

func TestDirect_ALateCaptureIsRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	ask(t, h, http.MethodPost, "/v1/charges", "k", chargeBody("r-1", "tok_declined"))
	s.gate.charge(t, "lost", "direct:r-1", 1999)
	s.work()
	s.reconcile()
	testkit.Eventually(t, 10*time.Second, "it to be refunded", func() bool {
		return text(t, s.db.Pool, `SELECT state FROM payment WHERE direct_reference = 'r-1'`) == string(charge.Refunded)
	})
	if n := count(t, s.db.Pool, `SELECT count(*) FROM incident`); n != 0 {
		t.Errorf("%d incidents", n)
	}
	s.checkLedgers()
}

// A double click a thousand times over, for each of ten keys: one charge each, and every answer is the same bytes
// or "in progress".
func TestDirect_AThousandConcurrentRequestsWithOneKey(t *testing.T) {
	t.Parallel()
	const keys, each = 10, 1000
	s := newShop(t)
	h := s.api()
	var mu sync.Mutex
	bodies := make([]map[string]int, keys)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for k := range keys {
		bodies[k] = map[string]int{}
		for range each {
			wg.Go(func() {
				<-begin
				answer := ask(t, h, http.MethodPost, "/v1/charges", fmt.Sprintf("key-%d", k), chargeBody(fmt.Sprintf("r-%d", k), "tok_visa"))
				switch {
				case answer.status == http.StatusConflict && answer.header.Get("Retry-After") != "":
				case answer.status == http.StatusCreated:
					mu.Lock()
					bodies[k][answer.body]++
					mu.Unlock()
				default:
					t.Errorf("%d %s", answer.status, answer.body)
				}
			})
		}
	}
	close(begin)
	wg.Wait()
	for k := range keys {
		if charges, _ := s.gate.moved(t, fmt.Sprintf("direct:r-%d", k)); charges != 1 {
			t.Errorf("key %d: %d charges", k, charges)
		}
		if len(bodies[k]) != 1 {
			t.Errorf("key %d: %d different answers", k, len(bodies[k]))
		}
	}
	s.checkLedgers()
}
