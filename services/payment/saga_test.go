package payment

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// put writes a payment down as it stands in a state.
func (s *shop) put(state State) (orderID string) {
	s.t.Helper()
	orderID = newID(s.t)
	order := reserved(orderID, "tok_visa").Snapshot
	columns := `order_id, state, charge_key, amount, currency, payment_method, snapshot`
	values := `$1, $2, $3, 1999, 'USD', 'tok_visa', $4`
	if captured := slices.Contains([]State{Captured, Refunding, Refunded, RefundRefused, Settled, LateCaptured}, state); captured {
		columns, values = columns+`, charge_id`, values+`, 'ch_1'`
		if state != Captured {
			columns, values = columns+`, refund_amount, refund_id`, values+`, 1999, 're_1'`
		}
	}
	execute(s.t, s.db.Pool, fmt.Sprintf(`INSERT INTO payment (%s) VALUES (%s)`, columns, values), orderID, state, chargeKey(orderID), order)
	return orderID
}

func TestEveryEventAtEveryStateTwice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	type pair struct {
		event string
		at    State
	}
	type effect struct {
		state  State
		cancel bool
		says   string
	}
	const nothing State = ""
	// What protocol.md lists. A pair that is not here changes nothing and answers nothing.
	protocol := map[pair]effect{
		{"InventoryReserved", nothing}: {state: Intent},
		{"ShipmentFailed", nothing}:    {state: Voided, says: "PaymentVoided"},
		{"ShipmentFailed", Captured}:   {state: Refunding},
		{"ShipmentFailed", Intent}:     {state: Intent, cancel: true},
		{"ShipmentFailed", Unknown}:    {state: Unknown, cancel: true},
	}
	for _, state := range append([]State{nothing}, allStates()...) {
		for _, name := range []string{"InventoryReserved", "ShipmentFailed"} {
			orderID := newID(t)
			if state != nothing {
				orderID = s.put(state)
			}
			event := map[string]events.Event{"InventoryReserved": reserved(orderID, "tok_visa"), "ShipmentFailed": cancelled(orderID)}[name]
			s.hear(event)
			s.hear(event) // the inbox has forgotten it: the state alone has to absorb it

			want, listed := protocol[pair{name, state}]
			if !listed {
				want.state = state
			}
			got := effect{state: s.state(orderID)}
			got.cancel = count(t, s.db.Pool, `SELECT count(*) FROM payment WHERE order_id = $1 AND cancel_wanted`, orderID) == 1
			for _, said := range s.said(orderID) {
				got.says += said
			}
			if got != want {
				t.Errorf("%s at %q: %+v, want %+v", name, state, got, want)
			}
		}
	}
}

func TestACancelThatComesFirstLeavesATombstoneThatIsNeverCharged(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	s.hear(cancelled(id))
	s.hear(reserved(id, "tok_visa"))
	s.work()
	other := newID(t) // when this one is through, the first would be too
	s.hear(reserved(other, "tok_visa"))
	s.becomes(other, Captured)
	if charges, _ := s.gate.moved(t, id); charges != 0 || s.state(id) != Voided {
		t.Errorf("%d charges, %s", charges, s.state(id))
	}
	if said := s.said(id); !slices.Equal(said, []string{"PaymentVoided"}) {
		t.Errorf("said %v", said)
	}
}

func TestBothEventsInOneBatchInEitherOrder(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	forward, backward := newID(t), newID(t)
	s.hear(reserved(forward, "tok_visa"), cancelled(backward), cancelled(forward), reserved(backward, "tok_visa"))
	s.work()
	s.becomes(forward, Refunded)
	if said := s.said(forward); !slices.Equal(said, []string{"PaymentRefunded"}) {
		t.Errorf("cancelled before the call: said %v", said)
	}
	if s.state(backward) != Voided {
		t.Errorf("cancelled first: %s", s.state(backward))
	}
	s.checkBooks()
}

