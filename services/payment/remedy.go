package payment

import (
	"fmt"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
)

// What an operator may do about a payment, decided on its state and on what the gateway shows, and on nothing that
// the operator says: money is not moved by a sentence. The one exception is a settlement, which the gateway cannot
// show.

// The actions, and the outcomes that a resolve names.
const (
	retryIt    = "retry"
	resolveIt  = "resolve"
	asCaptured = "captured" // the charge was made after all
	asDeclined = "declined" // it was not, and will not be
	// of a refused refund: it was made after all; of a charge over a wrong amount: give that back
	asRefund    = "refund"
	asSettled   = "settlement" // the money was given back outside the gateway
	asTriedOnce = "asked"      // a retry: the gateway is asked again, under the same key
	asNextKey   = "next_key"   // a retry: under the next key, since the last one was refused for good
)

// manualSettlement is the reason of a PaymentRefunded that no refund of the gateway stands behind.
const manualSettlement = "manual_settlement"

// settledAs is the payment's refund id where the money came back by another way.
func settledAs(reference string) string { return "settlement:" + reference }

// possible is what can be done about a payment in a state.
func possible(s State) []adminapi.Step {
	switch s {
	case Unknown:
		return []adminapi.Step{
			{Action: retryIt, Means: "the charge is sent again under the same key, for another CHARGE_BUDGET"},
			{Action: resolveIt, Outcome: asCaptured, Means: "the charge that the gateway shows is taken for ours"},
			{Action: resolveIt, Outcome: asDeclined,
				Means: "behind the horizon, when the gateway shows no charge: the order is undone"},
			{Action: resolveIt, Outcome: asRefund,
				Means: "the one charge that the gateway shows, over another amount, is booked and given back"},
		}
	case Refunding:
		return []adminapi.Step{{Action: retryIt, Means: "the gateway is asked now, under the same key"}}
	case RefundRefused:
		return []adminapi.Step{
			{Action: retryIt, Means: "the refund is asked for under the next key, when the gateway shows none"},
			{Action: resolveIt, Outcome: asRefund, Means: "the refund_id that the gateway's look-up confirms is taken for ours"},
			{Action: resolveIt, Outcome: asSettled,
				Means: "when the gateway shows no refund: the reference of a settlement outside it is recorded"},
		}
	case Intent, Captured, Declined, Voided, Refunded, Settled, LateCaptured:
	}
	return nil
}

// refused is why an action would be wrong, in a sentence for the operator.
type refused string

func (r refused) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refused(fmt.Sprintf(format, args...)) }

// remedy is what an action does.
type remedy struct {
	outcome string // what came of it; not always what was wanted
	change  Change // for retries, only its state counts
}

// repair decides what a wish does to a payment for which the gateway shows these charges. Horizon says that whatever
// was sent for it has arrived by now or never will.
func (p Payment) repair(w wish, shown []said, horizon bool) (remedy, error) {
	switch {
	case p.State == Unknown && w.Outcome != "":
		return p.repairCharge(w, shown, horizon)
	case p.State == RefundRefused:
		return p.repairRefund(w, shown)
	case w.Outcome == "" && (p.State == Unknown || p.State == Refunding):
		return remedy{asTriedOnce, Change{State: p.State}}, nil
	}
	return remedy{}, refuse("The payment is %s; %q is nothing that can be done about it now.", p.State, w.name())
}

