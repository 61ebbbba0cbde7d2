package payment

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/charge"
)

func (s *shop) resolvedBy(way string) float64 {
	return s.metric("payment_unknown_resolved_total", way)
}

// The answer is lost once; asking again under the same key gives the same charge.
func TestResolve_ALostAnswerIsAskedForUnderTheSameKey(t *testing.T) {
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
	s.handle(reserved(id, "tok_visa"))
	first := s.claimOne()
	s.workers.Finish(t.Context(), first, s.workers.Call(t.Context(), first))
	if s.state(id) != charge.Unknown || len(s.published(id)) != 0 {
		t.Fatalf("a lost answer was taken for %s, published %v", s.state(id), s.published(id))
	}
	s.work()
	s.becomes(id, charge.Captured)
	if distinct := slices.Compact(keys); len(distinct) != 1 || keys[0] != "charge:"+id {
		t.Errorf("asked under the keys %v", keys)
	}
	if charges, _ := s.gate.moved(t, id); charges != 1 || s.resolvedBy("same_key") != 1 {
		t.Errorf("%d charges, resolved by the same key %v", charges, s.resolvedBy("same_key"))
	}
}

// No answer to a charge ever comes back, but the gateway can be asked what it has.
func TestResolve_AChargeWhoseAnswersAreAllLostIsFoundByItsReference(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.wire.set(loseAnswers)
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	s.becomes(id, charge.Captured)
	if charges, _ := s.gate.moved(t, id); charges != 1 || s.resolvedBy("look_up") != 1 {
		t.Errorf("%d charges, resolved by look-up %v", charges, s.resolvedBy("look_up"))
	}
	s.checkLedgers()
}

// Nothing arrives at the gateway. "Not found" means nothing until the last request is older than the horizon; until
// then PaymentFailed is not published. An incident is opened when the budget is spent, and closes by itself.
func TestResolve_NotFoundIsDefiniteOnlyBehindTheHorizon(t *testing.T) {
	t.Parallel()
	const budget, horizon = 300 * time.Millisecond, 1500 * time.Millisecond
	s := newShop(t, func(s *Settings) { s.ChargeBudget, s.Horizon = budget, horizon })
	s.gate.wire.set(swallow)
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))

	testkit.Eventually(t, 10*time.Second, "an incident to be opened", func() bool {
		return slices.Equal(s.openIncidents(id), []string{charge.KindChargeUndecided})
	})
	if s.state(id) != charge.Unknown || !slices.Equal(s.published(id), []string{"IncidentOpened"}) {
		t.Errorf("%s, published %v", s.state(id), s.published(id))
	}
	sent := s.gate.wire.seen.Load()
	s.becomes(id, charge.Declined)
	waited := text(t, s.db.Pool, `SELECT ((updated_at - sent_until) >= $2::interval)::text FROM payment WHERE order_id = $1`, id, horizon)
	if waited != "true" {
		t.Errorf("the payment was given up before the horizon")
	}
	if more := s.gate.wire.seen.Load() - sent; more > 0 {
		t.Errorf("%d requests were sent after the budget, the horizon never comes", more)
	}
	if published := s.published(id); !slices.Equal(published, []string{"IncidentOpened", "PaymentFailed", "IncidentResolved"}) &&
		!slices.Equal(published, []string{"IncidentOpened", "IncidentResolved", "PaymentFailed"}) {
		t.Errorf("published %v", published)
	}
	if len(s.openIncidents(id)) != 0 || s.resolvedBy("horizon") != 1 {
		t.Errorf("open %v, resolved by the horizon %v", s.openIncidents(id), s.resolvedBy("horizon"))
	}
}

