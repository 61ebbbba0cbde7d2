package payment

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/charge"
)

// refundByHand refunds a part of an order's charge at the gateway, as somebody at the gateway's own console would.
func (s *shop) refundByHand(orderID string, amount int) (refundID string) {
	s.t.Helper()
	chargeID := text(s.t, s.db.Pool, `SELECT charge_id FROM payment WHERE order_id = $1`, orderID)
	var made charge.GatewayResponse
	s.gate.ask(s.t, http.MethodPost, s.gate.url+"/v1/refunds", http.Header{"Idempotency-Key": {newID(s.t)}},
		map[string]any{"charge_id": chargeID, "amount": amount, "currency": "USD"}, http.StatusCreated, &made)
	return made.ID
}

// captured is an order of 49.50 that is paid.
func (s *shop) captured() (orderID string) {
	s.t.Helper()
	orderID = newID(s.t)
	order := reserved(orderID, "tok_visa")
	order.Total.Amount, order.Lines[0].UnitPrice = 4950, 4950
	s.handle(order)
	s.becomes(orderID, charge.Captured)
	return orderID
}

// refusedBecauseOfAPart is an order that was cancelled after 5.00 of its 49.50 were refunded by hand.
func (s *shop) refusedBecauseOfAPart() (orderID, incident string) {
	s.t.Helper()
	s.work()
	orderID = s.captured()
	s.refundByHand(orderID, 500)
	s.handle(cancelled(orderID))
	s.becomes(orderID, charge.RefundRefused)
	return orderID, s.incident(orderID, charge.KindRefundRefused)
}

// isBack checks the end of an order's payment: the ledger shows each part, and the saga goes on once, with all of it.
func (s *shop) isBack(orderID string, state charge.State, parts ...int) {
	s.t.Helper()
	s.becomes(orderID, state)
	booked := text(s.t, s.db.Pool, `
		SELECT coalesce(string_agg(amount::text, ' ' ORDER BY id), '') FROM ledger_entry
		WHERE merchant_reference = $1 AND account = 'customers' AND kind <> 'charge'`, orderID)
	if want := strings.Trim(fmt.Sprint(parts), "[]"); booked != want {
		s.t.Errorf("booked %s, want %s", booked, want)
	}
	if sums := text(s.t, s.db.Pool, `SELECT concat(captured_amount, ' ', returned_amount) FROM payment WHERE order_id = $1`, orderID); sums != "4950 4950" {
		s.t.Errorf("captured and returned: %s", sums)
	}
	var refunded []events.Money
	for _, event := range s.events(orderID) {
		if e, ok := event.(events.PaymentRefunded); ok {
			refunded = append(refunded, e.Amount)
		}
	}
	if !slices.Equal(refunded, []events.Money{{Amount: 4950, Currency: "USD"}}) || len(s.openIncidents(orderID)) != 0 {
		s.t.Errorf("PaymentRefunded of %v, open %v", refunded, s.openIncidents(orderID))
	}
	s.checkLedgers()
}

// offers are the actions that an incident shows.
func (s *shop) offers(incident string) (steps []string) {
	s.t.Helper()
	for _, step := range s.details(incident).Possible {
		steps = append(steps, strings.TrimSpace(step.Action+" "+step.Outcome))
	}
	return steps
}

// Part of the money was refunded by hand, then the order is undone. Payment asks for what is left, and for no more.
func TestParts_ARetryAsksForTheRestAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refusedBecauseOfAPart()
	if booked := text(t, s.db.Pool, `SELECT concat(returned_amount, ' of ', captured_amount, ', then ', refund_amount) FROM payment WHERE order_id = $1`, id); booked != "500 of 4950, then 4450" {
		t.Errorf("what is back: %s", booked)
	}
	if offers := s.offers(incident); !slices.Equal(offers, []string{"retry", "resolve settlement"}) {
		t.Errorf("offered: %v", offers)
	}
	a := s.operator(http.MethodPost, "/incidents/"+incident+"/retry", "k", wants(charge.RefundRefused, 1))
	if a.status != http.StatusOK || !strings.Contains(a.body, `"outcome":"next_key"`) {
		t.Fatalf("%+v", a)
	}
	s.isBack(id, charge.Refunded, 500, 4450)
	if number := count(t, s.db.Pool, `SELECT refund_number FROM payment WHERE order_id = $1`, id); number != 2 {
		t.Errorf("the refund's number is %d", number)
	}
}