func (p Payment) repairCharge(w wish, shown []said, horizon bool) (remedy, error) {
	if w.Outcome == asDeclined {
		switch {
		case len(shown) > 0:
			return remedy{}, refuse("The gateway shows %d charges for the order; it was not declined.", len(shown))
		case !horizon:
			return remedy{},
				refuse("The last request may still be carried out: wait for the gateway's horizon, and do not retry meanwhile.")
		}
		return remedy{asDeclined, p.after(Answer{Verdict: No, Reason: notCharged}, false)}, nil
	}
	if len(shown) != 1 {
		return remedy{}, refuse("The gateway shows %d charges for the order; only one can be taken for ours.", len(shown))
	}
	charge := shown[0]
	wrong := Claim{Payment: p}.mismatch(charge, p.Amount)
	switch {
	case w.Outcome == asCaptured && wrong != "":
		return remedy{}, refuse("It is not the charge that was asked for: %s.", wrong)
	case w.Outcome == asCaptured:
		return remedy{asCaptured, p.after(Answer{Verdict: Yes, ID: charge.ID}, false)}, nil
	case w.Outcome == asRefund && wrong == "":
		return remedy{}, refuse("The gateway shows the charge that was asked for; cancel the order to have it given back.")
	case w.Outcome == asRefund && charge.Reference == p.Reference() && charge.Currency == p.Currency &&
		charge.Amount > 0 && len(charge.Refunds) == 0:
		return remedy{asRefund, p.giveBackAll(charge)}, nil
	}
	return remedy{}, refuse("The charge that the gateway shows cannot be given back from here: %s.", wrong)
}

// giveBackAll books what was really captured, and has it refunded.
func (p Payment) giveBackAll(charge said) Change {
	reason := p.Reason
	if reason == "" {
		reason = "wrong_amount"
	}
	return Change{
		State: Refunding, ChargeID: charge.ID, RefundAmount: charge.Amount, Reason: reason,
		Posting: Posting{"charge", p.Reference(), charge.ID, charge.Amount, charge.Currency},
		Closes:  []string{kindChargeUndecided},
	}
}

// repairRefund decides about a refund that was refused for good. Whatever was wanted: a refund that the gateway shows
// all the same is the end of it.
func (p Payment) repairRefund(w wish, shown []said) (remedy, error) {
	refund, err := p.returned(shown)
	if err != nil {
		return remedy{}, err
	}
	switch {
	case refund != "" && w.Outcome == asRefund && w.RefundID != refund:
		return remedy{}, refuse("The gateway shows the refund %s, not the one that you name.", refund)
	case refund != "":
		found := p
		found.State = Refunding // what a refund's yes is for
		return remedy{asRefund, found.after(Answer{Verdict: Yes, ID: refund}, false)}, nil
	case w.Outcome == "":
		return remedy{asNextKey, Change{State: Refunding}}, nil
	case w.Outcome == asSettled:
		return remedy{asSettled, p.settle(w.Reference)}, nil
	}
	return remedy{}, refuse("The gateway shows no refund of the charge; %q cannot be recorded.", w.Outcome)
}

// returned is the refund of the payment that the gateway shows, if it shows one. Anything that is not all of it, or
// nothing, is no ground to move money on.
func (p Payment) returned(shown []said) (string, error) {
	for _, charge := range shown {
		if charge.ID != p.ChargeID {
			continue
		}
		switch len(charge.Refunds) {
		case 0:
			return "", nil
		case 1:
			if wrong := (Claim{Payment: p}).mismatch(charge.Refunds[0], p.RefundAmount); wrong != "" {
				return "", refuse("The gateway shows another refund of the charge: %s.", wrong)
			}
			return charge.Refunds[0].ID, nil
		}
		return "", refuse("The gateway shows %d refunds of the charge.", len(charge.Refunds))
	}
	return "", refuse("The gateway does not show the charge %s.", p.ChargeID)
}

// settle records that the money came back outside the gateway.
func (p Payment) settle(reference string) Change {
	back := events.Money{Amount: p.RefundAmount, Currency: p.Currency}
	return Change{
		State: Settled, RefundID: settledAs(reference), Reason: manualSettlement,
		Posting: Posting{"settlement", p.Reference(), "", p.RefundAmount, p.Currency},
		Closes:  []string{kindRefundUndecided, kindRefundRefused, kindLateCapture},
		Event: events.PaymentRefunded{Subject: p.subject(), RefundID: settledAs(reference), Amount: back,
			Reason: manualSettlement},
	}
}
