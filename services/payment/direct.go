package payment

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/payment/api"
)

// open says that the gateway has to be asked, first or again.
func (p Payment) open() bool {
	return p.State == Intent || p.State == Unknown || p.State == LateCaptured || p.State == Refunding
}

// CreateCharge answers POST /v1/charges, once for each Idempotency-Key and once for each reference.
func (s server) CreateCharge(ctx context.Context,
	request api.CreateChargeRequestObject) (api.CreateChargeResponseObject, error) {
	w, err := wantCharge(ctx, request.Params.IdempotencyKey, request.Body)
	if err != nil {
		return nil, err
	}
	return s.direct.run(ctx, w)
}

func wantCharge(ctx context.Context, key string, body *api.NewCharge) (wanted, error) {
	wish, err := idempotency.ForOperation("POST /v1/charges", scopeCharge, key, body)
	trace := outbox.CauseOf(ctx).TraceParent
	return wanted{wish, func(ctx context.Context, tx pgx.Tx) (record, error) {
		return recordCharge(ctx, tx, wish.Key, trace, *body)
	}, chargeAnswer}, err
}

// recordCharge writes a direct charge down, unless something was charged under its reference before.
func recordCharge(ctx context.Context, tx pgx.Tx, key, trace string, charge api.NewCharge) (record, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return record{}, fmt.Errorf("make a payment id: %w", err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO payment (order_id, direct_reference, state, charge_key, amount, currency, payment_method,
		  charge_request, traceparent)
		VALUES ($1, $2, 'INTENT', $3, $4, $5, $6, $7, $8)
		ON CONFLICT (direct_reference) WHERE direct_reference IS NOT NULL DO NOTHING`,
		id, charge.Reference, chargeKey(directPrefix+charge.Reference), charge.Amount, charge.Currency, charge.PaymentMethod,
		key, trace)
	if err != nil {
		return record{}, wrap(err, "record the charge of", charge.Reference)
	}
	r, err := directOf(ctx, tx, charge.Reference)
	if err == nil && r.ChargeRequest != key {
		err = &problem.Error{
			Status: http.StatusConflict, Title: "Reference already used",
			Detail: "Something was charged under this reference before, with another Idempotency-Key.",
		}
	}
	return r, err
}

func chargeAnswer(r record) (answer idempotency.Response, decided bool, err error) {
	switch {
	case r.State == Declined, r.Reason == notCharged, r.Reason == kindLateCapture:
		answer, err = refusal("Payment declined", "The card was not charged.", r.Reason)
	case r.ChargeID == "":
		return answer, false, nil
	default:
		answer, err = response(http.StatusCreated, "application/json", api.Charge{
			Id: r.ChargeID, Reference: r.Direct, Amount: r.Amount, Currency: r.Currency,
			Status: api.ChargeStatusSucceeded, CreatedAt: r.CreatedAt.UTC(),
		})
	}
	return answer, true, err
}

// CreateRefund answers POST /v1/refunds, once for each Idempotency-Key and once for each charge.
func (s server) CreateRefund(ctx context.Context,
	request api.CreateRefundRequestObject) (api.CreateRefundResponseObject, error) {
	w, err := wantRefund(request.Params.IdempotencyKey, request.Body)
	if err != nil {
		return nil, err
	}
	return s.direct.run(ctx, w)
}

func wantRefund(key string, body *api.NewRefund) (wanted, error) {
	wish, err := idempotency.ForOperation("POST /v1/refunds", scopeRefund, key, body)
	return wanted{wish, func(ctx context.Context, tx pgx.Tx) (record, error) {
		return recordRefund(ctx, tx, wish.Key, *body)
	}, refundAnswer}, err
}

// recordRefund makes a captured direct charge something to be given back. What the saga owns it alone gives back.
func recordRefund(ctx context.Context, tx pgx.Tx, key string, refund api.NewRefund) (record, error) {
	reference, err := referenceOf(ctx, tx, refund.ChargeId)
	if errors.Is(err, pgx.ErrNoRows) {
		return record{}, problem.New(http.StatusNotFound, "There is no such charge.")
	}
	if err != nil {
		return record{}, err
	}
	order, direct := whose(reference)
	if order != nil {
		return record{},
			problem.New(http.StatusConflict, "This charge belongs to an order; cancelling the order gives it back.")
	}
	_, err = tx.Exec(ctx, `
		UPDATE payment SET state = 'REFUNDING', refund_amount = $2, refund_request = $3, attempts = 0,
			next_attempt_at = now(), updated_at = now()
		WHERE direct_reference = $1 AND state = 'CAPTURED' AND amount >= $2 AND currency = $4`,
		direct, refund.Amount, key, refund.Currency)
	if err != nil {
		return record{}, wrap(err, "refund", reference)
	}
	r, err := directOf(ctx, tx, direct)
	switch {
	case err != nil || r.RefundRequest == key:
		return r, err
	case r.State == Captured:
		return r,
			problem.New(http.StatusUnprocessableEntity,
				fmt.Sprintf("%d %s were captured; that is the most that can be refunded.", r.Amount, r.Currency))
	}
	return r,
		problem.New(http.StatusConflict, "A refund of this charge was asked for before, with another Idempotency-Key.")
}

// referenceOf is the merchant reference under which a charge was captured; pgx.ErrNoRows when there is none.
func referenceOf(ctx context.Context, tx pgx.Tx, chargeID string) (reference string, err error) {
	err = tx.QueryRow(ctx, `
		SELECT merchant_reference FROM ledger_entry
		WHERE gateway_id = $1 AND account = 'gateway' AND kind = 'charge'`, chargeID).Scan(&reference)
	return reference, wrap(err, "find the charge", chargeID)
}

func refundAnswer(r record) (answer idempotency.Response, decided bool, err error) {
	switch r.State {
	case Refunded:
		answer, err = response(http.StatusCreated, "application/json", api.Refund{
			Id: r.RefundID, ChargeId: r.ChargeID, Amount: r.RefundAmount, Currency: r.Currency,
			Status: api.RefundStatusSucceeded,
		})
	case RefundRefused:
		answer, err = refusal("Refund refused", "The gateway refused the refund.", r.Problem)
	default:
		return answer, false, nil
	}
	return answer, true, err
}

// refusal is the gateway's definite no, which is kept like a yes.
func refusal(title, detail, code string) (idempotency.Response, error) {
	return response(http.StatusPaymentRequired, problem.ContentType, api.Problem{
		Type: new("about:blank"), Title: title, Status: http.StatusPaymentRequired, Detail: &detail, Code: &code,
	})
}

// GetCharge answers GET /v1/charges/{reference}.
func (s server) GetCharge(ctx context.Context,
	request api.GetChargeRequestObject) (api.GetChargeResponseObject, error) {
	r, err := directOf(ctx, s.pool, request.Reference)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.New(http.StatusNotFound, "There is no charge with this reference.")
	}
	view := api.DirectPayment{
		Reference: r.Direct, State: api.DirectPaymentState(r.State), Amount: r.Amount, Currency: r.Currency,
		ChargeId: orNil(r.ChargeID), RefundId: orNil(r.RefundID), RefundAmount: orNil(r.RefundAmount),
		Reason: orNil(r.Reason),
	}
	return api.GetCharge200JSONResponse(view), err
}
