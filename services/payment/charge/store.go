package charge

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Columns are those of a [Payment] in the table p, in the order in which [Scan] reads them.
const Columns = `p.order_id::text, coalesce(p.direct_reference, ''), p.state, coalesce(p.charge_key, ''),
	coalesce(p.amount, 0), coalesce(p.currency, ''), coalesce(p.payment_method, ''), coalesce(p.charge_id, ''),
	coalesce(p.refund_id, ''), p.refund_number, coalesce(p.refund_amount, 0), p.cancel_wanted, coalesce(p.reason, ''),
	coalesce(p.returned_by, ''),
	coalesce(p.captured_amount, 0), p.returned_amount, CASE WHEN p.returned_amount > 0 THEN ARRAY(
		SELECT e.gateway_id FROM ledger_entry e WHERE e.account = 'gateway' AND e.kind = 'refund'
		  AND e.merchant_reference = coalesce('direct:' || p.direct_reference, p.order_id::text)) END,
	coalesce(p.problem, ''), coalesce(p.charge_request, ''), coalesce(p.refund_request, ''), coalesce(p.snapshot, '{}'),
	coalesce(p.cause_id, ''), coalesce(p.traceparent, ''), p.attempts, p.next_attempt_at, p.unknown_since,
	p.created_at, p.updated_at`

// Scan reads a row of [Columns] and of what follows them.
func Scan(row pgx.Row, more ...any) (p Payment, err error) {
	err = row.Scan(append([]any{
		&p.OrderID, &p.Direct, &p.State, &p.ChargeKey,
		&p.Amount, &p.Currency, &p.PaymentMethod, &p.ChargeID,
		&p.RefundID, &p.RefundNumber, &p.RefundAmount, &p.CancelWanted, &p.Reason,
		&p.ReturnedBy,
		&p.Captured, &p.Returned, &p.Booked,
		&p.Problem, &p.ChargeRequest, &p.RefundRequest, &p.Order,
		&p.Cause.EventID, &p.Cause.TraceParent, &p.Attempts, &p.NextAttemptAt, &p.UnknownSince,
		&p.CreatedAt, &p.UpdatedAt,
	}, more...)...)
	if err != nil {
		return Payment{}, fmt.Errorf("read a payment: %w", err)
	}
	return p, nil
}

// Querier is a pool or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Load is an order's payment; pgx.ErrNoRows when there is none. A direct payment is no order's.
func Load(ctx context.Context, q Querier, orderID string) (Payment, error) {
	return Scan(q.QueryRow(ctx, `
		SELECT `+Columns+` FROM payment p WHERE p.order_id = $1 AND p.direct_reference IS NULL`, orderID))
}

// LoadDirect is the direct payment with a reference; pgx.ErrNoRows when there is none.
func LoadDirect(ctx context.Context, q Querier, reference string) (Payment, error) {
	return Scan(q.QueryRow(ctx, `SELECT `+Columns+` FROM payment p WHERE p.direct_reference = $1`, reference))
}

// lease is the statement of a claim, over the rows for which a condition holds; its arguments begin with $6.
func (w *Workers) lease(ctx context.Context, tx pgx.Tx, limit int, condition string, args ...any) ([]Claim, error) {
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
		RETURNING `+Columns+`, p.lease_token::text, due.send,
			NOT due.send AND coalesce(p.sent_until + $5::interval <= now(), false), due.taken_over`,
		append([]any{limit, w.ChargeBudget, LeaseTime, w.AttemptTime(), w.Horizon}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("lease payments: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Claim, err error) {
		if c.Payment, err = Scan(row, &c.Token, &c.Send, &c.Horizon, &c.TakenOver); c.TakenOver {
			w.metrics.takenOver.Inc()
		}
		return c, err
	})
}

// renew prolongs a claim's lease. One that has ended is another worker's to take, and is not renewed.
func renew(ctx context.Context, pool *pgxpool.Pool, c Claim) error {
	_, err := pool.Exec(ctx, `
		UPDATE payment SET lease_until = now() + $3::interval
		WHERE order_id = $1 AND lease_token = $2 AND lease_until > now()`, c.OrderID, c.Token, LeaseTime)
	return Wrap(err, "renew the lease of", c.OrderID)
}

// CommitWithoutDisk lets the transaction's commit not wait for the disk: for what may be lost in a crash of the
// database, because it is done once more then.
func CommitWithoutDisk(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit TO off`); err != nil {
		return fmt.Errorf("commit without waiting: %w", err)
	}
	return nil
}