// The gateway is away for longer than the budget. Then it comes back, and has the charge.
func TestResolve_AnIncidentClosesByItselfWhenTheOutcomeIsKnown(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget = 100 * time.Millisecond })
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		pass(httptest.NewRecorder(), r) // carried out, and then silence
		panic(http.ErrAbortHandler)
	})
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	testkit.Eventually(t, 10*time.Second, "an incident to be opened", func() bool { return len(s.openIncidents(id)) == 1 })
	s.gate.wire.heal()
	s.becomes(id, charge.Captured)
	if len(s.openIncidents(id)) != 0 {
		t.Errorf("open %v", s.openIncidents(id))
	}
	if n := count(t, s.db.Pool, `SELECT count(*) FROM incident WHERE order_id = $1`, id); n != 1 {
		t.Errorf("%d incidents were opened for one doubt", n)
	}
}

// What the gateway shows is not what was asked for. Payment neither ships for it nor lets the stock go.
func TestResolve_AWrongAmountDecidesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget = 100 * time.Millisecond })
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_wrong_amount"))
	testkit.Eventually(t, 10*time.Second, "an incident to be opened", func() bool { return len(s.openIncidents(id)) == 1 })
	if published := s.published(id); s.state(id) != charge.Unknown || !slices.Equal(published, []string{"IncidentOpened"}) {
		t.Errorf("%s, published %v", s.state(id), published)
	}
	if reason := text(t, s.db.Pool, `SELECT reason FROM incident WHERE order_id = $1`, id); !strings.Contains(reason, "2099 USD instead of 1999 USD") {
		t.Errorf("the operator reads %q", reason)
	}
}

func TestResolve_ACancelMeetsAnUnknownCharge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		card      string
		ends      charge.State
		publishes []string
	}{
		"that was captured": {"tok_lost_response", charge.Refunded, []string{"PaymentRefunded"}},
		"that was declined": {"tok_declined", charge.Declined, []string{"PaymentFailed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.gate.wire.set(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
			s.work()
			id := newID(t)
			s.handle(reserved(id, test.card))
			s.becomes(id, charge.Unknown)
			s.handle(cancelled(id))
			s.gate.wire.heal()
			s.becomes(id, test.ends)
			if published := s.published(id); !slices.Equal(published, test.publishes) {
				t.Errorf("published %v", published)
			}
			s.checkLedgers()
		})
	}
}

func TestRefund_WhoseAnswersAreLostIsFoundAtTheGateway(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.RefundBudget = 50 * time.Millisecond })
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	s.becomes(id, charge.Captured)

	s.gate.wire.set(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
	s.handle(cancelled(id))
	testkit.Eventually(t, 10*time.Second, "an incident to be opened", func() bool {
		return slices.Equal(s.openIncidents(id), []string{charge.KindRefundUndecided})
	})
	if s.state(id) != charge.Refunding {
		t.Errorf("%s", s.state(id))
	}
	s.gate.wire.set(loseAnswers)
	s.becomes(id, charge.Refunded)
	if charges, refunds := s.gate.moved(t, id); charges != 1 || refunds != 1 || len(s.openIncidents(id)) != 0 {
		t.Errorf("%d charges, %d refunds, open %v", charges, refunds, s.openIncidents(id))
	}
	s.checkLedgers()
}

// What is decided, or looked at by a person, is not counted.
func TestUnattended_IsTheOldestPaymentThatNobodyLooksAt(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(settings *Settings) { settings.ChargeBudget = time.Millisecond })
	s.gate.wire.set(swallow)
	counted := func() bool { return text(t, s.db.Pool, `SELECT concat((`+oldestUnattended+`))`) != "" }
	if counted() {
		t.Error("nothing is counted")
	}
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	if !counted() {
		t.Error("a payment that is to be made is not counted")
	}
	s.work()
	s.incident(id, charge.KindChargeUndecided)
	if counted() {
		t.Error("it is counted although an incident is open")
	}
	s.gate.charge(t, charge.Key(id), id, 1999)
	s.becomes(id, charge.Captured)
	if counted() {
		t.Error("what is decided is counted")
	}
}
