package direct

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/payment/api"
	"example.com/ordersaga/services/payment/charge"
)

// CreateCharge answers POST /v1/charges, once for each Idempotency-Key and once for each reference.
func (a API) CreateCharge(ctx context.Context,
	request api.CreateChargeRequestObject) (api.CreateChargeResponseObject, error) {
	key, err := idempotency.ForOperation("POST /v1/charges", charge.ScopeCharge, request.Params.IdempotencyKey,
		request.Body)
	if err != nil {
		return nil, err
	}
	trace := outbox.CauseOf(ctx).TraceParent
	return a.run(ctx, operation{key, func(ctx context.Context, tx pgx.Tx) (charge.Payment, error) {
		return recordCharge(ctx, tx, key.Key, trace, *request.Body)
	}, chargeResponse})
}

// recordCharge writes a direct charge down, unless something was charged under its reference before.
func recordCharge(ctx context.Context, tx pgx.Tx, key, trace string, c api.NewCharge) (charge.Payment, error) {
	if err := insertCharge(ctx, tx, key, trace, c); err != nil {
		return charge.Payment{}, err
	}
	p, err := charge.LoadDirect(ctx, tx, c.Reference)
	if err != nil {
		return p, err
	}
	same := p.Amount == c.Amount && p.Currency == c.Currency && p.PaymentMethod == c.PaymentMethod
	if p.ChargeRequest != key || !same { // the key's own comparison ends when the key expires
		err = &problem.Error{
			Status: http.StatusConflict, Title: "Reference already used",
			Detail: "Something was charged under this reference before, with another Idempotency-Key or another body.",
		}
	}
	return p, err
}

func chargeResponse(ctx context.Context, tx pgx.Tx,
	reference string) (response idempotency.Response, decided bool, err error) {
	p, err := charge.LoadDirect(ctx, tx, reference)
	switch {
	case err != nil:
	case p.State == charge.Declined, p.Reason != "": // also when the money came late after all, and went back
		response, err = refusal("Payment declined", "The card was not charged.", p.Reason)
	case p.ChargeID == "":
		return response, false, nil
	default:
		response, err = encode(http.StatusCreated, "application/json", api.Charge{
			Id: p.ChargeID, Reference: p.Direct, Amount: p.Amount, Currency: p.Currency,
			Status: api.ChargeStatusSucceeded, CreatedAt: p.CreatedAt.UTC(),
		})
	}
	return response, true, err
}

// CreateRefund answers POST /v1/refunds, once for each Idempotency-Key.
func (a API) CreateRefund(ctx context.Context,
	request api.CreateRefundRequestObject) (api.CreateRefundResponseObject, error) {
	key, err := idempotency.ForOperation("POST /v1/refunds", charge.ScopeRefund, request.Params.IdempotencyKey,
		request.Body)
	if err != nil {
		return nil, err
	}
	return a.run(ctx, operation{key, func(ctx context.Context, tx pgx.Tx) (charge.Payment, error) {
		return recordRefund(ctx, tx, key.Key, *request.Body)
	}, func(ctx context.Context, tx pgx.Tx, _ string) (idempotency.Response, bool, error) {
		return refundResponse(ctx, tx, key.Key)
	}})
}

// recordRefund has a direct charge refunded, unless it was asked for under this key before. What the saga owns it alone
// refunds.
func recordRefund(ctx context.Context, tx pgx.Tx, key string, refund api.NewRefund) (p charge.Payment, err error) {
	reference, err := referenceOf(ctx, tx, refund.ChargeId)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, problem.New(http.StatusNotFound, "There is no such charge.")
	}
	if err != nil {
		return p, err
	}
	order, direct := charge.ParseReference(reference)
	if order != nil {
		return p, problem.New(http.StatusConflict, "This charge belongs to an order; cancelling the order gives it back.")
	}
	if p, err = lockDirect(ctx, tx, direct); err != nil {
		return p, err
	}
	before, err := loadRefund(ctx, tx, key)
	switch {
	case err == nil && !before.same(p, refund): // the key's own comparison ends when the key expires
		return p, problem.New(http.StatusConflict, "Another refund was asked for before with this Idempotency-Key.")
	case !errors.Is(err, pgx.ErrNoRows):
		return p, err
	}
	amount, err := refundable(p, refund)
	if err != nil {
		return p, err
	}
	return startRefund(ctx, tx, p, key, refund, amount)
}

// refundable is how much a request for a refund is about, where another refund of the charge may begin.
func refundable(p charge.Payment, refund api.NewRefund) (int64, error) {
	left := p.Captured - p.Returned
	money := func(amount int64) events.Money { return events.Money{Amount: amount, Currency: p.Currency} }
	amount := left
	if refund.Amount != nil {
		amount = *refund.Amount
	}
	switch {
	case p.State != charge.Captured && p.State != charge.Refunded && p.State != charge.RefundRefused:
		return 0, problem.New(http.StatusConflict, "A refund of this charge is under way.")
	case left == 0:
		return 0, problem.New(http.StatusConflict, fmt.Sprintf("All of it is back: %s.", money(p.Captured)))
	case amount > left || refund.Currency != p.Currency:
		return 0, problem.New(http.StatusUnprocessableEntity,
			fmt.Sprintf("%s were captured and %s are back; %s is the most that can be refunded.",
				money(p.Captured), money(p.Returned), money(left)))
	}
	return amount, nil
}

func refundResponse(ctx context.Context, tx pgx.Tx,
	key string) (response idempotency.Response, decided bool, err error) {
	r, err := loadRefund(ctx, tx, key)
	switch {
	case err != nil:
	case r.problem != "":
		response, err = refusal("Refund refused", "The gateway refused the refund.", r.problem)
	case r.refundID != "":
		response, err = encode(http.StatusCreated, "application/json", api.Refund{
			Id: r.refundID, ChargeId: r.chargeID, Amount: r.amount, Currency: r.currency,
			Status: api.RefundStatusSucceeded,
		})
	default:
		return response, false, nil
	}
	return response, true, err
}

// refusal is the gateway's definite no, which is kept like a yes.
func refusal(title, detail, code string) (idempotency.Response, error) {
	return encode(http.StatusPaymentRequired, problem.ContentType, api.Problem{
		Type: new("about:blank"), Title: title, Status: http.StatusPaymentRequired, Detail: &detail, Code: &code,
	})
}

func encode(status int, mediaType string, body any) (idempotency.Response, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return idempotency.Response{}, fmt.Errorf("encode a response: %w", err)
	}
	return idempotency.Response{Status: status, Header: map[string]string{"Content-Type": mediaType}, Body: encoded}, nil
}

// Response is stored under an Idempotency-Key and sent as it is stored.
type Response struct {
	idempotency.Response
	replayed bool
}

// VisitCreateChargeResponse sends it.
func (r Response) VisitCreateChargeResponse(w http.ResponseWriter) error {
	return idempotency.Write(w, r.Response, r.replayed)
}

// VisitCreateRefundResponse sends it.
func (r Response) VisitCreateRefundResponse(w http.ResponseWriter) error {
	return idempotency.Write(w, r.Response, r.replayed)
}
