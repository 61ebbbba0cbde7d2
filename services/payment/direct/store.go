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

// startRefund makes a captured charge one to be refunded, as far as it was captured. Any other stays as it is.
func startRefund(ctx context.Context, tx pgx.Tx, reference, key string, refund api.NewRefund) error {
	_, err := tx.Exec(ctx, `
		UPDATE payment SET state = 'REFUNDING', refund_amount = $2, refund_request = $3, attempts = 0,
			next_attempt_at = now(), updated_at = now()
		WHERE direct_reference = $1 AND state = 'CAPTURED' AND amount >= $2 AND currency = $4`,
		reference, refund.Amount, key, refund.Currency)
	return charge.Wrap(err, "refund", reference)
}
