package payment

import (
	"context"
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/payment/api"
	"example.com/ordersaga/services/payment/charge"
	"example.com/ordersaga/services/payment/direct"
)

// routes is the API. api/openapi.yaml decides which paths there are and what a request may look like;
// what is not allowed there reaches no handler.
func routes(s server) http.Handler {
	spec, err := api.GetSpec()
	if err != nil {
		panic(err) // the embedded contract is the one that the code was generated from
	}
	handlers := api.NewStrictHandlerWithOptions(s, nil, api.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  httpserver.Unreadable,
		ResponseErrorHandlerFunc: problem.Write,
	})
	return httpserver.ValidateRequests(spec)(api.HandlerWithOptions(handlers, api.ChiServerOptions{
		ErrorHandlerFunc: httpserver.Unreadable,
	}))
}

// server answers requests: those that read here, those that move money in package direct.
type server struct {
	direct.API // CreateCharge and CreateRefund
	pool       *pgxpool.Pool
}

// GetPayment answers GET /v1/payments/{order_id}.
func (s server) GetPayment(ctx context.Context,
	request api.GetPaymentRequestObject) (api.GetPaymentResponseObject, error) {
	p, err := charge.Load(ctx, s.pool, request.OrderId.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.New(http.StatusNotFound, "Nothing is known about this order.")
	}
	view := api.Payment{
		OrderId: request.OrderId, State: api.PaymentState(p.State), ChargeId: orNil(p.ChargeID), RefundId: orNil(p.RefundID),
		Reason: orNil(p.Reason), CancelWanted: p.CancelWanted, Attempts: p.Attempts,
		ReturnedBy: (*api.PaymentReturnedBy)(orNil(p.ReturnedBy)),
		CreatedAt:  p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC(),
	}
	if p.Amount > 0 {
		view.Amount = &api.Money{Amount: p.Amount, Currency: p.Currency}
	}
	if p.UnknownSince != nil {
		view.UnknownSince = new(p.UnknownSince.UTC())
	}
	if p.State.Open() || p.State == charge.RefundRefused {
		view.Problem = orNil(p.Problem)
	}
	if p.State.Open() {
		view.NextAttemptAt = new(p.NextAttemptAt.UTC())
	}
	return api.GetPayment200JSONResponse(view), err
}

// GetCharge answers GET /v1/charges/{reference}.
func (s server) GetCharge(ctx context.Context,
	request api.GetChargeRequestObject) (api.GetChargeResponseObject, error) {
	p, err := charge.LoadDirect(ctx, s.pool, request.Reference)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.New(http.StatusNotFound, "There is no charge with this reference.")
	}
	return api.GetCharge200JSONResponse(api.DirectPayment{
		Reference: p.Direct, State: api.DirectPaymentState(p.State), Amount: p.Amount, Currency: p.Currency,
		ChargeId: orNil(p.ChargeID), RefundId: orNil(p.RefundID), RefundAmount: orNil(p.RefundAmount),
		ReturnedAmount: orNil(p.Returned), Reason: orNil(p.Reason),
	}), err
}

// orNil leaves what is not there out of an answer.
func orNil[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
