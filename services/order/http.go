package order

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	batcher "example.com/ordersaga/internal/batch"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/order/api"
	"example.com/ordersaga/services/order/apiversion"
	"example.com/ordersaga/services/order/sagaview"
)

// server answers the public API.
type server struct {
	db      reader
	tx      transaction
	place   func(context.Context, placement) (placed, error) // commits requests in batches
	backlog func() int                                       // about how many events are unpublished
	limit   int                                              // at this backlog no more orders are accepted
	faults  *failpoint.Set
	clients *sagaview.Clients // of the services that know more about an order
}

// routes is the API. A request that api/openapi.yaml does not allow reaches no handler.
func routes(s server) http.Handler {
	spec, err := api.GetSpec()
	if err != nil {
		panic(err) // the embedded contract is the one that the code was generated from
	}
	handlers := api.NewStrictHandlerWithOptions(s, nil, api.StrictHTTPServerOptions{
		RequestErrorHandlerFunc: httpserver.Unreadable,
		ResponseErrorHandlerFunc: func(w http.ResponseWriter, r *http.Request, err error) {
			problem.Write(w, r, toProblem(err))
		},
	})
	return httpserver.Tagged(apiversion.Choose(spec, httpserver.ValidateRequests(spec)(api.HandlerWithOptions(handlers,
		api.ChiServerOptions{ErrorHandlerFunc: httpserver.Unreadable}))))
}

// toProblem maps the errors of this service to HTTP.
func toProblem(err error) error {
	var refused Refusal
	switch {
	case errors.As(err, &refused):
		return problem.New(http.StatusUnprocessableEntity, refused.Error())
	case errors.Is(err, pgx.ErrNoRows):
		return problem.New(http.StatusNotFound, "there is no such order")
	case errors.Is(err, batcher.ErrBusy):
		return busy("more orders come in than can be stored")
	}
	return err
}

func busy(detail string) error {
	return &problem.Error{Status: http.StatusServiceUnavailable, Detail: detail, RetryAfter: 5 * time.Second}
}

// PlaceOrder answers 202 once the order and the event that begins its saga are stored.
func (s server) PlaceOrder(ctx context.Context, r api.PlaceOrderRequestObject) (api.PlaceOrderResponseObject, error) {
	return s.accept(ctx, apiversion.V1, r.Params.IdempotencyKey, r.Body, command(r.Body))
}

// scopeOrders is the scope of the keys of requests that place orders.
const scopeOrders = "orders"

// accept stores a request, in whatever version it came. The key stands for one body in one version: an answer that is
// replayed has the bytes of the first one, and a client that has changed to another version meanwhile could not read
// it. The versions share their keys, so that none can place another one's order a second time.
func (s server) accept(ctx context.Context, v apiversion.Version, key string, body any, c PlaceOrder) (placed, error) {
	if s.backlog() >= s.limit {
		return placed{}, busy("the broker cannot be reached, and no more orders can be stored for it")
	}
	began := time.Now()
	request, err := idempotency.ForOperation("POST "+v.Path(""), scopeOrders, key, body)
	if err != nil {
		return placed{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return placed{}, fmt.Errorf("make an order id: %w", err)
	}
	result, err := s.place(ctx, placement{id.String(), request, c, v, outbox.CauseOf(ctx).TraceParent, began})
	if err != nil {
		return placed{}, fmt.Errorf("place an order: %w", err)
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
	view.WaitingFor = s.clients.Waiting(ctx, view)
	return api.GetOrder200JSONResponse(view), nil
}

// GetSaga answers with every service's part in the order.
func (s server) GetSaga(ctx context.Context, r api.GetSagaRequestObject) (api.GetSagaResponseObject, error) {
	order, err := s.read(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	return api.GetSaga200JSONResponse(sagaview.View(s.clients.Saga(ctx, resource(order)), time.Now())), nil
}

func (s server) read(ctx context.Context, pathID string) (Order, error) {
	id, err := orderID(pathID)
	if err != nil {
		return Order{}, err
	}
	return readOrder(ctx, s.db, id)
}

// CancelOrder answers 202 as long as the order has not ended. Whether the cancel comes in time is shipping's
// decision; the order shows it later.
func (s server) CancelOrder(ctx context.Context,
	r api.CancelOrderRequestObject) (api.CancelOrderResponseObject, error) {
	order, err := s.cancel(ctx, r.Id)
	return api.CancelOrder202JSONResponse(resource(order)), err
}

func (s server) cancel(ctx context.Context, pathID string) (order Order, err error) {
	id, err := orderID(pathID)
	if err != nil {
		return order, err
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if err := askToCancel(ctx, tx, []string{id}, byCustomer); err != nil {
			return err
		}
		if order, err = readOrder(ctx, tx, id); err != nil {
			return err
		}
		return s.faults.At(ctx, failpoint.CancelBeforeCommit, id)
	})
	if err == nil {
		err = s.faults.At(ctx, failpoint.CancelAfterCommit, id)
	}
	if err == nil && order.Status.terminal() {
		err = problem.New(http.StatusConflict, fmt.Sprintf("the order is %s already", order.Status))
	}
	return order, err
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
	orders, next, err := s.list(ctx, r.Params.Status, r.Params.Cursor, r.Params.Limit)
	return api.ListOrders200JSONResponse{Orders: resources(orders, resource), NextCursor: next}, err
}

func (s server) list(ctx context.Context, wanted *api.Status, cursor *string,
	size *int) (orders []Order, next *string, err error) {
	before, err := position(cursor)
	if err != nil {
		return nil, nil, err
	}
	limit, status := defaultPage, Status("")
	if size != nil {
		limit = *size
	}
	if wanted != nil {
		status = Status(*wanted)
	}
	orders, err = listOrders(ctx, s.db, status, before, limit+1) // one more shows whether there is a next page
	if err != nil {
		return nil, nil, err
	}
	orders, next = page(orders, limit)
	return orders, next, nil
}