// lockClaimed locks the payments of a batch that are still as they were claimed, in key order, and returns them
// by their tokens. The others were taken over by a worker who found this one dead: whatever it learned,
// the other one learns too, since both asked under the same key.
func lockClaimed(ctx context.Context, tx pgx.Tx, batch []finished, s Settings) (map[string]Locked, error) {
	var ids, tokens, states []string
	var numbers []int
	for _, f := range batch {
		ids, tokens = append(ids, f.OrderID), append(tokens, f.Token)
		states, numbers = append(states, string(f.State)), append(numbers, f.RefundNumber)
	}
	rows, err := tx.Query(ctx, `
		SELECT `+Columns+`, p.lease_token::text,
			coalesce(p.unknown_since < now() - CASE p.state WHEN 'REFUNDING' THEN $6::interval ELSE $5::interval END, false),
			EXISTS (SELECT FROM incident i WHERE i.order_id = p.order_id AND i.resolved_at IS NULL)
		FROM payment p
		JOIN unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[]) AS claimed (order_id, token, state, refund_number)
		  ON p.order_id = claimed.order_id AND p.lease_token = claimed.token
		 AND p.state = claimed.state AND p.refund_number = claimed.refund_number
		ORDER BY p.order_id FOR UPDATE OF p`, ids, tokens, states, numbers, s.ChargeBudget, s.RefundBudget)
	if err != nil {
		return nil, fmt.Errorf("lock claimed payments: %w", err)
	}
	defer rows.Close()
	locked := make(map[string]Locked, len(batch))
	for rows.Next() {
		var l Locked
		var token string
		if l.Payment, err = Scan(rows, &token, &l.Overdue, &l.Incidents); err != nil {
			return nil, err
		}
		locked[token] = l
	}
	return locked, rows.Err()
}