func TestParts_ASettlementIsOfTheRest(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refusedBecauseOfAPart()
	s.refundByHand(id, 1000)
	settle := wants(charge.RefundRefused, 1, "outcome", "settlement", "reference", "bank 7")
	if a := s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", "k", settle); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	s.isBack(id, charge.Settled, 500, 1000, 3450)
}

// The rest comes back by hand, too: whatever is asked for then ends the payment, and so does the next reconciliation.
func TestParts_TheRestMadeByHandEndsIt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *shop, incident, refund string) answer{
		"a retry": func(s *shop, incident, _ string) answer {
			return s.operator(http.MethodPost, "/incidents/"+incident+"/retry", "k", wants(charge.RefundRefused, 1))
		},
		"a settlement": func(s *shop, incident, _ string) answer {
			return s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", "k", wants(charge.RefundRefused, 1, "outcome", "settlement", "reference", "bank 7"))
		},
		"the refund's own name": func(s *shop, incident, refund string) answer {
			return s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", "k", wants(charge.RefundRefused, 1, "outcome", "refund", "refund_id", refund))
		},
		"reconciliation": func(s *shop, _, _ string) answer {
			s.reconcile()
			return answer{status: http.StatusOK}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id, incident := s.refusedBecauseOfAPart()
			refund := s.refundByHand(id, 4450)
			if offers := s.offers(incident); !slices.Equal(offers, []string{"retry", "resolve refund", "resolve settlement"}) {
				t.Errorf("offered: %v", offers)
			}
			if a := end(s, incident, refund); a.status != http.StatusOK {
				t.Fatalf("%+v", a)
			}
			s.isBack(id, charge.Refunded, 500, 4450)
			s.hasOpen(id)
		})
	}
}

// Parts by hand before each of an operator's attempts, two of them at once.
func TestParts_BetweenTwoTriesAreCountedOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refusedBecauseOfAPart()
	s.refundByHand(id, 100)
	last := s.refundByHand(id, 200)
	path := "/incidents/" + incident
	part := wants(charge.RefundRefused, 1, "outcome", "refund", "refund_id", last)
	if a := s.operator(http.MethodPost, path+"/resolve", "part", part); a.status != http.StatusOK || !strings.Contains(a.body, `"returned":800`) {
		t.Fatalf("%+v", a)
	}
	if open := s.openIncidents(id); s.state(id) != charge.RefundRefused || !slices.Equal(open, []string{charge.KindRefundRefused}) {
		t.Fatalf("a part made it %s, open %v", s.state(id), open)
	}
	if a := s.operator(http.MethodPost, path+"/resolve", "again", part); a.status != http.StatusConflict {
		t.Errorf("a refund that is booked: %+v", a)
	}
	s.gate.faults(t, map[string]any{"refund_refusals": "always"})
	if a := s.operator(http.MethodPost, path+"/retry", "try", wants(charge.RefundRefused, 1)); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	testkit.Eventually(t, 20*time.Second, "the second refusal", func() bool {
		return s.state(id) == charge.RefundRefused && count(t, s.db.Pool, `SELECT refund_number FROM payment WHERE order_id = $1`, id) == 2
	})
	s.gate.faults(t, map[string]any{"refund_refusals": "never"})
	s.refundByHand(id, 150)
	if a := s.operator(http.MethodPost, path+"/retry", "third", wants(charge.RefundRefused, 2)); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	s.isBack(id, charge.Refunded, 500, 100, 200, 150, 4000)
}

// Two parts that are all of the money: the cancel finds nothing to ask for, and needs nobody.
func TestParts_AllOfItByHandBeforeTheCancelEndsByItself(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	id := s.captured()
	s.refundByHand(id, 2000)
	s.refundByHand(id, 2950)
	s.handle(cancelled(id))
	s.isBack(id, charge.Refunded, 2000, 2950)
}

