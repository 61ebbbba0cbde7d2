package order

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/fault"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/mailbox"
	"example.com/ordersaga/pkg/service"
	"example.com/ordersaga/services/order/api"
)

// server answers the public API.
type server struct {
	db      reader
	do      transaction
	place   func(context.Context, placement) (placed, error) // commits requests in groups
	backlog func() int                                       // about how many events wait to be published
	limit   int                                              // at which backlog no more orders are taken
	faults  *fault.Set
	others  *colleagues // who know more about an order
}

// routes is the API. What is not allowed by api/openapi.yaml reaches no handler.
func routes(s server) http.Handler {
	spec, err := api.GetSpec()
	if err != nil {
		panic(err) // the embedded contract is the one that the code was generated from
	}
	handlers := api.NewStrictHandlerWithOptions(s, nil, api.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  service.Unreadable,
		ResponseErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, err error) { service.WriteProblem(w, r, told(err)) },
	})
	return service.ValidateRequests(spec)(api.HandlerWithOptions(handlers, api.ChiServerOptions{
		ErrorHandlerFunc: service.Unreadable,
	}))
}

// told puts the errors of this service into the terms of HTTP.
func told(err error) error {
	var refused Refusal
	switch {
	case errors.As(err, &refused):
		return service.Problem(http.StatusUnprocessableEntity, refused.Error())
	case errors.Is(err, pgx.ErrNoRows):
		return service.Problem(http.StatusNotFound, "there is no such order")
	case errors.Is(err, mailbox.ErrBusy):
		return busy("more orders come in than can be stored")
	}
	return err
}

func busy(detail string) error {
	return &service.Error{Status: http.StatusServiceUnavailable, Detail: detail, RetryAfter: 5 * time.Second}
}

// PlaceOrder answers 202 once the order and the beginning of its saga are stored. What comes after that is
// not this request's.
func (s server) PlaceOrder(ctx context.Context, r api.PlaceOrderRequestObject) (api.PlaceOrderResponseObject, error) {
	if s.backlog() >= s.limit {
		return nil, busy("the broker cannot be reached, and no more orders can be kept waiting for it")
	}
	request, err := idempotency.ForOperation("POST /v1/orders", "orders", r.Params.IdempotencyKey, r.Body)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make an order id: %w", err)
	}
	result, err := s.place(ctx, placement{id.String(), request, wish(r.Body), mailbox.CauseOf(ctx)})
	if err != nil {
		return nil, fmt.Errorf("place an order: %w", err)
	}
	return result, result.err
}

// VisitPlaceOrderResponse writes the stored answer, so that the first and every later one have the same bytes.
func (p placed) VisitPlaceOrderResponse(w http.ResponseWriter) error {
	return idempotency.Write(w, p.answer, p.replayed)
}

// GetOrder answers with the order as it is now, and with what it waits for when that takes long.
func (s server) GetOrder(ctx context.Context, r api.GetOrderRequestObject) (api.GetOrderResponseObject, error) {
	order, err := s.read(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	view := resource(order)
	// A clock that is apart from the database's only moves the moment from which the reason is told.
	if now := time.Now(); !order.Status.terminal() && now.Sub(order.CreatedAt) >= patienceOfReaders {
		view.WaitingFor = waitingView(s.others.lately(ctx, order).waiting(now))
	}
	return api.GetOrder200JSONResponse(view), nil
}

// GetSaga answers with every service's part in the order.
func (s server) GetSaga(ctx context.Context, r api.GetSagaRequestObject) (api.GetSagaResponseObject, error) {
	order, err := s.read(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	mails, err := mailsOf(ctx, s.db, order.OrderID)
	return api.GetSaga200JSONResponse(sagaView(s.others.about(ctx, order), mails, time.Now())), err
}

func (s server) read(ctx context.Context, pathID string) (Order, error) {
	id, err := orderID(pathID)
	if err != nil {
		return Order{}, err
	}
	return readOrder(ctx, s.db, id)
}

// CancelOrder answers 202 as long as the order has not ended. Whether the cancel comes in time is shipping's
// decision; the order tells later.
func (s server) CancelOrder(ctx context.Context, r api.CancelOrderRequestObject) (api.CancelOrderResponseObject, error) {
	id, err := orderID(r.Id)
	if err != nil {
		return nil, err
	}
	var order Order
	err = s.do(ctx, func(tx pgx.Tx) error {
		if err := askToCancel(ctx, tx, []string{id}, byCustomer); err != nil {
			return err
		}
		if order, err = readOrder(ctx, tx, id); err != nil {
			return err
		}
		return s.faults.At(ctx, fault.CancelBeforeCommit, id)
	})
	if err == nil {
		err = s.faults.At(ctx, fault.CancelAfterCommit, id)
	}
	if err == nil && order.Status.terminal() {
		err = service.Problem(http.StatusConflict, fmt.Sprintf("the order is %s already", order.Status))
	}
	return api.CancelOrder202JSONResponse(resource(order)), err
}

// orderID reads an id from a path. What is not a UUID is no order's id.
func orderID(text string) (string, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return "", pgx.ErrNoRows
	}
	return id.String(), nil
}

// ListOrders answers with a page of orders, newest first.
func (s server) ListOrders(ctx context.Context, r api.ListOrdersRequestObject) (api.ListOrdersResponseObject, error) {
	before, err := position(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	limit, status := defaultPage, Status("")
	if r.Params.Limit != nil {
		limit = *r.Params.Limit
	}
	if r.Params.Status != nil {
		status = Status(*r.Params.Status)
	}
	orders, err := listOrders(ctx, s.db, status, before, limit+1) // one more tells whether there is a next page
	if err != nil {
		return nil, err
	}
	return page(orders, limit), nil
}
