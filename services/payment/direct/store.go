package direct

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/services/payment/api"
	"example.com/ordersaga/services/payment/charge"
)

// insertCharge records what is to be charged. A payment with the reference, whatever its state, stays as it is.
func insertCharge(ctx context.Context, tx pgx.Tx, key, trace string, c api.NewCharge) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a payment id: %w", err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO payment (order_id, direct_reference, state, charge_key, amount, currency, payment_method,
			charge_request, traceparent)
		VALUES ($1, $2, 'INTENT', $3, $4, $5, $6, $7, $8)
		ON CONFLICT (direct_reference) WHERE direct_reference IS NOT NULL DO NOTHING`,
		id, c.Reference, charge.Key(charge.DirectPrefix+c.Reference), c.Amount, c.Currency, c.PaymentMethod, key, trace)
	return charge.Wrap(err, "record the charge of", c.Reference)
}

// referenceOf is the merchant reference under which a charge was captured; pgx.ErrNoRows when there is none.
func referenceOf(ctx context.Context, tx pgx.Tx, chargeID string) (reference string, err error) {
	err = tx.QueryRow(ctx, `
		SELECT merchant_reference FROM ledger_entry
		WHERE gateway_id = $1 AND account = 'gateway' AND kind = 'charge'`, chargeID).Scan(&reference)
	return reference, charge.Wrap(err, "find the charge", chargeID)
}

// lockDirect is the direct payment with a reference, which stays as it is until the end of the transaction.
func lockDirect(ctx context.Context, tx pgx.Tx, reference string) (charge.Payment, error) {
	return charge.Scan(tx.QueryRow(ctx, `
		SELECT `+charge.Columns+` FROM payment p WHERE p.direct_reference = $1 FOR UPDATE`, reference))
}

// startRefund has a part of a charge refunded under the next key at the gateway.
func startRefund(ctx context.Context, tx pgx.Tx, p charge.Payment, key string, refund api.NewRefund,
	amount int64) (charge.Payment, error) {
	p, err := charge.Scan(tx.QueryRow(ctx, `
		UPDATE payment p SET state = 'REFUNDING', refund_amount = $2, refund_request = $3, problem = NULL,
			refund_number = refund_number + (state <> 'CAPTURED')::int, -- the number before was used
			attempts = 0, unknown_since = NULL, next_attempt_at = now(), updated_at = now()
		WHERE order_id = $1 RETURNING `+charge.Columns, p.OrderID, amount, key))
	if err != nil {
		return p, err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO direct_refund (request, order_id, number, asked, amount, currency) VALUES ($1, $2, $3, $4, $5, $6)`,
		key, p.OrderID, p.RefundNumber, refund.Amount, amount, p.Currency)
	return p, charge.Wrap(err, "record a refund of", p.Direct)
}

// refundRequest is a refund as a client asked for it, and what came of it.
type refundRequest struct {
	orderID, chargeID string
	asked             *int64 // none: for the rest
	amount            int64  // in minor units
	currency          string
	refundID, problem string
}

// same reports that a request asks for what this one did.
func (r refundRequest) same(p charge.Payment, refund api.NewRefund) bool {
	asked := r.asked == nil && refund.Amount == nil || r.asked != nil && refund.Amount != nil && *r.asked == *refund.Amount
	return asked && r.orderID == p.OrderID && r.currency == refund.Currency
}

// loadRefund is the refund that was asked for with a key; pgx.ErrNoRows when there is none.
func loadRefund(ctx context.Context, tx pgx.Tx, key string) (r refundRequest, err error) {
	err = tx.QueryRow(ctx, `
		SELECT r.order_id::text, p.charge_id, r.asked, r.amount, r.currency, coalesce(r.refund_id, ''),
			coalesce(r.problem, '')
		FROM direct_refund r JOIN payment p USING (order_id) WHERE r.request = $1`, key).Scan(
		&r.orderID, &r.chargeID, &r.asked, &r.amount, &r.currency, &r.refundID, &r.problem)
	return r, charge.Wrap(err, "load the refund that was asked for with", key)
}
