// Package charge charges cards and refunds them, each exactly once. A worker claims a payment, calls the gateway
// outside of any transaction, and stores what the answer means.
package charge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// State is how far a payment has come.
type State string

// The states and their arrows are drawn in migrations/00001_payment.sql.
const (
	Intent        State = "INTENT"         // to be charged
	Captured      State = "CAPTURED"       // the money is ours
	Declined      State = "DECLINED"       // definitely not charged
	Unknown       State = "UNKNOWN"        // a request was sent, and its outcome is not known
	Voided        State = "VOIDED"         // a tombstone: no call was made, none will be
	Refunding     State = "REFUNDING"      // to be refunded
	Refunded      State = "REFUNDED"       // the money is back
	RefundRefused State = "REFUND_REFUSED" // the gateway refused the refund for good; a person has to act
	Settled       State = "SETTLED"        // the money is back, outside the gateway
	LateCaptured  State = "LATE_CAPTURED"  // captured although it was declined or voided; to be refunded
)

// Open reports whether the gateway has to be called.
func (s State) Open() bool { return s == Intent || s == Unknown || s == LateCaptured || s == Refunding }

// The kinds of incidents. docs/payment.md has what each means and what closes it.
const (
	KindChargeUndecided = "charge_undecided" // a charge is unknown beyond its budget
	KindRefundUndecided = "refund_undecided" // so is a refund
	KindRefundRefused   = "refund_refused"   // the gateway refused a refund for good
	KindLateCapture     = "late_capture"     // money came in after PaymentFailed or PaymentVoided; it is being refunded
	KindReconciliation  = "reconciliation"   // our ledger and the gateway's differ in another way
)

// NotCharged is the reason of a charge that was declined by nobody and never made.
const NotCharged = "not_charged"

// InvalidRequest is the reason of a charge, or the problem of a refund, that the gateway refused to carry out.
const InvalidRequest = "invalid_request"

// Payment is one charge and its refund: a row of the table. Amounts are in minor units of the currency.
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
	RefundAmount  int64    // what the gateway is asked to return under the refund's key
	Captured      int64    // what the gateway captured
	Returned      int64    // what is back of it, by however many refunds and a settlement
	Booked        []string // the gateway's names of the refunds that are in our ledger
	CancelWanted  bool
	Reason        string          // why it was declined, or the order cancelled
	ReturnedBy    string          // how the money came back: "refund" or "settlement"
	Problem       string          // why the last answer decided nothing, or the gateway's refusal of a refund
	ChargeRequest string          // the Idempotency-Key of a direct charge
	RefundRequest string          // and of its refund
	Order         events.Snapshot // what PaymentProcessed carries on; empty for a direct payment
	Cause         outbox.Cause    // what an event about the payment follows from
	Attempts      int
	NextAttemptAt time.Time
	UnknownSince  *time.Time
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Reference is the payment's name at the gateway. An order id cannot be mistaken for a direct one.
func (p Payment) Reference() string {
	if p.Direct != "" {
		return DirectPrefix + p.Direct
	}
	return p.OrderID
}

// DirectPrefix begins the merchant reference of a direct payment.
const DirectPrefix = "direct:"

// ParseReference reads a merchant reference: an order's id, or a direct payment's own reference, or neither.
func ParseReference(reference string) (order *uuid.UUID, direct string) {
	if direct, ok := strings.CutPrefix(reference, DirectPrefix); ok {
		return nil, direct
	}
	if id, err := uuid.Parse(reference); err == nil {
		return &id, ""
	}
	return nil, ""
}

// Key is the key under which the gateway charges once. It is the same for every attempt, by whatever process,
// because it is made of nothing but what is charged.
func Key(reference string) string { return "charge:" + reference }

// refundKey is the key of the refund: its own, since under the charge's the gateway would only repeat
// the charge. The number is raised by a person or a direct client alone, after a definite answer: as long as one
// is missing another key could refund twice.
func (p Payment) refundKey() string { return fmt.Sprintf("refund:%s:%d", p.ChargeID, p.RefundNumber) }

