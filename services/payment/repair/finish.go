package repair

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
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
	switch done.outcome {
	case asSameKey:
		err = retryNow(ctx, tx, locked.OrderID)
	case asNextKey:
		err = raiseRefund(ctx, tx, locked.OrderID)
	default:
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

// describe shows how the payment of an incident stands, and what can be done about it.
func describe(pool *pgxpool.Pool) func(context.Context, adminapi.Incident) (any, []adminapi.Step, error) {
	return func(ctx context.Context, incident adminapi.Incident) (any, []adminapi.Step, error) {
		p, err := charge.Load(ctx, pool, incident.OrderID)
		if errors.Is(err, pgx.ErrNoRows) { // the gateway's ledger shows an order that we do not know
			return nil, nil, nil
		}
		if err != nil || !incident.Open() || incident.Kind == charge.KindReconciliation {
			return snapshotOf(p), nil, err
		}
		return snapshotOf(p), possible(p.State), nil
	}
}

// snapshot is a payment as operators see it, and as it is stored with what they did.
type snapshot struct {
	State        charge.State  `json:"state"`
	ChargeID     string        `json:"charge_id,omitempty"`
	Amount       *events.Money `json:"amount,omitempty"`
	RefundNumber int           `json:"refund_number,omitempty"` // where a refund was asked for
	RefundAmount int64         `json:"refund_amount,omitempty"` // in minor units
	RefundID     string        `json:"refund_id,omitempty"`
	Problem      string        `json:"problem,omitempty"`
}

func snapshotOf(p charge.Payment) snapshot {
	s := snapshot{
		State: p.State, ChargeID: p.ChargeID, RefundAmount: p.RefundAmount, RefundID: p.RefundID, Problem: p.Problem,
	}
	if p.RefundAmount > 0 {
		s.RefundNumber = p.RefundNumber
	}
	if p.Amount > 0 {
		s.Amount = &events.Money{Amount: p.Amount, Currency: p.Currency}
	}
	return s
}
