package payment

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// held is a payment that is locked for its outcome, and still leased under the token of the answer.
type held struct {
	Payment
	overdue   bool         // unknown for longer than its budget
	incidents bool         // some are open
	cause     outbox.Cause // what an answering event follows from
}

// change is a payment's outcome on its way into the tables. Pause is for an outcome that is still unknown.
type change struct {
	held  held
	next  Change
	pause time.Duration
}

// lockClaimed locks the payments of a batch that are still as they were claimed, in key order, and returns them
// by their tokens. The others were taken over by a worker who thought that this one is dead: whatever it learned,
// the other one learns too, since both asked under the same key.
func lockClaimed(ctx context.Context, tx pgx.Tx, batch []finished, chargeBudget,
	refundBudget time.Duration) (map[string]held, error) {
	var ids, tokens, states []string
	var numbers []int
	for _, f := range batch {
		ids, tokens = append(ids, f.OrderID), append(tokens, f.Token)
		states, numbers = append(states, string(f.State)), append(numbers, f.RefundNumber)
	}
	rows, err := tx.Query(ctx, `
		SELECT `+columns+`, p.lease_token::text,
			coalesce(p.unknown_since < now() - CASE p.state WHEN 'REFUNDING' THEN $6::interval ELSE $5::interval END, false),
			EXISTS (SELECT FROM incident i WHERE i.order_id = p.order_id AND i.resolved_at IS NULL),
			coalesce(p.cause_id, ''), coalesce(p.traceparent, ''), coalesce(p.snapshot, '{}')
		FROM payment p
		JOIN unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[]) AS claimed (order_id, token, state, refund_number)
		  ON p.order_id = claimed.order_id AND p.lease_token = claimed.token
		 AND p.state = claimed.state AND p.refund_number = claimed.refund_number
		ORDER BY p.order_id FOR UPDATE OF p`, ids, tokens, states, numbers, chargeBudget, refundBudget)
	if err != nil {
		return nil, fmt.Errorf("lock claimed payments: %w", err)
	}
	locked := make(map[string]held, len(batch))
	for rows.Next() {
		var h held
		var token string
		err := rows.Scan(append(h.fields(), &token, &h.overdue, &h.incidents, &h.cause.EventID, &h.cause.TraceParent,
			&h.Order)...)
		if err != nil {
			return nil, fmt.Errorf("read a claimed payment: %w", err)
		}
		locked[token] = h
	}
	return locked, rows.Err()
}

// apply writes what was decided, one statement for each table.
func apply(ctx context.Context, tx pgx.Tx, changes []change) error {
	var follow []events.Event
	var postings []Posting
	for _, c := range changes {
		if c.next.Event != nil {
			follow = append(follow, messaging.CausedBy(c.held.cause, c.next.Event))
		}
		if c.next.Posting.Kind != "" {
			postings = append(postings, c.next.Posting)
		}
	}
	if err := storeChanges(ctx, tx, changes); err != nil {
		return err
	}
	if err := post(ctx, tx, postings); err != nil {
		return err
	}
	if err := keepIncidents(ctx, tx, changes); err != nil {
		return err
	}
	if err := advanceRequests(ctx, tx, changes); err != nil {
		return err
	}
	return messaging.Publish(ctx, tx, follow...)
}

// storeChanges ends the leases. An outcome that is still unknown is due again after a pause, jittered so that
// what failed together does not come back together; one that has become work of another kind is due at once.
func storeChanges(ctx context.Context, tx pgx.Tx, changes []change) error {
	var ids, states, charges, refunds, reasons, problems []string
	var amounts []int64
	var pauses []time.Duration
	var undecided []bool
	for _, c := range changes {
		ids, states = append(ids, c.held.OrderID), append(states, string(c.next.State))
		charges, refunds = append(charges, c.next.ChargeID), append(refunds, c.next.RefundID)
		amounts = append(amounts, c.next.RefundAmount)
		reasons, problems = append(reasons, c.next.Reason), append(problems, c.next.Problem)
		pauses, undecided = append(pauses, c.pause), append(undecided, c.next.Undecided)
	}
	_, err := tx.Exec(ctx, `
		UPDATE payment p SET
			state = next.state,
			charge_id = coalesce(nullif(next.charge_id, ''), p.charge_id),
			refund_id = coalesce(nullif(next.refund_id, ''), p.refund_id),
			refund_amount = coalesce(nullif(next.refund_amount, 0), p.refund_amount),
			reason = nullif(next.reason, ''), problem = nullif(next.problem, ''),
			lease_token = NULL, lease_until = NULL, updated_at = now(),
			sent_until = least(p.sent_until, now()), -- the call has returned, so nothing is sent any more
			attempts = CASE WHEN undecided THEN p.attempts ELSE 0 END,
			unknown_since = CASE WHEN undecided THEN coalesce(p.unknown_since, now()) END,
			next_attempt_at = now() + CASE WHEN undecided THEN next.pause * (0.5 + random() / 2) ELSE interval '0' END
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::interval[],
		  $9::boolean[])
			AS next (order_id, state, charge_id, refund_id, refund_amount, reason, problem, pause, undecided)
		WHERE p.order_id = next.order_id`, ids, states, charges, refunds, amounts, reasons, problems, pauses, undecided)
	if err != nil {
		return fmt.Errorf("store outcomes: %w", err)
	}
	return nil
}

// keepIncidents opens and closes what the changes begin and end. Both are rare, so each is a statement.
func keepIncidents(ctx context.Context, tx pgx.Tx, changes []change) error {
	for _, c := range changes {
		ctx, order := outbox.WithCause(ctx, c.held.cause), c.held.OrderID
		if c.next.Opens != "" {
			if _, err := incident.Open(ctx, tx, events.Payment, order, c.next.Opens, c.next.Problem); err != nil {
				return err
			}
		}
		if !c.held.incidents {
			continue
		}
		for _, kind := range c.next.Closes {
			if err := incident.Close(ctx, tx, events.Payment, order, kind, string(c.next.State)); err != nil {
				return err
			}
		}
	}
	return nil
}
