package repair

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/payment/charge"
)

// repaired is the answer to an operator's command.
type repaired struct {
	IncidentID string   `json:"incident_id"`
	OrderID    string   `json:"order_id"`
	Outcome    string   `json:"outcome"`
	Before     snapshot `json:"before"`
	After      snapshot `json:"after"`
}

// finish is the transaction of an action: the payment must still be as the operator saw it.
func finish(ctx context.Context, tx pgx.Tx, incident adminapi.Incident, c command,
	found evidence) (adminapi.Action, error) {
	if incident.Kind == charge.KindReconciliation && c.Outcome == "" {
		return acceptStrays(ctx, tx, incident, c, found.payment, found)
	}
	locked, horizon, err := lock(ctx, tx, incident.OrderID, found.definite)
	if err != nil {
		return adminapi.Action{}, err
	}
	if err := requireState(locked.Payment, c); err != nil {
		return adminapi.Action{}, err
	}
	done, err := decide(locked.Payment, c, found.shown, horizon)
	if err != nil {
		return adminapi.Action{}, err
	}
	if done.outcome == asSameKey {
		err = retryNow(ctx, tx, locked.OrderID)
	} else {
		err = charge.Apply(ctx, tx, charge.Transition{From: locked, To: done.change})
	}
	if err != nil {
		return adminapi.Action{}, err
	}
	after, err := charge.Load(ctx, tx, locked.OrderID)
	if err != nil {
		return adminapi.Action{}, err
	}
	answer := repaired{incident.ID, locked.OrderID, done.outcome, snapshotOf(locked.Payment), snapshotOf(after)}
	return adminapi.Action{
		By: c.By, Why: c.Why, Action: c.name(), TargetKind: adminapi.IncidentTarget, TargetID: incident.ID,
		Before: answer.Before, After: answer.After, Answer: answer,
	}, nil
}

// describe shows how the payment of an incident stands, and what can be done about it. While the gateway does not
// answer that is only what needs no look-up.
func (o Operator) describe(ctx context.Context, incident adminapi.Incident) (any, []adminapi.Step, error) {
	p, err := o.payment(ctx, incident.OrderID)
	state := shownState{snapshot: snapshotOf(p)}
	if err != nil || !incident.Open() {
		return state, nil, err
	}
	differ := incident.Kind == charge.KindReconciliation
	found, err := o.look(ctx, p, differ)
	if refusal, ok := errors.AsType[*problem.Error](err); ok {
		state.Gateway, err = refusal.Detail, nil
	}
	return state, steps(incident.Kind, p, found), err
}

// steps are what can be done about an incident now. A retry of one about the ledgers is of what is beside the payment.
func steps(kind string, p charge.Payment, found evidence) []adminapi.Step {
	list := possible(p, found)
	if kind != charge.KindReconciliation {
		return list
	}
	list = slices.DeleteFunc(list, func(s adminapi.Step) bool { return s.Action == actionRetry })
	if strays := straysOf(p, found); len(strays) > 0 {
		list = append(list, offerRefund(strays))
	}
	return list
}

// shownState is a payment, and why the gateway could not be asked about it.
type shownState struct {
	snapshot
	Gateway string `json:"gateway,omitempty"`
}

// snapshot is a payment as operators see it, and as it is stored with what they did.
type snapshot struct {
	State        charge.State  `json:"state"`
	ChargeID     string        `json:"charge_id,omitempty"`
	Amount       *events.Money `json:"amount,omitempty"`
	RefundNumber int           `json:"refund_number,omitempty"` // where a refund was asked for
	RefundAmount int64         `json:"refund_amount,omitempty"` // in minor units; so are the next two
	Captured     int64         `json:"captured,omitempty"`
	Returned     int64         `json:"returned,omitempty"`
	RefundID     string        `json:"refund_id,omitempty"`
	Problem      string        `json:"problem,omitempty"`
}

func snapshotOf(p charge.Payment) snapshot {
	s := snapshot{
		State: p.State, ChargeID: p.ChargeID, RefundAmount: p.RefundAmount, RefundID: p.RefundID, Problem: p.Problem,
		Captured: p.Captured, Returned: p.Returned,
	}
	if p.RefundAmount > 0 {
		s.RefundNumber = p.RefundNumber
	}
	if p.Amount > 0 {
		s.Amount = &events.Money{Amount: p.Amount, Currency: p.Currency}
	}
	return s
}
