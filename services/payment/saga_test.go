package payment

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/services/payment/charge"
)

// put writes a payment down as it stands in a state.
func (s *shop) put(state charge.State) (orderID string) {
	s.t.Helper()
	orderID = newID(s.t)
	order := reserved(orderID, "tok_visa").Snapshot
	columns := `order_id, state, charge_key, amount, currency, payment_method, snapshot`
	values := `$1, $2, $3, 1999, 'USD', 'tok_visa', $4`
	if captured := slices.Contains([]charge.State{charge.Captured, charge.Refunding, charge.Refunded, charge.RefundRefused, charge.Settled, charge.LateCaptured}, state); captured {
		columns, values = columns+`, charge_id, captured_amount`, values+`, 'ch_1', 1999`
		if state != charge.Captured {
			columns, values = columns+`, refund_amount, refund_id`, values+`, 1999, 're_1'`
		}
		if state == charge.Refunded || state == charge.Settled {
			columns, values = columns+`, returned_amount`, values+`, 1999`
		}
	}
	execute(s.t, s.db.Pool, fmt.Sprintf(`INSERT INTO payment (%s) VALUES (%s)`, columns, values), orderID, state, charge.Key(orderID), order)
	return orderID
}

func TestSaga_EveryEventAtEveryStateTwice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	type pair struct {
		event string
		at    charge.State
	}
	type effect struct {
		state  charge.State
		cancel bool
		answer string
	}
	const nothing charge.State = ""
	// What protocol.md lists. A pair that is not here changes nothing and answers nothing.
	protocol := map[pair]effect{
		{"InventoryReserved", nothing}:      {state: charge.Intent},
		{"ShipmentFailed", nothing}:         {state: charge.Voided, answer: "PaymentVoided"},
		{"ShipmentFailed", charge.Captured}: {state: charge.Refunding},
		{"ShipmentFailed", charge.Intent}:   {state: charge.Intent, cancel: true},
		{"ShipmentFailed", charge.Unknown}:  {state: charge.Unknown, cancel: true},
	}
	for _, state := range append([]charge.State{nothing}, allStates()...) {
		for _, name := range []string{"InventoryReserved", "ShipmentFailed"} {
			orderID := newID(t)
			if state != nothing {
				orderID = s.put(state)
			}
			event := map[string]events.Event{"InventoryReserved": reserved(orderID, "tok_visa"), "ShipmentFailed": cancelled(orderID)}[name]
			s.handle(event)
			s.handle(event) // the inbox has forgotten it: the state alone has to absorb it

			want, listed := protocol[pair{name, state}]
			if !listed {
				want.state = state
			}
			got := effect{state: s.state(orderID)}
			got.cancel = count(t, s.db.Pool, `SELECT count(*) FROM payment WHERE order_id = $1 AND cancel_wanted`, orderID) == 1
			for _, published := range s.published(orderID) {
				got.answer += published
			}
			if got != want {
				t.Errorf("%s at %q: %+v, want %+v", name, state, got, want)
			}
		}
	}
}

// The natural key guards all of the charge: another one under the order's id is the publisher's fault, and is refused.
func TestSaga_AnotherChargeUnderTheSameOrderIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	amount, currency := reserved(id, "tok_visa"), reserved(id, "tok_visa")
	amount.Total.Amount, currency.Total.Currency = 2999, "EUR"
	elsewhere, goods := reserved(id, "tok_visa"), reserved(id, "tok_visa")
	elsewhere.ShipTo.City, goods.Lines = "Elsewhere", []events.Line{{SKU: "gadget", Quantity: 1, UnitPrice: 1999}}
	for _, other := range []events.InventoryReserved{amount, currency, reserved(id, "tok_declined"), elsewhere, goods} {
		if err := s.tryHandle(other); err == nil || !strings.Contains(err.Error(), "order "+id+" was to be charged another") {
			t.Errorf("%+v: %v", other.Total, err)
		}
	}
	s.handle(reserved(id, "tok_visa"))
	voided := newID(t)
	s.handle(cancelled(voided))
	s.handle(reserved(voided, "tok_visa"), amountOf(voided, 2999)) // a tombstone knows no charge
	if state := s.state(voided); state != charge.Voided {
		t.Errorf("%s", state)
	}
}

func amountOf(orderID string, amount int64) events.InventoryReserved {
	order := reserved(orderID, "tok_visa")
	order.Total.Amount = amount
	return order
}

