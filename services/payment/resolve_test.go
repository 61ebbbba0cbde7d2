package payment

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"example.com/ordersaga/pkg/testkit"
)

func (s *shop) resolvedBy(way string) float64 {
	return testutil.ToFloat64(s.metrics.resolved.WithLabelValues(way))
}

// The answer is lost once; asking again under the same key gives the same charge.
func TestALostAnswerIsAskedForAgainUnderTheSameKey(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var keys []string
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if keys = append(keys, r.Header.Get("Idempotency-Key")); len(keys) == 1 {
			loseAnswers(w, r, pass)
		}
		pass(w, r)
	})
	id := newID(t)
	s.hear(reserved(id, "tok_visa"))
	first := s.claimOne()
	s.finish(t.Context(), first, s.call(t.Context(), first))
	if s.state(id) != Unknown || len(s.said(id)) != 0 {
		t.Fatalf("a lost answer was taken for %s, said %v", s.state(id), s.said(id))
	}
	s.work()
	s.becomes(id, Captured)
	if distinct := slices.Compact(keys); len(distinct) != 1 || keys[0] != "charge:"+id {
		t.Errorf("asked under the keys %v", keys)
	}
	if charges, _ := s.gate.moved(t, id); charges != 1 || s.resolvedBy("same_key") != 1 {
		t.Errorf("%d charges, resolved by the same key %v", charges, s.resolvedBy("same_key"))
	}
}

// No answer to a charge ever comes back, but the gateway can be asked what it has.
func TestAChargeWhoseAnswersAreAllLostIsFoundByItsReference(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.wire.set(loseAnswers)
	s.work()
	id := newID(t)
	s.hear(reserved(id, "tok_visa"))
	s.becomes(id, Captured)
	if charges, _ := s.gate.moved(t, id); charges != 1 || s.resolvedBy("look_up") != 1 {
		t.Errorf("%d charges, resolved by look-up %v", charges, s.resolvedBy("look_up"))
	}
	s.checkBooks()
}

// Nothing arrives at the gateway. "Not found" means nothing until the last request is older than the horizon; until
// then no event says that the payment failed. A person is told when the budget is spent, and needs to do nothing.
func TestNotFoundIsDefiniteOnlyBehindTheHorizon(t *testing.T) {
	t.Parallel()
	const budget, horizon = 300 * time.Millisecond, 1500 * time.Millisecond
	s := newShop(t, func(s *Settings) { s.ChargeBudget, s.Horizon = budget, horizon })
	s.gate.wire.set(swallow)
	s.work()
	id := newID(t)
	s.hear(reserved(id, "tok_visa"))

	testkit.Eventually(t, 10*time.Second, "a person to be told", func() bool {
		return slices.Equal(s.openIncidents(id), []string{kindChargeUndecided})
	})
	if s.state(id) != Unknown || !slices.Equal(s.said(id), []string{"IncidentOpened"}) {
		t.Errorf("%s, said %v", s.state(id), s.said(id))
	}
	sent := s.gate.wire.seen.Load()
	s.becomes(id, Declined)
	waited := text(t, s.db.Pool, `SELECT ((updated_at - sent_until) >= $2::interval)::text FROM payment WHERE order_id = $1`, id, horizon)
	if waited != "true" {
		t.Errorf("the payment was given up before the horizon")
	}
	if more := s.gate.wire.seen.Load() - sent; more > 0 {
		t.Errorf("%d requests were sent after the budget, the horizon never comes", more)
	}
	if said := s.said(id); !slices.Equal(said, []string{"IncidentOpened", "PaymentFailed", "IncidentResolved"}) &&
		!slices.Equal(said, []string{"IncidentOpened", "IncidentResolved", "PaymentFailed"}) {
		t.Errorf("said %v", said)
	}
	if len(s.openIncidents(id)) != 0 || s.resolvedBy("horizon") != 1 {
		t.Errorf("open %v, resolved by the horizon %v", s.openIncidents(id), s.resolvedBy("horizon"))
	}
}

// The gateway is away for longer than the budget. Then it comes back, and has the charge.
func TestAnIncidentClosesByItselfWhenTheOutcomeIsKnown(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget = 100 * time.Millisecond })
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		pass(httptest.NewRecorder(), r) // carried out, and then silence
		panic(http.ErrAbortHandler)
	})
	s.work()
	id := newID(t)
	s.hear(reserved(id, "tok_visa"))
	testkit.Eventually(t, 10*time.Second, "a person to be told", func() bool { return len(s.openIncidents(id)) == 1 })
	s.gate.wire.heal()
	s.becomes(id, Captured)
	if len(s.openIncidents(id)) != 0 {
		t.Errorf("open %v", s.openIncidents(id))
	}
	if n := count(t, s.db.Pool, `SELECT count(*) FROM incident WHERE order_id = $1`, id); n != 1 {
		t.Errorf("%d incidents were opened for one doubt", n)
	}
}