// The answers to a refund are lost, and somebody makes the rest by hand before one arrives.
func TestParts_ByHandWhileAnswersAreLost(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	id := s.captured()
	s.refundByHand(id, 500)
	s.gate.wire.set(swallow)
	s.handle(cancelled(id))
	s.becomes(id, charge.Refunding)
	s.refundByHand(id, 4450)
	s.isBack(id, charge.Refunded, 500, 4450)
}

// A gateway that shows more than was captured is believed nothing: the operator reads the sum, and has nothing to do here.
func TestParts_MoreThanWasCapturedIsRefusedInWords(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident := s.refusedBecauseOfAPart()
	chargeID := text(t, s.db.Pool, `SELECT charge_id FROM payment WHERE order_id = $1`, id)
	s.gate.wire.set(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		refund := map[string]any{"id": "re_more", "charge_id": chargeID, "merchant_reference": id, "amount": 4451, "currency": "USD", "status": "succeeded"}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(mustJSON(t, map[string]any{"charges": []any{map[string]any{"id": chargeID, "merchant_reference": id, "amount": 4950, "currency": "USD", "status": "succeeded", "refunds": []any{refund}}}}))
	})
	for action, more := range map[string][]any{"retry": nil, "resolve": {"outcome", "settlement", "reference", "bank 7"}} {
		a := s.operator(http.MethodPost, "/incidents/"+incident+"/"+action, "k", wants(charge.RefundRefused, 1, more...))
		if a.status != http.StatusConflict || !strings.Contains(a.body, "49.51 USD are back, of 49.50 USD that were captured") {
			t.Errorf("%s: %+v", action, a)
		}
	}
	if offers := s.offers(incident); len(offers) != 0 {
		t.Errorf("offered: %v", offers)
	}
}

// Money that came late, of which somebody has refunded a part already.
func TestParts_OfALateCapture(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.put(charge.Declined)
	chargeID := s.gate.charge(t, "lost", id, 4950)
	execute(t, s.db.Pool, `UPDATE payment SET charge_id = $2 WHERE order_id = $1`, id, chargeID)
	s.refundByHand(id, 500)
	s.reconcile()
	s.work()
	s.becomes(id, charge.RefundRefused)
	incident := s.incident(id, charge.KindLateCapture)
	if a := s.operator(http.MethodPost, "/incidents/"+incident+"/retry", "k", wants(charge.RefundRefused, 1)); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	s.isBack(id, charge.Refunded, 500, 4450)
}

// A charge over another amount than was asked for, of which a part is back.
func TestParts_OfAChargeOverAWrongAmount(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget = 100 * time.Millisecond })
	s.work()
	id := newID(t)
	order := reserved(id, "tok_wrong_amount")
	order.Total.Amount = 4850
	s.handle(order)
	incident := s.incident(id, charge.KindChargeUndecided)
	execute(t, s.db.Pool, `UPDATE payment SET charge_id = $2 WHERE order_id = $1`, id, s.gate.ledger(t)[0].ID)
	s.refundByHand(id, 500)
	refund := wants(charge.Unknown, 0, "outcome", "refund")
	if a := s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", "k", refund); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	s.isBack(id, charge.Refunded, 500, 4450)
}

// The process fails between the booking and its commit, or right behind it: each part is booked once, and published once.
func TestParts_AFaultAroundTheBookingLosesNothing(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{failpoint.OperatorBeforeCommit, failpoint.OperatorCommitted, failpoint.GatewayBeforeFinish, failpoint.GatewayFinished} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id, incident := s.refusedBecauseOfAPart()
			s.fail(point)
			retry := wants(charge.RefundRefused, 1)
			if a := s.operator(http.MethodPost, "/incidents/"+incident+"/retry", "k", retry); a.status != http.StatusOK {
				a = s.operator(http.MethodPost, "/incidents/"+incident+"/retry", "k", retry)
				if a.status != http.StatusOK {
					t.Fatalf("%+v", a)
				}
				s.wake.Signal()
			}
			s.isBack(id, charge.Refunded, 500, 4450)
		})
	}
}