func TestSaga_ACancelThatComesFirstLeavesATombstoneThatIsNeverCharged(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	s.handle(cancelled(id))
	s.handle(reserved(id, "tok_visa"))
	s.work()
	other := newID(t) // when this one is through, the first would be too
	s.handle(reserved(other, "tok_visa"))
	s.becomes(other, charge.Captured)
	if charges, _ := s.gate.moved(t, id); charges != 0 || s.state(id) != charge.Voided {
		t.Errorf("%d charges, %s", charges, s.state(id))
	}
	if published := s.published(id); !slices.Equal(published, []string{"PaymentVoided"}) {
		t.Errorf("published %v", published)
	}
}

func TestSaga_BothEventsInOneBatchInEitherOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	forward, backward := newID(t), newID(t)
	s.handle(reserved(forward, "tok_visa"), cancelled(backward), cancelled(forward), reserved(backward, "tok_visa"))
	s.work()
	s.becomes(forward, charge.Refunded)
	if published := s.published(forward); !slices.Equal(published, []string{"PaymentRefunded"}) {
		t.Errorf("cancelled before the call: published %v", published)
	}
	if s.state(backward) != charge.Voided {
		t.Errorf("cancelled first: %s", s.state(backward))
	}
	s.checkLedgers()
}

// Whoever repeats an event waits for the answer, and gets it with the number of the attempt. Nothing is charged or
// refunded a second time, and no tombstone becomes a charge.
func TestSaga_ARepeatedEventIsAnsweredFromTheRow(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	want := map[charge.State]string{
		charge.Captured: "PaymentProcessed", charge.Declined: "PaymentFailed", charge.Voided: "PaymentVoided",
		charge.Refunded: "PaymentRefunded", charge.Settled: "PaymentRefunded",
	}
	for _, state := range allStates() {
		forward, backward := s.put(state), s.put(state)
		for attempt := 2; attempt <= 3; attempt++ {
			again, undoAgain := reserved(forward, "tok_visa"), cancelled(backward)
			again.Attempt, undoAgain.Attempt = attempt, attempt
			s.handle(again, undoAgain)
			s.handle(again, undoAgain) // the same once more is one fact
		}

		var list []string
		if name := want[state]; name != "" {
			list = []string{name, name}
		}
		same := func(orderID string, list []string) {
			t.Helper()
			if published := s.published(orderID); !slices.Equal(published, list) {
				t.Errorf("%s: published %v, want %v", state, published, list)
			}
			for i, event := range s.events(orderID) {
				encoded := string(mustJSON(t, event))
				if !strings.Contains(encoded, fmt.Sprintf(`"attempt":%d`, i+2)) {
					t.Errorf("%s: published %s", state, encoded)
				}
			}
		}
		same(forward, list)
		if s.state(forward) != state {
			t.Errorf("%s became %s", state, s.state(forward))
		}
		if state == charge.Captured { // what is to be refunded is at work, and published at its end
			list = nil
		}
		same(backward, list)
	}
}

func TestSaga_ARepeatedEventWithoutARowIsHandledAsTheFirst(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	asked := events.Repeat{Attempt: 3}
	unknown, voided := newID(t), newID(t)
	first, cancel := reserved(unknown, "tok_visa"), cancelled(voided)
	first.Repeat, cancel.Repeat = asked, asked
	s.handle(first, cancel)
	if event := s.events(voided)[0]; s.state(voided) != charge.Voided || event.(events.PaymentVoided).Repeat != asked {
		t.Errorf("the cancel was answered with %+v", event)
	}
	s.becomes(unknown, charge.Captured)
	s.handle(first, first)
	late := reserved(voided, "tok_visa")
	late.Repeat = asked
	s.handle(late)
	if published := s.published(voided); s.state(voided) != charge.Voided || !slices.Equal(published, []string{"PaymentVoided", "PaymentVoided"}) {
		t.Errorf("the tombstone is %s, published %v", s.state(voided), published)
	}
	if charges, _ := s.gate.moved(t, unknown); charges != 1 {
		t.Errorf("%d charges", charges)
	}
}