func TestEveryAnswerFollowsFromTheEventThatAskedForIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	paid, declined, undone := newID(t), newID(t), newID(t)
	s.hear(reserved(paid, "tok_visa"), reserved(declined, "tok_declined"), reserved(undone, "tok_visa"))
	s.becomes(paid, Captured)
	s.becomes(declined, Declined)
	s.becomes(undone, Captured)
	s.hear(cancelled(undone))
	s.becomes(undone, Refunded)

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

func TestPaymentProcessedCarriesTheOrderOn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	order := reserved(newID(t), "tok_visa")
	s.hear(order)
	s.becomes(order.OrderID, Captured)
	processed, ok := s.told(order.OrderID)[0].(events.PaymentProcessed)
	if !ok || fmt.Sprint(processed.Snapshot) != fmt.Sprint(order.Snapshot) || processed.ChargeID == "" {
		t.Errorf("%+v", s.told(order.OrderID)[0])
	}
}

func TestAnOrderThatCanNeverBeChargedIsPoison(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	order := reserved(newID(t), "tok_visa")
	order.Total.Amount = -1
	err := pgx.BeginFunc(t.Context(), s.db.Pool, func(tx pgx.Tx) error {
		_, err := intend(t.Context(), tx, order)
		return err
	})
	if poison := outbox.DeadLetter(err); err == nil || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", poison) {
		t.Errorf("%T %v", err, err)
	}
}

// The card's own behaviour decides what becomes of the order: at its end exactly one charge, or none.
func TestEveryTestCardComesToItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	ends := map[string]State{
		"tok_visa": Captured, "tok_declined": Declined, "tok_insufficient_funds": Declined, "tok_fraud": Declined,
		"tok_lost_response": Captured, "tok_error_after_charge": Captured, "tok_hang_after_charge": Captured,
		"tok_malformed_answer": Captured, "tok_reset_mid_answer": Captured, "tok_rate_limited": Captured,
		"tok_in_progress": Captured, "tok_error_before_charge": Captured, "tok_slow": Captured, "tok_settles_late": Captured,
	}
	orders := map[string]string{}
	for card := range ends {
		orders[card] = newID(t)
		s.hear(reserved(orders[card], card))
	}
	for card, end := range ends {
		s.becomes(orders[card], end)
		want := map[State]string{Captured: "PaymentProcessed", Declined: "PaymentFailed"}[end]
		if said := s.said(orders[card]); !slices.Equal(said, []string{want}) {
			t.Errorf("%s: said %v", card, said)
		}
	}
	for card, end := range ends {
		charges, _ := s.gate.moved(t, orders[card])
		if captured := end == Captured; charges != map[bool]int{true: 1}[captured] {
			t.Errorf("%s: %d charges, %s", card, charges, end)
		}
	}
	s.checkBooks()
}

func TestEveryRefundCardComesToItsEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	ends := map[string]State{
		"tok_visa": Refunded, "tok_refund_fails_twice": Refunded, "tok_refund_lost_response": Refunded,
		"tok_refund_hangs": Refunded, "tok_refund_refused": RefundRefused,
	}
	orders := map[string]string{}
	for card := range ends {
		orders[card] = newID(t)
		s.hear(reserved(orders[card], card))
	}
	for card := range ends {
		s.becomes(orders[card], Captured)
		s.hear(cancelled(orders[card]))
	}
	for card, end := range ends {
		s.becomes(orders[card], end)
		want := []string{"PaymentProcessed", "PaymentRefunded"}
		refunds, open := 1, 0
		if end == RefundRefused { // no event that lets the stock go
			want, refunds, open = []string{"PaymentProcessed", "IncidentOpened"}, 0, 1
		}
		if said := s.said(orders[card]); !slices.Equal(said, want) {
			t.Errorf("%s: said %v", card, said)
		}
		if _, got := s.gate.moved(t, orders[card]); got != refunds {
			t.Errorf("%s: %d refunds", card, got)
		}
		if kinds := s.openIncidents(orders[card]); len(kinds) != open {
			t.Errorf("%s: open incidents %v", card, kinds)
		}
	}
	s.checkBooks()
}
