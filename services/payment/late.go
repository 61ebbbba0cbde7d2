package payment

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/pkg/events"
)

// late is a charge at the gateway for a payment that was said to have none.
type late struct {
	orderID, direct, id, reference, currency string
	amount                                   int64
}

// giveBackLate takes charges over that came after all, and has them refunded: the order was told that its
// payment failed, and its stock is gone.
func (r *reconciler) giveBackLate(ctx context.Context) error {
	rows, err := r.pool.Query(ctx, `
		SELECT p.order_id::text, coalesce(p.direct_reference, ''), l.id, l.merchant_reference, l.currency, l.amount
		FROM gateway_line l CROSS JOIN LATERAL (`+paymentOfLine+`) p
		WHERE l.matched_at IS NULL AND l.kind = 'charge' AND p.state IN ('DECLINED', 'VOIDED')
		  AND coalesce(p.currency, l.currency) = l.currency
		ORDER BY l.position LIMIT $1`, pageSize)
	if err != nil {
		return fmt.Errorf("look for late captures: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l late, err error) {
		return l, row.Scan(&l.orderID, &l.direct, &l.id, &l.reference, &l.currency, &l.amount)
	})
	if err != nil {
		return fmt.Errorf("look for late captures: %w", err)
	}
	for _, l := range found {
		if err := r.takeOver(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// takeOver books a late capture and makes it work for the workers, who refund it. The order shows why in
// the meantime.
func (r *reconciler) takeOver(ctx context.Context, l late) error {
	taken := false
	err := r.do(ctx, func(tx pgx.Tx) (err error) {
		if taken, err = bookLate(ctx, tx, l); err != nil || !taken {
			return err
		}
		if l.direct == "" {
			reason := fmt.Sprintf("the gateway captured %d %s late; they are being given back", l.amount, l.currency)
			if _, err := incident.Open(ctx, tx, events.Payment, l.orderID, kindLateCapture, reason); err != nil {
				return err
			}
		}
		return r.faults.At(ctx, failpoint.ReconcileBeforeCommit, l.orderID)
	})
	if err != nil {
		return fmt.Errorf("take the late capture of %s over: %w", l.reference, err)
	}
	if !taken { // another replica was quicker
		return nil
	}
	r.metrics.late.Inc()
	r.log.WarnContext(ctx, "late capture found, it will be refunded", "order_id", l.orderID, "charge_id", l.id)
	r.poke()
	return r.faults.At(ctx, failpoint.ReconcileCommitted, l.orderID)
}

// bookLate moves a payment from its end to LATE_CAPTURED and writes the charge to the ledger. It is false when the
// payment is somewhere else by now.
func bookLate(ctx context.Context, tx pgx.Tx, l late) (bool, error) {
	tag, err := tx.Exec(ctx, `
		UPDATE payment SET state = 'LATE_CAPTURED', charge_id = $2, refund_amount = $3, currency = $4,
		  reason = 'late_capture',
			attempts = 0, unknown_since = NULL, next_attempt_at = now(), updated_at = now()
		WHERE order_id = $1 AND state IN ('DECLINED', 'VOIDED')`, l.orderID, l.id, l.amount, l.currency)
	if err != nil || tag.RowsAffected() == 0 {
		return false, wrap(err, "take over the late capture of", l.reference)
	}
	return true, post(ctx, tx, []Posting{{"charge", l.reference, l.id, l.amount, l.currency}})
}