func TestSaga_EveryAnswerFollowsFromTheEventThatAskedForIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	paid, declined, undone := newID(t), newID(t), newID(t)
	s.handle(reserved(paid, "tok_visa"), reserved(declined, "tok_declined"), reserved(undone, "tok_visa"))
	s.becomes(paid, charge.Captured)
	s.becomes(declined, charge.Declined)
	s.becomes(undone, charge.Captured)
	s.handle(cancelled(undone))
	s.becomes(undone, charge.Refunded)

	for orderID, want := range map[string]outbox.Cause{
		paid: causeOf(reserved(paid, "")), declined: causeOf(reserved(declined, "")), undone: causeOf(cancelled(undone)),
	} {
		var envelope events.Envelope
		payload := text(t, s.db.Pool, `SELECT convert_from(payload, 'UTF8') FROM outbox WHERE key = $1 ORDER BY position DESC LIMIT 1`, orderID)
		if err := json.Unmarshal([]byte(payload), &envelope); err != nil {
			t.Fatal(err)
		}
		if got := (outbox.Cause{EventID: envelope.CausationID, TraceParent: envelope.TraceParent}); got != want {
			t.Errorf("%s follows from %+v, want %+v", envelope.Type, got, want)
		}
	}
}

func TestSaga_PaymentProcessedCarriesTheOrderOn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	order := reserved(newID(t), "tok_visa")
	s.handle(order)
	s.becomes(order.OrderID, charge.Captured)
	processed, ok := s.events(order.OrderID)[0].(events.PaymentProcessed)
	if !ok || fmt.Sprint(processed.Snapshot) != fmt.Sprint(order.Snapshot) || processed.ChargeID == "" {
		t.Errorf("%+v", s.events(order.OrderID)[0])
	}
}

func TestSaga_AnOrderThatCanNeverBeChargedIsADeadLetter(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	order := reserved(newID(t), "tok_visa")
	order.Total.Amount = -1
	err := pgx.BeginFunc(t.Context(), s.db.Pool, func(tx pgx.Tx) error {
		_, err := react(t.Context(), tx, order)
		return err
	})
	if poison := outbox.DeadLetter(err); err == nil || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", poison) {
		t.Errorf("%T %v", err, err)
	}
}

// The card's own behaviour decides what becomes of the order: at its end exactly one charge, or none.
func TestCharge_EveryTestCardComesToItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	ends := map[string]charge.State{
		"tok_visa": charge.Captured, "tok_declined": charge.Declined, "tok_insufficient_funds": charge.Declined, "tok_fraud": charge.Declined,
		"tok_lost_response": charge.Captured, "tok_error_after_charge": charge.Captured, "tok_hang_after_charge": charge.Captured,
		"tok_malformed_answer": charge.Captured, "tok_reset_mid_answer": charge.Captured, "tok_rate_limited": charge.Captured,
		"tok_in_progress": charge.Captured, "tok_error_before_charge": charge.Captured, "tok_slow": charge.Captured, "tok_settles_late": charge.Captured,
	}
	orders := map[string]string{}
	for card := range ends {
		orders[card] = newID(t)
		s.handle(reserved(orders[card], card))
	}
	for card, end := range ends {
		s.becomes(orders[card], end)
		want := map[charge.State]string{charge.Captured: "PaymentProcessed", charge.Declined: "PaymentFailed"}[end]
		if published := s.published(orders[card]); !slices.Equal(published, []string{want}) {
			t.Errorf("%s: published %v", card, published)
		}
	}
	for card, end := range ends {
		charges, _ := s.gate.moved(t, orders[card])
		if captured := end == charge.Captured; charges != map[bool]int{true: 1}[captured] {
			t.Errorf("%s: %d charges, %s", card, charges, end)
		}
	}
	s.checkLedgers()
}

func TestRefund_EveryTestCardComesToItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	ends := map[string]charge.State{
		"tok_visa": charge.Refunded, "tok_refund_fails_twice": charge.Refunded, "tok_refund_lost_response": charge.Refunded,
		"tok_refund_hangs": charge.Refunded, "tok_refund_refused": charge.RefundRefused,
	}
	orders := map[string]string{}
	for card := range ends {
		orders[card] = newID(t)
		s.handle(reserved(orders[card], card))
	}
	for card := range ends {
		s.becomes(orders[card], charge.Captured)
		s.handle(cancelled(orders[card]))
	}
	for card, end := range ends {
		s.becomes(orders[card], end)
		want := []string{"PaymentProcessed", "PaymentRefunded"}
		refunds, open := 1, 0
		if end == charge.RefundRefused { // no event that lets the stock go
			want, refunds, open = []string{"PaymentProcessed", "IncidentOpened"}, 0, 1
		}
		if published := s.published(orders[card]); !slices.Equal(published, want) {
			t.Errorf("%s: published %v", card, published)
		}
		if _, got := s.gate.moved(t, orders[card]); got != refunds {
			t.Errorf("%s: %d refunds", card, got)
		}
		if kinds := s.openIncidents(orders[card]); len(kinds) != open {
			t.Errorf("%s: open incidents %v", card, kinds)
		}
	}
	s.checkLedgers()
}
