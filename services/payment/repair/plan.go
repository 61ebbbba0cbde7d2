package repair

import (
	"cmp"
	"fmt"
	"net/http"

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
	// of a refused refund: it was made after all; of a charge over a wrong amount: refund that
	asRefund   = "refund"
	asSettled  = "settlement" // the money was returned outside the gateway
	asSameKey  = "asked"      // a retry: the gateway is asked once more, under the same key
	asNextKey  = "next_key"   // a retry: under the next key, since the last one was refused for good
	settlement = "manual_settlement"
)

// possible is what can be done about a payment in a state.
func possible(s charge.State) []adminapi.Step {
	switch s {
	case charge.Unknown:
		return []adminapi.Step{
			{Action: actionRetry, Means: "the charge is sent again under the same key, for another CHARGE_BUDGET"},
			{Action: actionResolve, Outcome: asCaptured, Means: "the charge that the gateway shows is taken for ours"},
			{Action: actionResolve, Outcome: asDeclined,
				Means: "behind the horizon, when the gateway shows no charge: the order is undone"},
			{Action: actionResolve, Outcome: asRefund,
				Means: "the one charge that the gateway shows, over another amount, is booked and given back"},
		}
	case charge.Refunding:
		return []adminapi.Step{{Action: actionRetry, Means: "the gateway is asked now, under the same key"}}
	case charge.RefundRefused:
		return []adminapi.Step{
			{Action: actionRetry, Means: "the refund is asked for under the next key, when the gateway shows none"},
			{Action: actionResolve, Outcome: asRefund,
				Means: "the refund_id that the gateway's look-up confirms is taken for ours"},
			{Action: actionResolve, Outcome: asSettled,
				Means: "when the gateway shows no refund: the reference of a settlement outside it is recorded"},
		}
	default:
		return nil
	}
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
	case p.State == charge.RefundRefused:
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
	case c.Outcome == asRefund && found.Reference == p.Reference() && found.Currency == p.Currency &&
		found.Amount > 0 && len(found.Refunds) == 0: // what was really captured is booked, and refunded
		return plan{asRefund, charge.Change{
			State: charge.Refunding, ChargeID: found.ID, RefundAmount: found.Amount,
			Reason: cmp.Or(p.Reason, "wrong_amount"),
			Posting: charge.Posting{Kind: "charge", Reference: p.Reference(), GatewayID: found.ID, Amount: found.Amount,
				Currency: found.Currency},
			Closes: []string{charge.KindChargeUndecided},
		}}, nil
	}
	return plan{}, refuse("The charge that the gateway shows cannot be given back from here: %s.", wrong)
}

// decideRefund decides about a refund that was refused for good. Whatever was asked for: a refund that the gateway
// shows all the same is the end of it.
func decideRefund(p charge.Payment, c command, shown []charge.GatewayResponse) (plan, error) {
	refund, err := refundOf(p, shown)
	if err != nil {
		return plan{}, err
	}
	switch {
	case refund != "" && c.Outcome == asRefund && c.RefundID != refund:
		return plan{}, refuse("The gateway shows the refund %s, not the one that you name.", refund)
	case refund != "":
		return plan{asRefund, p.Returned(charge.Refunded, "refund", refund, p.Reason)}, nil
	case c.Outcome == "":
		return plan{outcome: asNextKey}, nil
	case c.Outcome == asSettled:
		return plan{asSettled, p.Returned(charge.Settled, asSettled, asSettled+":"+c.Reference, settlement)}, nil
	}
	return plan{}, refuse("The gateway shows no refund of the charge; %q cannot be recorded.", c.Outcome)
}

// refundOf is the refund of the payment that the gateway shows, if it shows one. Anything that is not all of it, or
// nothing, is no ground to move money on.
func refundOf(p charge.Payment, shown []charge.GatewayResponse) (string, error) {
	for _, found := range shown {
		if found.ID != p.ChargeID {
			continue
		}
		switch len(found.Refunds) {
		case 0:
			return "", nil
		case 1:
			if wrong := p.Mismatch(found.Refunds[0], p.RefundAmount); wrong != "" {
				return "", refuse("The gateway shows another refund of the charge: %s.", wrong)
			}
			return found.Refunds[0].ID, nil
		}
		return "", refuse("The gateway shows %d refunds of the charge.", len(found.Refunds))
	}
	return "", refuse("The gateway does not show the charge %s.", p.ChargeID)
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