// While the gateway does not answer nothing is offered that needs its answer, and the operator reads why.
func TestIncident_OffersWhatWouldBeAccepted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, incident := s.refundRefused()
	if offers := s.offers(incident); !slices.Equal(offers, []string{"retry", "resolve settlement"}) {
		t.Errorf("without any refund: %v", offers)
	}
	s.gate.wire.set(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
	if offers := s.offers(incident); len(offers) != 0 {
		t.Errorf("without the gateway: %v", offers)
	}
	if a := s.operator(http.MethodGet, "/incidents/"+incident, "", nil); !strings.Contains(a.body, "could not be looked up") {
		t.Errorf("%s", a.body)
	}
}

// byHandOfAStandingOrder is an order that is paid and shipped, of which parts were refunded by hand, with its incident.
func (s *shop) byHandOfAStandingOrder(parts ...int) (orderID, incident string, refunds []string) {
	s.t.Helper()
	s.work()
	orderID = s.captured()
	for _, part := range parts {
		refunds = append(refunds, s.refundByHand(orderID, part))
	}
	s.hasOpen(orderID, charge.KindReconciliation)
	return orderID, s.incident(orderID, charge.KindReconciliation), refunds
}

// accept is the command that accepts a refund made by hand.
func (s *shop) accept(incident, key, refund string) answer {
	s.t.Helper()
	return s.operator(http.MethodPost, "/incidents/"+incident+"/resolve", key, wants(charge.Captured, 0, "outcome", "refund", "refund_id", refund))
}

// stands checks that an order's payment is as it was but for what came back, and that nothing was published about it.
func (s *shop) stands(orderID string, returned int) {
	s.t.Helper()
	s.hasOpen(orderID)
	sums := text(s.t, s.db.Pool, `SELECT concat(state, ' ', captured_amount, ' ', returned_amount, ' ', returned_by) FROM payment WHERE order_id = $1`, orderID)
	if want := fmt.Sprintf("CAPTURED 4950 %d refund", returned); sums != want {
		s.t.Errorf("the payment is %s, want %s", sums, want)
	}
	if published := s.published(orderID); slices.Contains(published, "PaymentRefunded") {
		s.t.Errorf("published %v", published)
	}
	s.checkLedgers()
}

// Nobody wants the order undone: an operator reads what is back, accepts it, and the order stays as it is.
func TestParts_OfAnOrderThatStandsAreAccepted(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]int{"a part": {500}, "all of it": {4950}, "two parts": {500, 700}, "all of it in parts": {2000, 2950}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id, incident, refunds := s.byHandOfAStandingOrder(parts...)
			back := 0
			for _, part := range parts {
				back += part
			}
			if offers := s.offers(incident); !slices.Equal(offers, []string{"resolve refund"}) {
				t.Fatalf("offered: %v", offers)
			}
			words := fmt.Sprintf("the gateway shows %s, which makes %s back of the 49.50 USD that were captured", strings.Join(refunds, ", "),
				events.Money{Amount: int64(back), Currency: "USD"})
			if means := s.details(incident).Possible[0].Means; !strings.HasPrefix(means, words) {
				t.Errorf("the operator reads %q, want %q", means, words)
			}
			if a := s.accept(incident, "k", refunds[0]); a.status != http.StatusOK {
				t.Fatalf("%+v", a)
			}
			s.stands(id, back)
			if a := s.accept(incident, "again", refunds[0]); a.status != http.StatusConflict {
				t.Errorf("a refund that is booked: %+v", a)
			}
		})
	}
}

