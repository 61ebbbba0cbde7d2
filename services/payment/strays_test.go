package payment

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/services/payment/charge"
)

// second is a charge of 5.00 for an order that somebody has made at the gateway beside payment, with the incident.
func (s *shop) second(orderID string, back ...int) (incident string) {
	s.t.Helper()
	id := s.gate.charge(s.t, newID(s.t), orderID, 500)
	for _, amount := range back {
		s.gate.ask(s.t, http.MethodPost, s.gate.url+"/v1/refunds", http.Header{"Idempotency-Key": {newID(s.t)}},
			map[string]any{"charge_id": id, "amount": amount, "currency": "USD"}, http.StatusCreated, nil)
	}
	s.hasOpen(orderID, charge.KindReconciliation)
	return s.incident(orderID, charge.KindReconciliation)
}

// settled is an order whose refund was refused, and whose money was returned outside the gateway: 49.50.
func (s *shop) settled(parts ...int) (orderID string) {
	s.t.Helper()
	s.work()
	orderID = s.captured()
	for _, part := range parts {
		s.refundByHand(orderID, part)
	}
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.URL.Path == "/v1/refunds" {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Ambassador-Attempts", "1")
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = w.Write([]byte(`{"type":"about:blank","title":"x","status":422,"code":"invalid_request"}`))
			return
		}
		pass(w, r)
	})
	s.handle(cancelled(orderID))
	s.becomes(orderID, charge.RefundRefused)
	s.gate.wire.heal()
	a := s.operator(http.MethodPost, "/incidents/"+s.incident(orderID, charge.KindRefundRefused)+"/resolve", newID(s.t),
		wants(charge.RefundRefused, 1, "outcome", "settlement", "reference", "transfer 4711"))
	if a.status != http.StatusOK {
		s.t.Fatalf("%+v", a)
	}
	s.becomes(orderID, charge.Settled)
	return orderID
}

// Whatever the payment is, and however much of the second charge is back, an operator ends the incident.
func TestStrays_OfEveryStateAreRefunded(t *testing.T) {
	t.Parallel()
	for state, make := range map[charge.State]func(*shop) string{
		"NONE":          func(s *shop) string { return newID(s.t) },
		charge.Captured: func(s *shop) string { s.work(); return s.captured() },
		charge.Refunded: func(s *shop) string {
			s.work()
			id := s.captured()
			s.handle(cancelled(id))
			s.becomes(id, charge.Refunded)
			return id
		},
		charge.RefundRefused: func(s *shop) string {
			id, _ := s.refundRefused()
			s.closeIncident(id, charge.KindRefundRefused)
			return id
		},
		charge.Settled: func(s *shop) string { return s.settled() },
	} {
		for what, back := range map[string][]int{"nothing is back": nil, "a part is back": {100}, "all is back": {500}, "all is back in parts": {200, 300}} {
			t.Run(fmt.Sprintf("%s, %s", state, what), func(t *testing.T) {
				t.Parallel()
				s := newShop(t)
				id := make(s)
				incident := s.second(id, back...)
				if offers := s.offers(incident); !slices.Contains(offers, "retry") {
					t.Fatalf("offered: %v", offers)
				}
				number := 0
				if state == charge.RefundRefused {
					number = 1
				}
				path, before := "/incidents/"+incident+"/retry", s.published(id)
				if a := s.operator(http.MethodPost, path, "k", wants(state, number)); a.status != http.StatusOK || !strings.Contains(a.body, "refunded") {
					t.Fatalf("%+v", a)
				}
				if a := s.operator(http.MethodPost, path, "k", wants(state, number)); a.status != http.StatusOK || !a.replayed {
					t.Errorf("once more: %+v", a)
				}
				s.hasOpen(id)
				var rest int64
				for _, e := range s.gate.ledger(t) {
					if e.Amount <= 500 && e.Reference == id {
						rest += map[string]int64{"charge": e.Amount, "refund": -e.Amount}[e.Kind]
					}
				}
				if after := s.published(id); rest != 0 || state != "NONE" && s.state(id) != state || len(after) != len(before)+1 {
					t.Errorf("%d are left, the payment is %s, published %v", rest, s.state(id), after)
				}
			})
		}
	}
}

// closeIncident takes an incident away, so that another one stands alone.
func (s *shop) closeIncident(orderID, kind string) {
	s.t.Helper()
	execute(s.t, s.db.Pool, `UPDATE incident SET resolved_at = now(), resolution = 'x' WHERE id = $1`, s.incident(orderID, kind))
}

