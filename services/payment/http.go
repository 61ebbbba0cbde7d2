package payment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/payment/api"
)

// routes is the API. Which paths there are and what a request may look like is api/openapi.yaml's to say;
// what is not allowed there reaches no handler. The direct payments' handlers stand in direct.go.
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

// server answers requests.
type server struct {
	pool   *pgxpool.Pool
	direct direct
}

// GetPayment answers GET /v1/payments/{order_id}.
func (s server) GetPayment(ctx context.Context,
	request api.GetPaymentRequestObject) (api.GetPaymentResponseObject, error) {
	r, err := paymentOf(ctx, s.pool, request.OrderId.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.New(http.StatusNotFound, "Nothing is known about this order.")
	}
	view := api.Payment{
		OrderId: request.OrderId, State: api.PaymentState(r.State), ChargeId: orNil(r.ChargeID), RefundId: orNil(r.RefundID),
		Reason: orNil(r.Reason), CancelWanted: r.CancelWanted, Attempts: r.Attempts,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if r.Amount > 0 {
		view.Amount = &api.Money{Amount: r.Amount, Currency: r.Currency}
	}
	if r.UnknownSince != nil {
		view.UnknownSince = new(r.UnknownSince.UTC())
	}
	if r.open() || r.State == RefundRefused {
		view.Problem = orNil(r.Problem)
	}
	if r.open() {
		view.NextAttemptAt = new(r.NextAttemptAt.UTC())
	}
	return api.GetPayment200JSONResponse(view), err
}

// orNil leaves what is not there out of an answer.
func orNil[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// kept is an answer that is stored under an Idempotency-Key and sent as it is stored.
type kept struct {
	idempotency.Response
	replayed bool
}

// VisitCreateChargeResponse sends it.
func (k kept) VisitCreateChargeResponse(w http.ResponseWriter) error {
	return idempotency.Write(w, k.Response, k.replayed)
}

// VisitCreateRefundResponse sends it.
func (k kept) VisitCreateRefundResponse(w http.ResponseWriter) error {
	return idempotency.Write(w, k.Response, k.replayed)
}

func response(status int, mediaType string, body any) (idempotency.Response, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return idempotency.Response{}, fmt.Errorf("encode an answer: %w", err)
	}
	return idempotency.Response{Status: status, Header: map[string]string{"Content-Type": mediaType}, Body: encoded}, nil
}