// Each time that somebody refunds another part there is another incident, and another decision.
func TestParts_OfAnOrderThatStandsAreAcceptedAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident, refunds := s.byHandOfAStandingOrder(500)
	if a := s.accept(incident, "first", refunds[0]); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	s.stands(id, 500)
	last := s.refundByHand(id, 4450)
	s.hasOpen(id, charge.KindReconciliation)
	if a := s.accept(s.incident(id, charge.KindReconciliation), "second", last); a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	s.stands(id, 4950)
	decisions := text(t, s.db.Pool, `
		SELECT string_agg(concat(before->>'returned', '→', after->>'returned'), ', ' ORDER BY at) FROM operator_action WHERE action = 'resolve refund'`)
	if decisions != "→500, 500→4950" {
		t.Errorf("decided: %s", decisions)
	}
}

// An order may be undone after its refunds were accepted: payment asks for what is left, if anything is.
func TestParts_OfAnOrderThatIsUndoneAfterTheyWereAccepted(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]int{"the rest is asked for": {500, 4450}, "nothing is left to ask for": {4950}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id, incident, refunds := s.byHandOfAStandingOrder(parts[0])
			if a := s.accept(incident, "k", refunds[0]); a.status != http.StatusOK {
				t.Fatalf("%+v", a)
			}
			s.stands(id, parts[0])
			var asked atomic.Int32
			s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
				if r.Method == http.MethodPost {
					asked.Add(1)
				}
				pass(w, r)
			})
			s.handle(cancelled(id))
			s.isBack(id, charge.Refunded, parts...)
			if want := len(parts) - 1; int(asked.Load()) != want {
				t.Errorf("the gateway was asked %d times, want %d", asked.Load(), want)
			}
		})
	}
}

// What is accepted is what the gateway shows, for the state that was seen, and by one of two operators.
func TestParts_OfAnOrderThatStandsAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id, incident, refunds := s.byHandOfAStandingOrder(500)
	path := "/incidents/" + incident
	for name, c := range map[string]struct {
		action string
		body   map[string]any
		status int
	}{
		"a refund that the gateway does not show": {"resolve", wants(charge.Captured, 0, "outcome", "refund", "refund_id", "re_no"), http.StatusConflict},
		"a refund without its name":               {"resolve", wants(charge.Captured, 0, "outcome", "refund"), http.StatusBadRequest},
		"another state":                           {"resolve", wants(charge.RefundRefused, 1, "outcome", "refund", "refund_id", refunds[0]), http.StatusConflict},
		"a settlement":                            {"resolve", wants(charge.Captured, 0, "outcome", "settlement", "reference", "bank 7"), http.StatusConflict},
		"a charge that is known":                  {"resolve", wants(charge.Captured, 0, "outcome", "captured"), http.StatusConflict},
		"another try":                             {"retry", wants(charge.Captured, 0), http.StatusConflict},
	} {
		if a := s.operator(http.MethodPost, path+"/"+c.action, newID(t), c.body); a.status != c.status {
			t.Errorf("%s: %+v", name, a)
		}
	}
	s.gate.wire.set(func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) })
	if a := s.accept(incident, newID(t), refunds[0]); a.status != http.StatusServiceUnavailable || len(s.offers(incident)) != 0 {
		t.Errorf("without the gateway: %+v, offered %v", a, s.offers(incident))
	}
	s.gate.wire.heal()
	answers := make(chan int)
	for n := range 8 {
		go func() { answers <- s.accept(incident, fmt.Sprint("operator-", n), refunds[0]).status }()
	}
	statuses := map[int]int{}
	for range 8 {
		statuses[<-answers]++
	}
	if statuses[http.StatusOK] != 1 || statuses[http.StatusConflict] != 7 {
		t.Errorf("8 operators at once got %v", statuses)
	}
	s.stands(id, 500)
}

// Money that came back and an order that nobody of payment knows: there is nothing to accept.
func TestParts_OfAnOrderWithoutAPaymentAreNotAccepted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	s.gate.charge(t, "k", id, 1999)
	s.hasOpen(id, charge.KindReconciliation)
	incident := s.incident(id, charge.KindReconciliation)
	if a := s.accept(incident, "k", "re_1"); a.status != http.StatusConflict || !slices.Equal(s.offers(incident), []string{"retry"}) {
		t.Errorf("%+v, offered %v", a, s.offers(incident))
	}
}
