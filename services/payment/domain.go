// Package payment takes the money for an order exactly once, and gives it back when the order is undone.
package payment

import (
	"fmt"
	"time"

	"example.com/ordersaga/pkg/events"
)

// State is how far a payment has come.
type State string

// The states and their arrows are drawn in migrations/00001_payment.sql.
const (
	Intent        State = "INTENT"         // to be charged
	Captured      State = "CAPTURED"       // the money is ours
	Declined      State = "DECLINED"       // definitely not charged
	Unknown       State = "UNKNOWN"        // a request was sent, and nobody knows what became of it
	Voided        State = "VOIDED"         // a tombstone: no call was made, none will be
	Refunding     State = "REFUNDING"      // to be given back
	Refunded      State = "REFUNDED"       // given back
	RefundRefused State = "REFUND_REFUSED" // the gateway will not give it back; a person has to
	Settled       State = "SETTLED"        // given back outside the gateway
	LateCaptured  State = "LATE_CAPTURED"  // captured although it was declined or voided; to be given back
)

// The kinds of incidents. docs/payment.md says what each means and what closes it.
const (
	kindChargeUndecided = "charge_undecided" // a charge is unknown beyond its budget
	kindRefundUndecided = "refund_undecided" // so is a refund
	kindRefundRefused   = "refund_refused"   // the gateway refused a refund for good
	kindLateCapture     = "late_capture"     // money came in that was said not to come; it is being given back
	kindReconciliation  = "reconciliation"   // our ledger and the gateway's differ in another way
)

// Payment is what is known about one charge and its refund.
type Payment struct {
	OrderID       string
	Direct        string // the client's own reference, of a payment that no saga owns
	State         State
	ChargeKey     string
	Amount        int64
	Currency      string
	PaymentMethod string
	ChargeID      string
	RefundID      string
	RefundNumber  int
	RefundAmount  int64
	CancelWanted  bool
	Reason        string
	Problem       string          // why the last answer decided nothing, or the gateway's refusal of a refund
	ChargeRequest string          // the Idempotency-Key of a direct charge
	RefundRequest string          // and of its refund
	Order         events.Snapshot // what the saga carries on; empty for a direct payment
}

// Reference is the payment's name at the gateway. An order id cannot be mistaken for a direct one.
func (p Payment) Reference() string {
	if p.Direct != "" {
		return directPrefix + p.Direct
	}
	return p.OrderID
}

const directPrefix = "direct:"

// chargeKey is the key under which the gateway charges once. It is the same for every attempt, by whatever
// process, because it is made of nothing but what is charged.
func chargeKey(reference string) string { return "charge:" + reference }

// refundKey is the key of the refund: its own, since under the charge's the gateway would only repeat
// the charge. The number is raised by an operator alone, after a definite refusal: as long as an answer
// is missing another key could give the money back twice.
func (p Payment) refundKey() string { return fmt.Sprintf("refund:%s:%d", p.ChargeID, p.RefundNumber) }

// Change is what an answer does to a payment: its next state, and what commits with it.
type Change struct {
	State        State
	ChargeID     string
	RefundID     string
	RefundAmount int64
	Reason       string
	Problem      string       // why nothing was decided, or not as it should
	Posting      Posting      // the movement of money; no Kind: none moved
	Event        events.Event // what follows for the saga; nil: nothing
	Undecided    bool         // it has to be asked again
	Opens        string       // the kind of incident that begins; empty: none
	Closes       []string     // the kinds of incidents whose state is left
}

// after decides what an answer means for the payment. Overdue says that its outcome has been unknown for
// longer than the budget allows.
func (p Payment) after(a Answer, overdue bool) Change {
	change := p.afterCharge(a, overdue)
	if p.State == Refunding {
		change = p.afterRefund(a, overdue)
	}
	if p.Direct != "" { // no saga listens, and no order could show an incident
		change.Event, change.Opens, change.Closes = nil, "", nil
	}
	return change
}

func (p Payment) afterCharge(a Answer, overdue bool) Change {
	switch a.Verdict {
	case Yes:
		change := Change{
			State: Captured, ChargeID: a.ID, Reason: p.Reason, Closes: []string{kindChargeUndecided},
			Posting: Posting{"charge", p.Reference(), a.ID, p.Amount, p.Currency},
		}
		if p.CancelWanted { // nobody is to ship this: it goes straight back, and PaymentProcessed is never said
			change.State, change.RefundAmount = Refunding, p.Amount
			return change
		}
		change.Event = events.PaymentProcessed{Snapshot: p.Order, ChargeID: a.ID}
		return change
	case No:
		return Change{
			State: Declined, Reason: a.Reason, Closes: []string{kindChargeUndecided},
			Event: events.PaymentFailed{Subject: p.subject(), Reason: a.Reason},
		}
	default:
		return Change{State: Unknown, Reason: p.Reason}.undecided(a, overdue, kindChargeUndecided)
	}
}

func (p Payment) afterRefund(a Answer, overdue bool) Change {
	switch a.Verdict {
	case Yes:
		return Change{
			State: Refunded, RefundID: a.ID, Reason: p.Reason,
			Posting: Posting{"refund", p.Reference(), a.ID, p.RefundAmount, p.Currency},
			Closes:  []string{kindRefundUndecided, kindRefundRefused, kindLateCapture},
			Event: events.PaymentRefunded{
				Subject: p.subject(), RefundID: a.ID, Reason: p.Reason,
				Amount: events.Money{Amount: p.RefundAmount, Currency: p.Currency},
			},
		}
	case No:
		return Change{
			State: RefundRefused, Reason: p.Reason, Problem: a.Reason,
			Opens: kindRefundRefused, Closes: []string{kindRefundUndecided},
		}
	default:
		return Change{State: Refunding, Reason: p.Reason}.undecided(a, overdue, kindRefundUndecided)
	}
}

// undecided leaves the payment where it is, to be asked again, and tells somebody when that lasts too long.
func (c Change) undecided(a Answer, overdue bool, kind string) Change {
	c.Undecided, c.Problem = true, a.Reason
	if overdue {
		c.Opens = kind
	}
	return c
}

func (p Payment) subject() events.Subject { return events.Subject{OrderID: p.OrderID} }

// onCancel decides what a cancel does to a payment that exists: captured money goes back, an open charge
// remembers that a cancel is wanted. It is never voided over a call that may have reached the gateway.
// Everywhere else the cancel finds nothing to do.
func onCancel(s State) (refund, remember bool) {
	return s == Captured, s == Intent || s == Unknown
}

// chargeable says why an order can never be charged; asking the gateway would not help.
func chargeable(order events.Snapshot) error {
	if order.Total.Amount <= 0 || len(order.Total.Currency) != 3 || order.PaymentMethod == "" {
		return fmt.Errorf("order of %d %q by %q cannot be charged", order.Total.Amount, order.Total.Currency,
			order.PaymentMethod)
	}
	return nil
}

// retryIn is the pause before the gateway is asked again: it doubles up to a limit, so that a gateway in
// trouble is not kept there by those who ask.
func retryIn(attempts int, first, limit time.Duration) time.Duration {
	pause := first
	for range min(attempts, 30) - 1 {
		if pause = 2 * pause; pause >= limit {
			return limit
		}
	}
	return pause
}