// An answer is lost, the gateway refuses, another operator was first: nothing is given back twice, nothing is noted.
func TestStrays_AreRefundedOnceAndOnlyWhenTheGatewayShowsIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	id := s.captured()
	incident := s.second(id)
	path := "/incidents/" + incident + "/retry"
	s.gate.wire.set(loseAnswers)
	if a := s.operator(http.MethodPost, path, "lost", wants(charge.Captured, 0)); a.status != http.StatusServiceUnavailable {
		t.Errorf("without an answer: %+v", a)
	}
	s.gate.wire.heal()
	answers := make(chan int)
	for n := range 4 {
		go func() {
			answers <- s.operator(http.MethodPost, path, fmt.Sprint("operator-", n), wants(charge.Captured, 0)).status
		}()
	}
	statuses := map[int]int{}
	for range 4 {
		statuses[<-answers]++
	}
	if statuses[http.StatusOK] != 1 || statuses[http.StatusConflict] != 3 {
		t.Errorf("4 operators at once got %v", statuses)
	}
	s.hasOpen(id)
	if charges, refunds := s.gate.moved(t, id); charges != 2 || refunds != 1 {
		t.Errorf("%d charges and %d refunds", charges, refunds)
	}
	if a := s.operator(http.MethodPost, "/incidents/"+incident+"/retry", "late", wants(charge.Captured, 0)); a.status != http.StatusConflict {
		t.Errorf("after the end: %+v", a)
	}
}

// The gateway takes the request, and its look-up does not show the refund: the money may not be back.
func TestStrays_WhoseRefundDoesNotShowAreNotNoted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	id := s.captured()
	incident := s.second(id)
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.URL.Path != "/v1/charges" {
			pass(w, r)
			return
		}
		answer := httptest.NewRecorder()
		pass(answer, r)
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		_, _ = w.Write(regexp.MustCompile(`"refunds":\s*\[[^\]]*\]`).ReplaceAll(answer.Body.Bytes(), []byte(`"refunds":[]`)))
	})
	a := s.operator(http.MethodPost, "/incidents/"+incident+"/retry", "k", wants(charge.Captured, 0))
	if a.status != http.StatusConflict || count(t, s.db.Pool, `SELECT count(*) FROM accepted_movement`) != 0 {
		t.Errorf("%+v", a)
	}
	s.gate.wire.heal()
	if a := s.operator(http.MethodPost, "/incidents/"+incident+"/retry", "again", wants(charge.Captured, 0)); a.status != http.StatusOK {
		t.Errorf("%+v", a)
	}
	s.hasOpen(id)
}

// The customer had the money back twice. What the gateway gave back is booked, and the settlement is reversed by it.
func TestStrays_ARefundAfterASettlementReversesIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after []int
		state         charge.State
		booked        string
	}{
		"all of it":          {nil, []int{4950}, charge.Refunded, "4950 4950 -4950"},
		"a part":             {nil, []int{500}, charge.Settled, "4950 500 -500"},
		"after another part": {[]int{500}, []int{1000}, charge.Settled, "500 4450 1000 -1000"},
		"the rest in two":    {[]int{500}, []int{4000, 450}, charge.Refunded, "500 4450 4000 450 -4450"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id := s.settled(c.before...)
			var refund string
			for _, amount := range c.after {
				refund = s.refundByHand(id, amount)
			}
			s.hasOpen(id, charge.KindReconciliation)
			incident, before := s.incident(id, charge.KindReconciliation), s.published(id)
			if offers := s.offers(incident); !slices.Equal(offers, []string{"resolve refund"}) {
				t.Fatalf("offered: %v", offers)
			}
			a := s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", "k", wants(charge.Settled, 0, "outcome", "refund", "refund_id", refund))
			if a.status != http.StatusOK {
				t.Fatalf("%+v", a)
			}
			s.hasOpen(id)
			booked := text(t, s.db.Pool, `SELECT string_agg(amount::text, ' ' ORDER BY id) FROM ledger_entry
				WHERE merchant_reference = $1 AND account = 'customers' AND kind <> 'charge'`, id)
			sums := text(t, s.db.Pool, `SELECT concat(captured_amount, ' ', returned_amount) FROM payment WHERE order_id = $1`, id)
			if booked != c.booked || sums != "4950 4950" || s.state(id) != c.state || len(s.published(id)) != len(before)+1 {
				t.Errorf("%s: booked %s, sums %s, published %v", s.state(id), booked, sums, s.published(id))
			}
			s.checkLedgers()
		})
	}
}
