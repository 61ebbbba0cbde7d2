package repair

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/payment/charge"
)

// What an operator may do about a payment, decided on its state and on what the gateway shows, and on nothing that
// the operator writes: money is not moved by a sentence. The one exception is a settlement, which the gateway cannot
// show.

// The actions, and the outcomes that a resolve names.
const (
	actionRetry   = "retry"
	actionResolve = "resolve"
	asCaptured    = "captured" // the charge was made after all
	asDeclined    = "declined" // it was not, and will not be
	// of a refused refund: it was made after all; of a charge over a wrong amount: refund that; of a captured charge:
	// somebody made a refund by hand, and the order stays as it is
	asRefund  = "refund"
	asSettled = "settlement" // the money was returned outside the gateway
	asSameKey = "asked"      // a retry: the gateway is asked once more, under the same key
	asNextKey = "next_key"   // a retry: under the next key, since the last one was refused for good
)

// offered is what may be asked for in a state, where the gateway shows refunds that are not booked. [possible] leaves
// out what would be refused.
func offered(p charge.Payment, refunds []charge.GatewayResponse) []adminapi.Step {
	shown := fmt.Sprintf("the gateway shows %s, which makes %s back of the %s that were captured: ", names(refunds),
		p.Money(p.Captured-p.Rest(refunds)), p.Money(p.Captured))
	switch p.State {
	case charge.Unknown:
		return []adminapi.Step{
			{Action: actionRetry, Means: "the charge is sent again under the same key, for another CHARGE_BUDGET"},
			{Action: actionResolve, Outcome: asCaptured, Means: "the charge that the gateway shows is taken for ours"},
			{Action: actionResolve, Outcome: asDeclined, Means: "the gateway shows no charge: the order is undone"},
			{Action: actionResolve, Outcome: asRefund,
				Means: "the one charge that the gateway shows, over another amount, is booked and given back"},
		}
	case charge.Refunding:
		return []adminapi.Step{{Action: actionRetry, Means: "the gateway is asked now, under the same key"}}
	case charge.RefundRefused:
		return []adminapi.Step{
			{Action: actionRetry, Means: "what is not back yet is asked for under the next key"},
			{Action: actionResolve, Outcome: asRefund, Means: shown + "that is booked as ours"},
			{Action: actionResolve, Outcome: asSettled,
				Means: "what is not back yet was returned outside the gateway; the reference of that is recorded"},
		}
	case charge.Captured:
		return []adminapi.Step{
			{Action: actionResolve, Outcome: asRefund, Means: shown + "that is accepted, and the order stays as it is"},
		}
	case charge.Settled:
		return []adminapi.Step{{Action: actionResolve, Outcome: asRefund, Means: "the gateway shows " + names(refunds) +
			" after the settlement: that is booked, and as much of the settlement is reversed, to be claimed back"}}
	default:
		return nil
	}
}

// names are the gateway's names of refunds.
func names(refunds []charge.GatewayResponse) string {
	all := make([]string, 0, len(refunds))
	for _, r := range refunds {
		all = append(all, r.ID)
	}
	return strings.Join(all, ", ")
}

// possible is what can be done about a payment now: what [decide] accepts.
func possible(p charge.Payment, found evidence) (steps []adminapi.Step) {
	refunds, _ := p.Unsettled(found.shown).NewRefunds(found.shown) // where there is an error, decide refuses
	for _, step := range offered(p, refunds) {
		c := command{Outcome: step.Outcome}
		if len(refunds) > 0 {
			c.RefundID = refunds[0].ID
		}
		if _, err := decide(p, c, found.shown, found.definite != nil); err == nil {
			steps = append(steps, step)
		}
	}
	return steps
}

// refuse is why an action would be wrong, in a sentence for the operator.
func refuse(format string, args ...any) error {
	return problem.New(http.StatusConflict, fmt.Sprintf(format, args...))
}

// plan is what an action does.
type plan struct {
	outcome string // what came of it; not always what was asked for
	change  charge.Change
}

// decide makes the plan of a command for a payment for which the gateway shows these charges. Horizon: whatever
// was sent for it has arrived by now or never will.
func decide(p charge.Payment, c command, shown []charge.GatewayResponse, horizon bool) (plan, error) {
	switch {
	case p.State == charge.Unknown && c.Outcome != "":
		return decideCharge(p, c, shown, horizon)
	case p.State == charge.Settled && c.Outcome == asRefund, p.State == charge.RefundRefused,
		p.State == charge.Captured && c.Outcome == asRefund:
		return decideRefund(p, c, shown)
	case c.Outcome == "" && (p.State == charge.Unknown || p.State == charge.Refunding):
		return plan{outcome: asSameKey}, nil
	}
	return plan{}, refuse("The payment is %s; %q is nothing that can be done about it now.", p.State, c.name())
}