// Money is a sum in the payment's currency.
func (p Payment) Money(amount int64) events.Money {
	return events.Money{Amount: amount, Currency: p.Currency}
}

// Posting is one movement of money, as it is written to the ledger.
type Posting struct {
	Kind      string // "charge", "refund" or "settlement"
	Reference string
	GatewayID string // none of a settlement
	Amount    int64  // in minor units
	Currency  string
}

// accounts are the two sides of a posting: what arrives at one account has left the other, so that they sum
// to zero by construction. The database checks it all the same. The picture is in migrations/00002_ledger.sql.
func (p Posting) accounts() (to, from string) {
	switch p.Kind {
	case "refund":
		return "customers", "gateway"
	case "settlement":
		return "customers", "manual_settlement"
	}
	return "gateway", "customers"
}

// Change is what an outcome does to a payment: its next state, and what commits with it.
type Change struct {
	State        State
	ChargeID     string
	RefundID     string
	RefundAmount int64
	Reason       string
	ReturnedBy   string
	Problem      string       // why nothing was decided, or not as it should
	Postings     []Posting    // the movements of money
	Event        events.Event // what follows for the saga; nil: nothing
	Undecided    bool         // the gateway has to be asked once more
	NextKey      bool         // and that under the next key of the refund
	Opens        string       // the kind of incident that begins; empty: none
	Closes       []string     // the kinds of incidents whose state is left
}

// After decides what an outcome means for the payment. Overdue: it has been unknown for longer than the budget
// allows.
func (p Payment) After(o Outcome, overdue bool) Change {
	change := p.afterCharge(o, overdue)
	if p.State == Refunding {
		change = p.afterRefund(o, overdue)
	}
	if p.Direct != "" { // no saga consumes its events, and no order could show an incident
		change.Event, change.Opens, change.Closes = nil, "", nil
	}
	return change
}

func (p Payment) afterCharge(o Outcome, overdue bool) Change {
	switch o.Decision {
	case Yes:
		change := Change{
			State: Captured, ChargeID: o.ID, Reason: p.Reason, Closes: []string{KindChargeUndecided},
			Postings: []Posting{{"charge", p.Reference(), o.ID, p.Amount, p.Currency}},
		}
		if p.CancelWanted { // nobody is to ship this: it is refunded, and PaymentProcessed is never published
			change.State, change.RefundAmount = Refunding, p.Amount
			return change
		}
		change.Event = events.PaymentProcessed{Snapshot: p.Order, ChargeID: o.ID}
		return change
	case No:
		return Change{
			State: Declined, Reason: o.Reason, Closes: []string{KindChargeUndecided},
			Event: events.PaymentFailed{Subject: p.Subject(), Reason: o.Reason},
		}
	default:
		return Change{State: Unknown, Reason: p.Reason}.undecided(o, overdue, KindChargeUndecided)
	}
}

func (p Payment) afterRefund(o Outcome, overdue bool) Change {
	switch o.Decision {
	case Yes:
		return p.Book(o.Refunds, Refunded, p.Reason)
	case No:
		change := p.Book(o.Refunds, RefundRefused, p.Reason)
		change.Problem = o.Reason
		if change.State == RefundRefused {
			change.Opens, change.Closes = KindRefundRefused, []string{KindRefundUndecided}
		}
		return change
	default:
		return Change{State: Refunding, Reason: p.Reason}.undecided(o, overdue, KindRefundUndecided)
	}
}

// Rest is what is still to be returned beyond these refunds, which our ledger does not show yet.
func (p Payment) Rest(found []GatewayResponse) int64 {
	rest := p.Captured - p.Returned
	for _, refund := range found {
		rest -= refund.Amount
	}
	return rest
}

