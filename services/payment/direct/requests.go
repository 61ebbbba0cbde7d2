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

func chargeResponse(p charge.Payment) (response idempotency.Response, decided bool, err error) {
	switch {
	case p.State == charge.Declined, p.Reason == charge.NotCharged, p.Reason == charge.KindLateCapture:
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

// CreateRefund answers POST /v1/refunds, once for each Idempotency-Key and once for each charge.
func (a API) CreateRefund(ctx context.Context,
	request api.CreateRefundRequestObject) (api.CreateRefundResponseObject, error) {
	key, err := idempotency.ForOperation("POST /v1/refunds", charge.ScopeRefund, request.Params.IdempotencyKey,
		request.Body)
	if err != nil {
		return nil, err
	}
	return a.run(ctx, operation{key, func(ctx context.Context, tx pgx.Tx) (charge.Payment, error) {
		return recordRefund(ctx, tx, key.Key, *request.Body)
	}, refundResponse})
}

// recordRefund has a captured direct charge refunded. What the saga owns it alone refunds.
func recordRefund(ctx context.Context, tx pgx.Tx, key string, refund api.NewRefund) (charge.Payment, error) {
	refuse := func(status int, detail string) (charge.Payment, error) {
		return charge.Payment{}, problem.New(status, detail)
	}
	reference, err := referenceOf(ctx, tx, refund.ChargeId)
	if errors.Is(err, pgx.ErrNoRows) {
		return refuse(http.StatusNotFound, "There is no such charge.")
	}
	if err != nil {
		return charge.Payment{}, err
	}
	order, direct := charge.ParseReference(reference)
	if order != nil {
		return refuse(http.StatusConflict, "This charge belongs to an order; cancelling the order gives it back.")
	}
	if err := startRefund(ctx, tx, direct, key, refund); err != nil {
		return charge.Payment{}, err
	}
	p, err := charge.LoadDirect(ctx, tx, direct)
	switch {
	case err != nil || p.RefundRequest == key && p.RefundAmount == refund.Amount && p.Currency == refund.Currency:
		return p, err
	case p.State == charge.Captured:
		return refuse(http.StatusUnprocessableEntity,
			fmt.Sprintf("%s were captured; that is the most that can be refunded.",
				events.Money{Amount: p.Amount, Currency: p.Currency}))
	}
	return refuse(http.StatusConflict,
		"A refund of this charge was asked for before, with another Idempotency-Key or another body.")
}

func refundResponse(p charge.Payment) (response idempotency.Response, decided bool, err error) {
	switch p.State {
	case charge.Refunded:
		response, err = encode(http.StatusCreated, "application/json", api.Refund{
			Id: p.RefundID, ChargeId: p.ChargeID, Amount: p.RefundAmount, Currency: p.Currency,
			Status: api.RefundStatusSucceeded,
		})
	case charge.RefundRefused:
		response, err = refusal("Refund refused", "The gateway refused the refund.", p.Problem)
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