// What the gateway shows is not what was asked for. Payment neither ships for it nor lets the stock go.
func TestAWrongAmountDecidesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget = 100 * time.Millisecond })
	s.work()
	id := newID(t)
	s.hear(reserved(id, "tok_wrong_amount"))
	testkit.Eventually(t, 10*time.Second, "a person to be told", func() bool { return len(s.openIncidents(id)) == 1 })
	if said := s.said(id); s.state(id) != Unknown || !slices.Equal(said, []string{"IncidentOpened"}) {
		t.Errorf("%s, said %v", s.state(id), said)
	}
	if reason := text(t, s.db.Pool, `SELECT reason FROM incident WHERE order_id = $1`, id); !strings.Contains(reason, "2099 USD instead of 1999 USD") {
		t.Errorf("the operator reads %q", reason)
	}
}

func TestACancelMeetsAnUnknownCharge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		card string
		ends State
		says []string
	}{
		"that was captured": {"tok_lost_response", Refunded, []string{"PaymentRefunded"}},
		"that was declined": {"tok_declined", Declined, []string{"PaymentFailed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.gate.wire.set(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
			s.work()
			id := newID(t)
			s.hear(reserved(id, test.card))
			s.becomes(id, Unknown)
			s.hear(cancelled(id))
			s.gate.wire.heal()
			s.becomes(id, test.ends)
			if said := s.said(id); !slices.Equal(said, test.says) {
				t.Errorf("said %v", said)
			}
			s.checkBooks()
		})
	}
}

func TestARefundWhoseAnswersAreLostIsFoundAtTheGateway(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.RefundBudget = 50 * time.Millisecond })
	s.work()
	id := newID(t)
	s.hear(reserved(id, "tok_visa"))
	s.becomes(id, Captured)

	s.gate.wire.set(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
	s.hear(cancelled(id))
	testkit.Eventually(t, 10*time.Second, "a person to be told", func() bool {
		return slices.Equal(s.openIncidents(id), []string{kindRefundUndecided})
	})
	if s.state(id) != Refunding {
		t.Errorf("%s", s.state(id))
	}
	s.gate.wire.set(loseAnswers)
	s.becomes(id, Refunded)
	if charges, refunds := s.gate.moved(t, id); charges != 1 || refunds != 1 || len(s.openIncidents(id)) != 0 {
		t.Errorf("%d charges, %d refunds, open %v", charges, refunds, s.openIncidents(id))
	}
	s.checkBooks()
}

// Whatever comes back that is not exactly about this payment decides nothing.
func TestWhichAnswersAreDefinite(t *testing.T) {
	t.Parallel()
	c := Claim{Payment: Payment{OrderID: "o-1", Amount: 1999, Currency: "USD"}}
	good := `{"id":"ch_1","merchant_reference":"o-1","amount":1999,"currency":"USD","status":"succeeded"}`
	decline := `{"status":"declined","decline_code":"fraudulent","merchant_reference":"o-1","amount":1999,"currency":"USD"}`
	tests := []struct {
		sentence string
		status   int
		body     string
		want     Verdict
	}{
		{"a charge as it was asked for", 201, good, Yes},
		{"a decline of what was asked for", 402, decline, No},
		{"another amount", 201, strings.Replace(good, "1999", "2099", 1), Undecided},
		{"another currency", 201, strings.Replace(good, "USD", "EUR", 1), Undecided},
		{"another reference", 201, strings.Replace(good, "o-1", "o-2", 1), Undecided},
		{"no id", 201, strings.Replace(good, "ch_1", "", 1), Undecided},
		{"another status", 201, strings.Replace(good, "succeeded", "pending", 1), Undecided},
		{"a decline of something else", 402, strings.Replace(decline, "o-1", "o-2", 1), Undecided},
		{"a decline without a reason", 402, strings.Replace(decline, "fraudulent", "", 1), Undecided},
		{"a 402 that says succeeded", 402, good, Undecided},
		{"a 201 that says declined", 201, decline, Undecided},
		{"half an answer", 201, good[:40], Undecided},
		{"a page of a proxy", 201, "<html>", Undecided},
		{"an empty answer", 201, "", Undecided},
		{"in progress", 409, good, Undecided},
		{"too many requests", 429, `{}`, Undecided},
		{"a request that the gateway does not understand", 400, `{}`, Undecided},
		{"a key that belongs to another request", 422, `{}`, Undecided},
		{"an error", 500, good, Undecided},
		{"a proxy that gave up", 504, `{}`, Undecided},
	}
	for _, test := range tests {
		got := c.judge(test.status, []byte(test.body), nil, "declined", c.Amount)
		if got.Verdict != test.want || (got.Verdict == Undecided) != (got.ID == "" && got.Reason != "" && got.Reason != "fraudulent") {
			t.Errorf("%s: %+v", test.sentence, got)
		}
	}
}