func decideCharge(p charge.Payment, c command, shown []charge.GatewayResponse, horizon bool) (plan, error) {
	if c.Outcome == asDeclined {
		switch {
		case len(shown) > 0:
			return plan{}, refuse("The gateway shows %d charges for the order; it was not declined.", len(shown))
		case !horizon:
			return plan{},
				refuse("The last request may still be carried out: wait for the gateway's horizon, and do not retry meanwhile.")
		}
		return plan{asDeclined, p.After(charge.Outcome{Decision: charge.No, Reason: charge.NotCharged}, false)}, nil
	}
	if len(shown) != 1 {
		return plan{}, refuse("The gateway shows %d charges for the order; only one can be taken for ours.", len(shown))
	}
	found := shown[0]
	wrong := p.Mismatch(found, p.Amount)
	switch {
	case c.Outcome == asCaptured && wrong != "":
		return plan{}, refuse("It is not the charge that was asked for: %s.", wrong)
	case c.Outcome == asCaptured:
		return plan{asCaptured, p.After(charge.Outcome{Decision: charge.Yes, ID: found.ID}, false)}, nil
	case c.Outcome == asRefund && wrong == "":
		return plan{}, refuse("The gateway shows the charge that was asked for; cancel the order to have it given back.")
	case c.Outcome == asRefund && found.Reference == p.Reference() && found.Currency == p.Currency && found.Amount > 0:
		return decideWrongAmount(p, found)
	}
	return plan{}, refuse("The charge that the gateway shows cannot be given back from here: %s.", wrong)
}

// decideWrongAmount books what was really captured, and has it refunded as far as it is not back yet.
func decideWrongAmount(p charge.Payment, found charge.GatewayResponse) (plan, error) {
	p.ChargeID, p.Captured = found.ID, found.Amount
	refunds, err := p.NewRefunds([]charge.GatewayResponse{found})
	if err != nil {
		return plan{}, refuse("Nothing can be booked: %s.", err)
	}
	change := p.Book(refunds, charge.Refunding, cmp.Or(p.Reason, "wrong_amount"))
	change.ChargeID, change.Closes = found.ID, append(change.Closes, charge.KindChargeUndecided)
	change.Postings = append(change.Postings, charge.Posting{Kind: "charge", Reference: p.Reference(), GatewayID: found.ID,
		Amount: found.Amount, Currency: found.Currency})
	return plan{asRefund, change}, nil
}

// decideRefund decides about a refund that was refused for good, or that nobody asked for. Whatever was asked for: the
// refunds that the gateway shows are booked. When they are all of the money, that is the end of a refused one.
func decideRefund(p charge.Payment, c command, shown []charge.GatewayResponse) (plan, error) {
	refunds, err := p.Unsettled(shown).NewRefunds(shown)
	if err != nil {
		return plan{}, refuse("Nothing can be booked: %s.", err)
	}
	named := slices.ContainsFunc(refunds, func(r charge.GatewayResponse) bool { return r.ID == c.RefundID })
	switch {
	case c.Outcome == asRefund && !named:
		return plan{}, refuse("The gateway shows no refund %q of the charge that is not booked; %q cannot be recorded.",
			c.RefundID, c.Outcome)
	case p.State == charge.Captured:
		return plan{asRefund, p.Accept(refunds)}, nil
	case p.State == charge.Settled:
		return plan{asRefund, p.Reverse(shown, refunds)}, nil
	case c.Outcome == asRefund || p.Rest(refunds) == 0:
		change := p.Book(refunds, charge.RefundRefused, p.Reason)
		change.Problem = p.Problem
		return plan{asRefund, change}, nil
	case c.Outcome == "":
		change := p.Book(refunds, charge.Refunding, p.Reason)
		change.NextKey = true
		return plan{asNextKey, change}, nil
	case c.Outcome == asSettled:
		return plan{asSettled, p.Settle(refunds, asSettled+":"+c.Reference)}, nil
	}
	return plan{}, refuse("The payment is %s; %q cannot be recorded.", p.State, c.name())
}

// requireState refuses a command that was given for another state than the payment's own.
func requireState(p charge.Payment, c command) error {
	now := command{ExpectedState: p.State}
	if p.State == charge.Refunding || p.State == charge.RefundRefused {
		now.ExpectedNumber = p.RefundNumber
	}
	if c.expected() == now.expected() {
		return nil
	}
	return refuse("The payment is %s, not %s any more.", now.expected(), c.expected())
}

func (c command) expected() string {
	if c.ExpectedNumber == 0 {
		return string(c.ExpectedState)
	}
	return fmt.Sprintf("%s (refund %d)", c.ExpectedState, c.ExpectedNumber)
}