// storeChanges ends the leases. An outcome that is still unknown is due again after a pause, jittered so that
// what failed together does not come back together; one that has become work of another kind is due at once.
func storeChanges(ctx context.Context, tx pgx.Tx, all []Transition) error {
	var ids, states, charges, refunds, reasons, problems, ways []string
	var amounts, captured, returned []int64
	var pauses []time.Duration
	var undecided, nextKey []bool
	for _, t := range all {
		moved := map[string]int64{} // by kind
		for _, p := range t.To.Postings {
			moved[p.Kind] += p.Amount
		}
		captured, returned = append(captured, moved["charge"]), append(returned, moved["refund"]+moved["settlement"])
		ids, states = append(ids, t.From.OrderID), append(states, string(t.To.State))
		charges, refunds = append(charges, t.To.ChargeID), append(refunds, t.To.RefundID)
		amounts = append(amounts, t.To.RefundAmount)
		reasons, problems = append(reasons, t.To.Reason), append(problems, t.To.Problem)
		pauses, undecided = append(pauses, t.Pause), append(undecided, t.To.Undecided)
		nextKey, ways = append(nextKey, t.To.NextKey), append(ways, t.To.ReturnedBy)
	}
	_, err := tx.Exec(ctx, `
		UPDATE payment p SET
			state = next.state,
			charge_id = coalesce(nullif(next.charge_id, ''), p.charge_id),
			refund_id = coalesce(nullif(next.refund_id, ''), p.refund_id),
			refund_amount = coalesce(nullif(next.refund_amount, 0), p.refund_amount),
			returned_by = coalesce(nullif(next.returned_by, ''), p.returned_by),
			refund_number = p.refund_number + next.next_key::int,
			captured_amount = coalesce(nullif(next.captured, 0), p.captured_amount),
			returned_amount = p.returned_amount + next.returned,
			reason = nullif(next.reason, ''), problem = nullif(next.problem, ''),
			lease_token = NULL, lease_until = NULL, updated_at = now(),
			sent_until = least(p.sent_until, now()), -- the call has returned, so nothing is sent any more
			attempts = CASE WHEN undecided THEN p.attempts ELSE 0 END,
			unknown_since = CASE WHEN undecided THEN coalesce(p.unknown_since, now()) END,
			next_attempt_at = now() + CASE WHEN undecided THEN next.pause * (0.5 + random() / 2) ELSE interval '0' END
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::interval[],
		  $9::boolean[], $10::bigint[], $11::bigint[], $12::boolean[], $13::text[])
			AS next (order_id, state, charge_id, refund_id, refund_amount, reason, problem, pause, undecided, captured,
				returned, next_key, returned_by)
		WHERE p.order_id = next.order_id`, ids, states, charges, refunds, amounts, reasons, problems, pauses, undecided,
		captured, returned, nextKey, ways)
	if err != nil {
		return fmt.Errorf("store outcomes: %w", err)
	}
	return nil
}

// storeRefund stores what came of a refund that a client of the API asked for: it was made, or refused for good.
func storeRefund(ctx context.Context, tx pgx.Tx, t Transition) error {
	made := t.To.RefundID
	if t.To.Problem != "" {
		made = "" // what was found was not made by this request
	}
	_, err := tx.Exec(ctx, `
		UPDATE direct_refund SET refund_id = nullif($3, ''), problem = nullif($4, '') WHERE order_id = $1 AND number = $2`,
		t.From.OrderID, t.From.RefundNumber, made, t.To.Problem)
	return Wrap(err, "store the refund of", t.From.Direct)
}

// Post writes movements of money to the ledger, all in one statement. Nothing ever changes an entry; a
// movement at the gateway that is there already makes the statement fail, and the transaction with it.
func Post(ctx context.Context, tx pgx.Tx, postings ...Posting) error {
	if len(postings) == 0 {
		return nil
	}
	var to, from, kinds, references, gatewayIDs, currencies []string
	var amounts []int64
	for _, p := range postings {
		arrives, leaves := p.accounts()
		to, from, amounts = append(to, arrives), append(from, leaves), append(amounts, p.Amount)
		kinds, references = append(kinds, p.Kind), append(references, p.Reference)
		gatewayIDs, currencies = append(gatewayIDs, p.GatewayID), append(currencies, p.Currency)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		SELECT id, side.account, side.amount, currency, reference, nullif(gateway_id, ''), kind
		FROM (
			SELECT gen_random_uuid() AS id, posting.*
			FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
				AS posting (arrives, leaves, amount, currency, reference, gateway_id, kind)
		) AS posting,
		LATERAL (VALUES (arrives, posting.amount), (leaves, -posting.amount)) AS side (account, amount)`,
		to, from, amounts, currencies, references, gatewayIDs, kinds)
	if err != nil {
		return fmt.Errorf("write to the ledger: %w", err)
	}
	return nil
}

// ExactlyOne is the error of a statement that should have changed one row: what was attempted, and for whom.
func ExactlyOne(tag pgconn.CommandTag, err error, what, id string) error {
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("%d rows changed instead of one", tag.RowsAffected())
	}
	return Wrap(err, what, id)
}

// Wrap adds to an error, if there is one, what was attempted, and for whom.
func Wrap(err error, what, id string) error {
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, id, err)
	}
	return nil
}