// Book books refunds one by one. When all that was captured is back the payment has ended; otherwise it is in the next
// state, and an order's has the rest to be asked for.
func (p Payment) Book(found []GatewayResponse, next State, reason string) Change {
	change := Change{State: next, Reason: reason, RefundID: p.RefundID, RefundAmount: p.RefundAmount}
	for _, refund := range found {
		change.RefundID, change.ReturnedBy = refund.ID, "refund"
		change.Postings = append(change.Postings,
			Posting{"refund", p.Reference(), refund.ID, refund.Amount, p.Currency})
	}
	switch rest := p.Rest(found); {
	case rest == 0:
		change.State = Refunded
		return p.ended(change)
	case p.Direct == "":
		change.RefundAmount = rest
	}
	return change
}

// Accept books refunds that were made by hand and undo nothing: the payment stands, whatever is left of it.
func (p Payment) Accept(found []GatewayResponse) Change {
	change := p.Book(found, Captured, p.Reason)
	change.State, change.RefundAmount, change.Event, change.Closes = Captured, p.RefundAmount, nil, nil
	return change
}

// Settle books refunds, and of the rest that it was returned outside the gateway.
func (p Payment) Settle(found []GatewayResponse, refundID string) Change {
	change := p.Book(found, Settled, p.Reason)
	change.RefundID, change.ReturnedBy = refundID, "settlement"
	change.Postings = append(change.Postings, Posting{"settlement", p.Reference(), "", p.Rest(found), p.Currency})
	return p.ended(change)
}

// Unsettled is a settled payment without its settlement, where the gateway shows these charges: what it has given back
// since was paid back twice. Any other payment is itself.
func (p Payment) Unsettled(shown []GatewayResponse) Payment {
	if p.State != Settled {
		return p
	}
	p.Returned = 0
	for _, c := range shown {
		for _, refund := range c.Refunds {
			if c.ID == p.ChargeID && slices.Contains(p.Booked, refund.ID) {
				p.Returned += refund.Amount
			}
		}
	}
	return p
}

// Reverse books refunds that were made after a settlement, and reverses as much of that. Nothing follows for the saga.
func (p Payment) Reverse(shown, found []GatewayResponse) Change {
	change := p.Unsettled(shown).Book(found, Settled, p.Reason)
	change.Event, change.Closes, change.RefundAmount = nil, nil, p.RefundAmount
	if change.State == Settled {
		change.RefundID, change.ReturnedBy = p.RefundID, p.ReturnedBy
	}
	var sum int64
	for _, refund := range found {
		sum += refund.Amount
	}
	change.Postings = append(change.Postings, Posting{"settlement", p.Reference(), "", -sum, p.Currency})
	return change
}

// ended is the end of a payment whose money is back, all of it.
func (p Payment) ended(change Change) Change {
	change.Closes = []string{KindRefundUndecided, KindRefundRefused, KindLateCapture}
	if p.Direct == "" {
		change.Event = events.PaymentRefunded{
			Subject: p.Subject(), RefundID: change.RefundID, Reason: change.Reason,
			Amount: p.Money(p.Captured),
		}
	}
	return change
}

// undecided leaves the payment where it is, to be asked about once more, and opens an incident when that
// lasts too long.
func (c Change) undecided(o Outcome, overdue bool, kind string) Change {
	c.Undecided, c.Problem = true, o.Reason
	if overdue {
		c.Opens = kind
	}
	return c
}

// Subject is what an event about the payment is about.
func (p Payment) Subject() events.Subject { return events.Subject{OrderID: p.OrderID} }

// retryIn is the pause before the gateway is asked once more: it doubles up to a limit, so that a gateway in
// trouble is not kept there by its callers.
func retryIn(attempts int, first, limit time.Duration) time.Duration {
	pause := first
	for range min(attempts, 30) - 1 {
		if pause = 2 * pause; pause >= limit {
			return limit
		}
	}
	return pause
}
