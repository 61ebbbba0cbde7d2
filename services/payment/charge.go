package payment

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
)

// What happens to a payment between two commits, in the order in which it happens: claim, call, finish.

// Claim is a payment that is leased to this process for one attempt.
type Claim struct {
	Payment
	Token       string
	Attempts    int
	Send        bool // the charge may be sent; otherwise it is only looked up
	Horizon     bool // whatever was sent has arrived or never will: "not found" is definite
	TakenOver   bool // somebody else's lease had ended before his work
	TraceParent string
}

// claim leases up to limit payments that are due, the longest waiting first, in one statement. Rows that others
// are about to claim are skipped, not waited for.
func (w *workers) claim(ctx context.Context, limit int) ([]Claim, error) {
	var claims []Claim
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) (err error) {
		if err := w.faults.At(ctx, failpoint.GatewayBeforeClaim); err != nil {
			return err
		}
		claims, err = w.lease(ctx, tx, limit, `next_attempt_at <= now()`)
		if err != nil || !mayBeForgotten(claims) {
			return err
		}
		_, err = tx.Exec(ctx, `SET LOCAL synchronous_commit TO off`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim payments: %w", err)
	}
	for _, c := range claims {
		if err := w.faults.At(ctx, failpoint.GatewayClaimed, c.OrderID); err != nil {
			return nil, err // their leases end by themselves
		}
	}
	return claims, nil
}

// mayBeForgotten says that losing these claims in a crash of the database does no harm: then the same call is made
// again under the same key. So their commit need not wait for the disk. Not so where a charge is unknown: from the
// time of the last request, which the claim notes, counts when "not found" becomes definite.
func mayBeForgotten(claims []Claim) bool {
	for _, c := range claims {
		if c.State == Unknown {
			return false
		}
	}
	return true
}

// lease is the claim's statement, over the rows for which a condition holds; its arguments begin with $6.
func (w *workers) lease(ctx context.Context, tx pgx.Tx, limit int, condition string, args ...any) ([]Claim, error) {
	rows, err := tx.Query(ctx, `
		WITH due AS (
			SELECT order_id, lease_until IS NOT NULL AS taken_over,
			       state = 'INTENT' OR state = 'UNKNOWN' AND unknown_since > now() - $2::interval AS send
			FROM payment
			WHERE state IN ('INTENT', 'UNKNOWN', 'LATE_CAPTURED', 'REFUNDING')
			  AND (lease_until IS NULL OR lease_until <= now()) AND `+condition+`
			ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
		)
		UPDATE payment p SET
			state = CASE p.state WHEN 'LATE_CAPTURED' THEN 'REFUNDING' ELSE p.state END,
			lease_token = gen_random_uuid(), lease_until = now() + $3::interval, attempts = p.attempts + 1,
			sent_until = CASE WHEN due.send THEN now() + $4::interval ELSE p.sent_until END
		FROM due WHERE p.order_id = due.order_id
		RETURNING `+columns+`, p.lease_token::text, p.attempts, due.send,
			NOT due.send AND coalesce(p.sent_until + $5::interval <= now(), false), due.taken_over, coalesce(p.traceparent, '')`,
		append([]any{limit, w.ChargeBudget, leaseTime, w.attemptTime(), w.Horizon}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("lease payments: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Claim, err error) {
		err = row.Scan(append(c.fields(), &c.Token, &c.Attempts, &c.Send, &c.Horizon, &c.TakenOver, &c.TraceParent)...)
		w.metrics.claimed(c)
		return c, err
	})
}

// call asks the gateway, outside of any transaction. It has no error: what is not known is an answer too.
func (w *workers) call(ctx context.Context, c Claim) Answer {
	begun := time.Now()
	var answer Answer
	switch c.State {
	case Intent:
		answer = w.gateway.charge(ctx, c)
	case Unknown:
		answer = w.resolve(ctx, c)
	default: // nothing else is claimed
		answer = w.giveBack(ctx, c)
	}
	w.metrics.answered(c, answer, time.Since(begun))
	return answer
}

// finished is an answer on its way into the database.
type finished struct {
	Claim
	Answer
}

// finish stores what the answer means, together with those that other workers have at this moment. An
// answer that was dropped or could not be stored loses nothing: the payment is still due.
func (w *workers) finish(ctx context.Context, c Claim, a Answer) {
	f := finished{c, a}
	stored, err := w.finishes.Do(ctx, f)
	if err != nil { // one that cannot be stored must not take the others along: once more, alone
		var alone []bool
		if alone, err = w.finishAll(ctx, []finished{f}); err == nil {
			stored = alone[0]
		}
	}
	switch {
	case err != nil:
		w.log.WarnContext(ctx, "answer not stored, the gateway will be asked again", "order_id", c.OrderID, "state", c.State,
			"error", err)
	case !stored:
		w.metrics.dropped.Inc()
		w.log.InfoContext(ctx, "answer dropped, another worker went on", "order_id", c.OrderID, "state", c.State)
	case a.Verdict == Undecided:
		w.log.InfoContext(ctx, "outcome unknown", "order_id", c.OrderID, "state", c.State, "attempts", c.Attempts, "problem",
			a.Reason)
	}
}

// finishAll stores answers in one transaction: next state, ledger, incidents, and the events that follow.
// Only rows that are still leased under the token with which the gateway was called, for the same refund
// number, are touched; for each answer it says whether that was so.
func (w *workers) finishAll(ctx context.Context, batch []finished) ([]bool, error) {
	stored := make([]bool, len(batch))
	again := false // some are work once more
	err := w.do(ctx, func(tx pgx.Tx) error {
		held, err := lockClaimed(ctx, tx, batch, w.ChargeBudget, w.RefundBudget)
		if err != nil {
			return err
		}
		var changes []change
		for i, f := range batch {
			if h, ok := held[f.Token]; ok {
				next := h.after(f.Answer, h.overdue)
				stored[i], again = true, again || next.State == Refunding
				changes = append(changes, change{h, next, retryIn(f.Attempts, w.RetryFirst, w.RetryLimit)})
			}
		}
		if err := apply(ctx, tx, changes); err != nil {
			return err
		}
		return w.at(ctx, failpoint.GatewayBeforeFinish, batch)
	})
	if err != nil {
		return nil, fmt.Errorf("finish %d payments: %w", len(batch), err)
	}
	if again {
		w.poke()
	}
	return stored, w.at(ctx, failpoint.GatewayFinished, batch)
}

// at passes a point with the orders of a batch.
func (w *workers) at(ctx context.Context, point failpoint.Point, batch []finished) error {
	orders := make([]string, 0, len(batch))
	for _, f := range batch {
		orders = append(orders, f.OrderID)
	}
	return w.faults.At(ctx, point, orders...)
}
