package charge

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"example.com/ordersaga/pkg/events"
)

func TestPayment_AfterEachOutcome(t *testing.T) {
	t.Parallel()
	order := events.Snapshot{OrderID: "019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42", CustomerID: "ada"}
	about := events.Subject{OrderID: order.OrderID}
	charged := Posting{"charge", order.OrderID, "ch_1", 1999, "USD"}
	refund := Posting{"refund", order.OrderID, "re_1", 1999, "USD"}
	refunded := events.PaymentRefunded{Subject: about, RefundID: "re_1", Reason: "cancelled", Amount: events.Money{Amount: 1999, Currency: "USD"}}
	yes := func(id string) Outcome { return Outcome{Decision: Yes, ID: id} }
	back := func(amounts ...int64) Outcome {
		o := Outcome{Decision: Yes}
		for i, amount := range amounts {
			o.Refunds = append(o.Refunds, GatewayResponse{ID: fmt.Sprint("re_", i+1), Amount: amount})
		}
		return o
	}
	no := func(code string) Outcome { return Outcome{Decision: No, Reason: code} }
	unknown := Outcome{Reason: "the gateway answered 500"}
	afterRefund := []string{KindRefundUndecided, KindRefundRefused, KindLateCapture}

	tests := []struct {
		sentence string
		payment  Payment
		outcome  Outcome
		overdue  bool
		want     Change
	}{
		{"a charge is captured, and shipping consumes that",
			Payment{State: Intent}, yes("ch_1"), false,
			Change{State: Captured, ChargeID: "ch_1", Postings: []Posting{charged}, Closes: []string{KindChargeUndecided}, Event: events.PaymentProcessed{Snapshot: order, ChargeID: "ch_1"}}},
		{"a charge that was unknown turns out to be captured",
			Payment{State: Unknown}, yes("ch_1"), true,
			Change{State: Captured, ChargeID: "ch_1", Postings: []Posting{charged}, Closes: []string{KindChargeUndecided}, Event: events.PaymentProcessed{Snapshot: order, ChargeID: "ch_1"}}},
		{"a charge is captured after a cancel: it is refunded, and nobody ships",
			Payment{State: Intent, CancelWanted: true, Reason: "cancelled"}, yes("ch_1"), false,
			Change{State: Refunding, ChargeID: "ch_1", RefundAmount: 1999, Reason: "cancelled", Postings: []Posting{charged}, Closes: []string{KindChargeUndecided}}},
		{"a card is declined, and inventory consumes that",
			Payment{State: Intent}, no("card_declined"), false,
			Change{State: Declined, Reason: "card_declined", Closes: []string{KindChargeUndecided}, Event: events.PaymentFailed{Subject: about, Reason: "card_declined"}}},
		{"a card is declined after a cancel: that is the same",
			Payment{State: Unknown, CancelWanted: true, Reason: "cancelled"}, no("card_declined"), false,
			Change{State: Declined, Reason: "card_declined", Closes: []string{KindChargeUndecided}, Event: events.PaymentFailed{Subject: about, Reason: "card_declined"}}},
		{"an answer is missing: nothing is published, and it is asked once more",
			Payment{State: Intent}, unknown, false,
			Change{State: Unknown, Problem: unknown.Reason, Undecided: true}},
		{"an answer is missing for too long: an incident is opened, and it is asked once more",
			Payment{State: Unknown}, unknown, true,
			Change{State: Unknown, Problem: unknown.Reason, Undecided: true, Opens: KindChargeUndecided}},
		{"a cancel wanted is not forgotten while the answer is missing",
			Payment{State: Unknown, CancelWanted: true, Reason: "cancelled"}, unknown, false,
			Change{State: Unknown, Reason: "cancelled", Problem: unknown.Reason, Undecided: true}},
		{"money is refunded",
			Payment{State: Refunding, ChargeID: "ch_1", RefundAmount: 1999, Reason: "cancelled"}, back(1999), false,
			Change{State: Refunded, RefundID: "re_1", Reason: "cancelled", ReturnedBy: "refund", Postings: []Posting{refund}, RefundAmount: 1999, Closes: afterRefund, Event: refunded}},
		{"a refund is refused for good: a person has to help, and no stock is let go",
			Payment{State: Refunding, ChargeID: "ch_1", RefundAmount: 1999, Reason: "cancelled"}, no("refund_refused"), false,
			Change{State: RefundRefused, Reason: "cancelled", Problem: "refund_refused", RefundAmount: 1999, Opens: KindRefundRefused, Closes: []string{KindRefundUndecided}}},
		{"a refund's answer is missing",
			Payment{State: Refunding, ChargeID: "ch_1", RefundAmount: 1999, Reason: "cancelled"}, unknown, false,
			Change{State: Refunding, Reason: "cancelled", Problem: unknown.Reason, Undecided: true}},
		{"a refund's answer is missing for too long",
			Payment{State: Refunding, ChargeID: "ch_1", RefundAmount: 1999, Reason: "cancelled"}, unknown, true,
			Change{State: Refunding, Reason: "cancelled", Problem: unknown.Reason, Undecided: true, Opens: KindRefundUndecided}},
	}
	for _, test := range tests {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			p := test.payment
			p.OrderID, p.Amount, p.Currency, p.Order = order.OrderID, 1999, "USD", order
			if p.ChargeID != "" {
				p.Captured = 1999
			}
			if got := p.After(test.outcome, test.overdue); !reflect.DeepEqual(got, test.want) {
				t.Errorf("\n got %+v\nwant %+v", got, test.want)
			}
			p.Direct = "invoice-1"
			direct := p.After(test.outcome, test.overdue)
			if direct.Event != nil || direct.Opens != "" || direct.Closes != nil {
				t.Errorf("a direct payment takes part in a saga: %+v", direct)
			}
			if direct.State != test.want.State || slices.ContainsFunc(direct.Postings, func(p Posting) bool { return p.Reference != "direct:invoice-1" }) {
				t.Errorf("a direct payment goes another way: %+v", direct)
			}
		})
	}
}

func TestKeys_AreMadeOfWhatIsPaidAndNothingElse(t *testing.T) {
	t.Parallel()
	p := Payment{OrderID: "019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42", ChargeID: "ch_1", RefundNumber: 1}
	if got := Key(p.Reference()); got != "charge:019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42" {
		t.Errorf("charge key %q", got)
	}
	first := p.refundKey()
	p.RefundNumber = 2
	if second := p.refundKey(); first != "refund:ch_1:1" || second != "refund:ch_1:2" {
		t.Errorf("refund keys %q, %q", first, second)
	}
	p.Direct = p.OrderID // a direct payment may be called like an order
	if got := Key(p.Reference()); got != "charge:direct:019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42" {
		t.Errorf("direct charge key %q", got)
	}
}

func TestRetry_ThePauseDoublesUpToItsLimit(t *testing.T) {
	t.Parallel()
	for attempts, seconds := range []int{1, 1, 2, 4, 8, 10, 10} {
		want := time.Duration(seconds) * time.Second
		if got := retryIn(attempts, time.Second, 10*time.Second); got != want {
			t.Errorf("after %d attempts: %v, want %v", attempts, got, want)
		}
	}
	if got := retryIn(1_000_000, time.Second, time.Minute); got != time.Minute {
		t.Errorf("after a million attempts: %v", got)
	}
}
