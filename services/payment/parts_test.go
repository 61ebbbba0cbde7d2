package payment

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
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
