package payment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
)

// repaired is what an operator is told about an action.
type repaired struct {
	IncidentID string   `json:"incident_id"`
	OrderID    string   `json:"order_id"`
	Outcome    string   `json:"outcome"`
	Before     standing `json:"before"`
	After      standing `json:"after"`
}

// finishRepair is the transaction of an action: the payment must still be as the operator saw it.
func (o operator) finishRepair(ctx context.Context, tx pgx.Tx, incident adminapi.Incident, w wish,
	seen sight) (adminapi.Action, error) {
	h, horizon, err := lockForRepair(ctx, tx, incident.OrderID, seen.definite)
	if err != nil {
		return adminapi.Action{}, err
	}
	if err := h.as(w); err != nil {
		return adminapi.Action{}, err
	}
	done, err := h.repair(w, seen.shown, horizon)
	if err != nil {
		return adminapi.Action{}, err
	}
	switch done.outcome {
	case asTriedOnce:
		err = askSoon(ctx, tx, h.OrderID)
	case asNextKey:
		err = raiseRefund(ctx, tx, h.OrderID)
	default:
		err = apply(ctx, tx, []change{{held: h, next: done.change}})
	}
	if err != nil {
		return adminapi.Action{}, err
	}
	after, err := readRecord(tx.QueryRow(ctx, recordOf, h.OrderID))
	if err != nil {
		return adminapi.Action{}, err
	}
	told := repaired{incident.ID, h.OrderID, done.outcome, h.standing(), after.standing()}
	return adminapi.Action{
		By: w.By, Why: w.Why, Action: w.name(), TargetKind: adminapi.IncidentTarget, TargetID: incident.ID,
		Before: told.Before, After: told.After, Answer: told,
	}, nil
}

// sight is what was found out before the transaction.
type sight struct {
	shown    []said     // by the gateway
	definite *time.Time // see [behindHorizon]
}

// behindHorizon is until when requests for an unknown charge were sent, if all of them have been carried out by now or
// never will be.
func behindHorizon(ctx context.Context, q querier, orderID string, horizon time.Duration) (*time.Time, error) {
	var sent *time.Time
	err := q.QueryRow(ctx, `
		SELECT max(sent_until) FROM payment
		WHERE order_id = $1 AND state = 'UNKNOWN' AND sent_until + $2::interval <= now()`, orderID, horizon).Scan(&sent)
	return sent, wrap(err, "look for the horizon of order", orderID)
}

// lockForRepair locks an order's payment as [lockClaimed] does, without a lease: an operator takes the payment from
// whoever works on it, whose answer is dropped then. It also says whether what the gateway showed still is definite,
// which is so when nothing was sent since.
func lockForRepair(ctx context.Context, tx pgx.Tx, orderID string,
	definite *time.Time) (h held, still bool, err error) {
	err = tx.QueryRow(ctx, `
		SELECT `+columns+`, true, coalesce(p.cause_id, ''), coalesce(p.traceparent, ''), coalesce(p.snapshot, '{}'),
			coalesce(p.sent_until = $2, false)
		FROM payment p WHERE p.order_id = $1 AND p.direct_reference IS NULL FOR UPDATE`, orderID, definite).
		Scan(append(h.fields(), &h.incidents, &h.cause.EventID, &h.cause.TraceParent, &h.Order, &still)...)
	if err != nil {
		return held{}, false, fmt.Errorf("lock the payment of order %s: %w", orderID, err)
	}
	return h, still, nil
}

// as refuses a wish that was made for another state than the payment's own.
func (p Payment) as(w wish) error {
	want := wish{ExpectedState: p.State}
	if p.State == Refunding || p.State == RefundRefused {
		want.ExpectedNumber = p.RefundNumber
	}
	if w.ExpectedState == want.ExpectedState && w.ExpectedNumber == want.ExpectedNumber {
		return nil
	}
	return refuse("The payment is %s, not %s any more.", want.seen(), w.seen())
}

func (w wish) seen() string {
	if w.ExpectedNumber == 0 {
		return string(w.ExpectedState)
	}
	return fmt.Sprintf("%s (refund %d)", w.ExpectedState, w.ExpectedNumber)
}

// askSoon makes a payment due. An unknown charge gets a new budget, within which it is sent again.
func askSoon(ctx context.Context, tx pgx.Tx, orderID string) error {
	tag, err := tx.Exec(ctx, `
		UPDATE payment SET next_attempt_at = now(), updated_at = now(),
			unknown_since = CASE state WHEN 'UNKNOWN' THEN now() ELSE unknown_since END
		WHERE order_id = $1 AND state IN ('UNKNOWN', 'REFUNDING')`, orderID)
	return exactlyOne(tag, err, "ask again for order", orderID)
}

// raiseRefund has a refund that was refused for good asked for under the next key.
func raiseRefund(ctx context.Context, tx pgx.Tx, orderID string) error {
	tag, err := tx.Exec(ctx, `
		UPDATE payment SET state = 'REFUNDING', refund_number = refund_number + 1, problem = NULL,
			attempts = 0, unknown_since = NULL, next_attempt_at = now(), updated_at = now()
		WHERE order_id = $1 AND state = 'REFUND_REFUSED'`, orderID)
	return exactlyOne(tag, err, "ask for another refund of order", orderID)
}

// look is how a payment stands for an operator, and what can be done.
func (o operator) look(ctx context.Context, incident adminapi.Incident) (any, []adminapi.Step, error) {
	r, err := paymentOf(ctx, o.pool, incident.OrderID)
	if errors.Is(err, pgx.ErrNoRows) { // the gateway's ledger shows an order that we do not know
		return nil, nil, nil
	}
	if err != nil || !incident.Open() || incident.Kind == kindReconciliation {
		return r.standing(), nil, err
	}
	return r.standing(), possible(r.State), nil
}

// standing is a payment as operators see it, and as it is kept with what they did.
type standing struct {
	State        State         `json:"state"`
	ChargeID     string        `json:"charge_id,omitempty"`
	Amount       *events.Money `json:"amount,omitempty"`
	RefundNumber int           `json:"refund_number,omitempty"` // while a refund is wanted
	RefundAmount int64         `json:"refund_amount,omitempty"`
	RefundID     string        `json:"refund_id,omitempty"`
	Problem      string        `json:"problem,omitempty"`
}

func (p Payment) standing() standing {
	s := standing{
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
