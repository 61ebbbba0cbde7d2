package charge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
)

// What happens to a payment between two commits, in the order in which it happens: claim, call, finish.

// Claim is a payment that is leased to this process for one attempt.
type Claim struct {
	Payment
	Token     string
	Send      bool      // the charge may be sent; otherwise it is only looked up
	Horizon   bool      // whatever was sent has arrived or never will: "not found" is definite
	TakenOver bool      // another worker's lease had ended before its work
	Began     time.Time // when this process looked for work
}

// name is what the attempt does first.
func (c Claim) name() string {
	switch {
	case c.State == Refunding:
		return "refund"
	case c.Send:
		return "charge"
	default:
		return "look up"
	}
}

// Claim leases up to limit payments that are due, the longest waiting first, in one statement. Rows that others
// are about to claim are skipped, not waited for.
func (w *Workers) Claim(ctx context.Context, limit int) ([]Claim, error) {
	var claims []Claim
	began := time.Now()
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) (err error) {
		if err := w.faults.At(ctx, failpoint.GatewayBeforeClaim); err != nil {
			return err
		}
		claims, err = w.lease(ctx, tx, limit, `next_attempt_at <= now()`)
		if err != nil || !mayBeLost(claims) {
			return err
		}
		return CommitWithoutDisk(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("claim payments: %w", err)
	}
	for i, c := range claims {
		claims[i].Began = began
		if err := w.faults.At(ctx, failpoint.GatewayClaimed, c.OrderID); err != nil {
			return nil, err // their leases end by themselves
		}
	}
	return claims, nil
}

// mayBeLost reports that losing these claims in a crash of the database does no harm: then the same call is made
// once more under the same key. So their commit need not wait for the disk. Not so where a charge is unknown: from the
// time of the last request, which the claim notes, counts when "not found" becomes definite.
func mayBeLost(claims []Claim) bool {
	return !slices.ContainsFunc(claims, func(c Claim) bool { return c.State == Unknown })
}

// Lease claims one payment, due or not, in the caller's transaction; none when a worker has it or it needs no call.
func (w *Workers) Lease(ctx context.Context, tx pgx.Tx, orderID string) ([]Claim, error) {
	return w.lease(ctx, tx, 1, `order_id = $6`, orderID)
}

// Call calls the gateway, outside of any transaction. It has no error: what is not known is an outcome, too.
func (w *Workers) Call(ctx context.Context, c Claim) Outcome {
	begun := time.Now()
	var outcome Outcome
	switch c.State {
	case Intent:
		outcome = w.confirmRefusal(ctx, c, w.gateway.Charge(ctx, c.Payment))
	case Unknown:
		outcome = w.resolve(ctx, c)
	default: // nothing else is claimed
		outcome = w.refund(ctx, c)
	}
	w.metrics.calls.WithLabelValues(string(c.State), outcome.Decision.String()).Observe(time.Since(begun).Seconds())
	return outcome
}

// resolve finds out what became of a charge whose answer is missing. First it sends the same charge once more,
// under the same key: whether the first request arrived or not, there is one charge afterwards, and an answer. When
// that does not help either it looks the charge up by its reference. Beyond the budget nothing is sent any
// more, so that the last request falls behind the horizon and "not found" becomes a definite no.
func (w *Workers) resolve(ctx context.Context, c Claim) Outcome {
	asked := Outcome{Reason: "the gateway knows of no charge yet"}
	if c.Send {
		if asked = w.gateway.Charge(ctx, c.Payment); asked.Decision != Undecided {
			w.metrics.resolved.WithLabelValues("same_key").Inc()
			return asked
		}
	}
	charges, err := w.gateway.LookUp(ctx, c.Payment)
	if err != nil {
		if !c.Send {
			asked.Reason = err.Error()
		}
		return asked
	}
	found := c.Found(charges, asked)
	switch found.Decision {
	case Yes:
		w.metrics.resolved.WithLabelValues("look_up").Inc()
	case No:
		w.metrics.resolved.WithLabelValues("horizon").Inc()
	case Undecided:
	}
	return found
}

// confirmRefusal makes a no of a refusal to carry a charge out, where no other request was sent before and the gateway
// shows none. After an attempt whose answer is missing the money may be on its way all the same.
func (w *Workers) confirmRefusal(ctx context.Context, c Claim, asked Outcome) Outcome {
	if !asked.Refused || c.Attempts != 1 {
		return asked
	}
	if charges, err := w.gateway.LookUp(ctx, c.Payment); err != nil || len(charges) > 0 {
		return asked
	}
	return Outcome{Decision: No, Reason: InvalidRequest}
}

// refund has the gateway return what was captured, under the refund's own key. A missing answer is
// asked for under the same key for as long as it takes: unlike a charge, nothing else can be done about it.
// From the second attempt on, and after a refusal, the gateway's list is a second way to learn what is back.
func (w *Workers) refund(ctx context.Context, c Claim) Outcome {
	if c.Returned > 0 && c.Rest(nil) == 0 { // all of it came back by hand, which was accepted before
		return Outcome{Decision: Yes}
	}
	outcome := w.gateway.Refund(ctx, c.Payment)
	if outcome.Decision == Yes || outcome.Decision == Undecided && !outcome.Refused && c.Attempts == 1 {
		return outcome
	}
	charges, err := w.gateway.LookUp(ctx, c.Payment)
	if err != nil {
		return outcome
	}
	return c.FoundRefunds(charges, outcome)
}
