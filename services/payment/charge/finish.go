package charge

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/outbox"
)

// finished is an outcome on its way into the database.
type finished struct {
	Claim
	Outcome
	trace string // of the attempt
}

// Finish stores what the outcome means, together with those that other workers have at this moment. An
// outcome that was dropped or could not be stored loses nothing: the payment is still due. It returns when the outcome
// was written, which is zero where it was not.
func (w *Workers) Finish(ctx context.Context, c Claim, o Outcome) time.Time {
	f := finished{c, o, tracing.Of(ctx)}
	stored, err := w.finishes.Do(ctx, f)
	if err != nil { // one that cannot be stored must not take the others along: once more, alone
		var alone []time.Time
		if alone, err = w.finishAll(ctx, []finished{f}); err == nil {
			stored = alone[0]
		}
	}
	switch {
	case err != nil:
		w.log.WarnContext(ctx, "answer not stored, the gateway will be asked again", "order_id", c.OrderID, "state", c.State,
			"error", err)
	case stored.IsZero():
		w.metrics.dropped.Inc()
		w.log.InfoContext(ctx, "answer dropped, another worker went on", "order_id", c.OrderID, "state", c.State)
	case o.Decision == Undecided:
		w.log.InfoContext(ctx, "outcome unknown", "order_id", c.OrderID, "state", c.State, "attempts", c.Attempts, "problem",
			o.Reason)
	}
	return stored
}

// finishAll stores outcomes in one transaction: next state, ledger, incidents, and the events that follow.
// Only rows that are still leased under the token with which the gateway was called, for the same refund
// number, are touched; it returns for each outcome when it was written, zero where that was not so.
func (w *Workers) finishAll(ctx context.Context, batch []finished) (stored []time.Time, err error) {
	ctx, span := tracing.Batch(ctx, "commit batch", traces(batch)...)
	defer func() { tracing.End(span, time.Time{}, err) }()
	stored = make([]time.Time, len(batch))
	refunding := false // some are work once more
	err = w.tx(ctx, func(tx pgx.Tx) error {
		locked, err := lockClaimed(ctx, tx, batch, w.Settings)
		if err != nil {
			return err
		}
		var all []Transition
		var touched []int
		for i, f := range batch {
			if from, ok := locked[f.Token]; ok {
				to := from.After(f.Outcome, from.Overdue)
				touched, refunding = append(touched, i), refunding || to.State == Refunding
				all = append(all, Transition{from, to, retryIn(f.Attempts, w.RetryFirst, w.RetryLimit)})
			}
		}
		if err := Apply(ctx, tx, all...); err != nil {
			return err
		}
		now := time.Now()
		for _, i := range touched {
			stored[i] = now
		}
		return w.at(ctx, failpoint.GatewayBeforeFinish, batch)
	})
	if err != nil {
		return nil, fmt.Errorf("finish %d payments: %w", len(batch), err)
	}
	if refunding {
		w.wake.Signal()
	}
	return stored, w.at(ctx, failpoint.GatewayFinished, batch)
}

func traces(batch []finished) []string {
	list := make([]string, len(batch))
	for i, f := range batch {
		list[i] = f.trace
	}
	return list
}

// at passes a point with the orders of a batch.
func (w *Workers) at(ctx context.Context, point failpoint.Point, batch []finished) error {
	orders := make([]string, 0, len(batch))
	for _, f := range batch {
		orders = append(orders, f.OrderID)
	}
	return w.faults.At(ctx, point, orders...)
}

// Locked is a payment that is locked for its change.
type Locked struct {
	Payment
	Overdue   bool // unknown for longer than its budget
	Incidents bool // some are open
}

// Transition is a payment with its change on its way into the tables. Pause is for an outcome that is still unknown.
type Transition struct {
	From  Locked
	To    Change
	Pause time.Duration
}

// Apply writes what was decided, one statement for each table.
func Apply(ctx context.Context, tx pgx.Tx, all ...Transition) error {
	var follow []events.Event
	var postings []Posting
	for _, t := range all {
		if t.To.Event != nil {
			follow = append(follow, messaging.CausedBy(t.From.Cause, t.To.Event))
		}
		postings = append(postings, t.To.Postings...)
	}
	if err := storeChanges(ctx, tx, all); err != nil {
		return err
	}
	if err := Post(ctx, tx, postings...); err != nil {
		return err
	}
	if err := keepIncidents(ctx, tx, all); err != nil {
		return err
	}
	if err := advanceRequests(ctx, tx, all); err != nil {
		return err
	}
	return messaging.Publish(ctx, tx, follow...)
}

// keepIncidents opens and closes what the changes begin and end. Both are rare, so each is a statement.
func keepIncidents(ctx context.Context, tx pgx.Tx, all []Transition) error {
	for _, t := range all {
		ctx, order := outbox.WithCause(ctx, t.From.Cause), t.From.OrderID
		if t.To.Opens != "" {
			if _, err := incident.Open(ctx, tx, events.Payment, order, t.To.Opens, t.To.Problem); err != nil {
				return err
			}
		}
		if !t.From.Incidents {
			continue
		}
		for _, kind := range t.To.Closes {
			if err := incident.Close(ctx, tx, events.Payment, order, kind, string(t.To.State)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Scopes keep the idempotency keys of the two operations on direct payments apart.
const (
	ScopeCharge = "charge"
	ScopeRefund = "refund"
)

// advanceRequests notes for direct payments that their outcome is stored, with that outcome. What came of a refund
// stands with its request, since another may follow it.
func advanceRequests(ctx context.Context, tx pgx.Tx, all []Transition) error {
	var known []idempotency.Request
	for _, t := range all {
		switch {
		case t.From.Direct == "" || t.To.Undecided:
		case t.From.State == Refunding:
			known = append(known, idempotency.Request{Scope: ScopeRefund, Key: t.From.RefundRequest})
			if err := storeRefund(ctx, tx, t); err != nil {
				return err
			}
		default:
			known = append(known, idempotency.Request{Scope: ScopeCharge, Key: t.From.ChargeRequest})
		}
	}
	if len(known) == 0 {
		return nil
	}
	return idempotency.Advance(ctx, tx, known)
}
