package inventory

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/inventory/api"
)

// routes is the API. A request that api/openapi.yaml does not allow reaches no handler.
func routes(s server) http.Handler {
	spec, err := api.GetSpec()
	if err != nil {
		panic(err) // the embedded contract is the one that the code was generated from
	}
	handlers := api.NewStrictHandlerWithOptions(s, nil, api.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  httpserver.Unreadable,
		ResponseErrorHandlerFunc: problem.Write,
	})
	return httpserver.Tagged(httpserver.ValidateRequests(spec)(api.HandlerWithOptions(handlers, api.ChiServerOptions{
		ErrorHandlerFunc: httpserver.Unreadable,
	})))
}

// server answers requests.
type server struct {
	pool *pgxpool.Pool
	once idempotency.Once
}

// ListStock answers GET /v1/stock.
func (s server) ListStock(ctx context.Context, _ api.ListStockRequestObject) (api.ListStockResponseObject, error) {
	levels, err := allStock(ctx, s.pool)
	if err != nil {
		return nil, err
	}
	list := api.StockList{Stock: make([]api.Stock, 0, len(levels))}
	for _, level := range levels {
		list.Stock = append(list.Stock, stockView(level))
	}
	return api.ListStock200JSONResponse(list), nil
}

// GetStock answers GET /v1/stock/{sku}.
func (s server) GetStock(ctx context.Context, request api.GetStockRequestObject) (api.GetStockResponseObject, error) {
	level, err := stockOf(ctx, s.pool, request.Sku)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, unknownSKU(request.Sku)
	}
	return api.GetStock200JSONResponse(stockView(level)), err
}

// AdjustStock answers POST /v1/stock/{sku}/adjustments, once for each Idempotency-Key.
func (s server) AdjustStock(ctx context.Context,
	request api.AdjustStockRequestObject) (api.AdjustStockResponseObject, error) {
	if (request.Body.Delta == nil) == (request.Body.Available == nil) { // the released contract cannot say it
		return nil, problem.New(http.StatusUnprocessableEntity, "send exactly one of delta and available")
	}
	operation := "POST /v1/stock/" + request.Sku + "/adjustments"
	keyed, err := idempotency.ForOperation(operation, "adjust_stock", request.Params.IdempotencyKey, request.Body)
	if err != nil {
		return nil, err
	}
	answer, replayed, err := s.once.Run(ctx, keyed, func(tx pgx.Tx) (idempotency.Response, error) {
		return adjust(ctx, tx, request.Sku, *request.Body)
	})
	return storedResponse{answer, replayed}, err
}

// adjust carries an adjustment out, or refuses it. A refusal on the merits is an answer like any other:
// it is stored under the key, and stays a refusal when there is more stock tomorrow.
func adjust(ctx context.Context, tx pgx.Tx, sku string, change api.NewAdjustment) (idempotency.Response, error) {
	level, err := lockLevel(ctx, tx, sku)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return refusal(unknownSKU(sku))
	case err != nil:
		return idempotency.Response{}, err
	}
	var delta int64
	if change.Delta != nil {
		delta = *change.Delta
	} else {
		delta = *change.Available - level.Available
	}
	if !level.covers(delta) {
		return refusal(&problem.Error{
			Status: http.StatusConflict, Title: "Not enough stock",
			Detail: fmt.Sprintf("%d of %s are available, %d cannot be taken", level.Available, sku, -delta),
		})
	}
	id, err := uuid.NewV7()
	if err != nil {
		return idempotency.Response{}, fmt.Errorf("make an adjustment id: %w", err)
	}
	made, err := adjustStock(ctx, tx, Adjustment{ID: id, SKU: sku, Delta: delta, Reason: change.Reason})
	if err != nil {
		return idempotency.Response{}, err
	}
	return answer(http.StatusCreated, "application/json", adjustmentView(made))
}

// GetReservation answers GET /v1/reservations/{order_id}.
func (s server) GetReservation(ctx context.Context,
	request api.GetReservationRequestObject) (api.GetReservationResponseObject, error) {
	r, err := reservationOf(ctx, s.pool, request.OrderId.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.New(http.StatusNotFound, "nothing is known about this order")
	}
	return api.GetReservation200JSONResponse(reservationView(request.OrderId, r)), err
}

func unknownSKU(sku string) *problem.Error {
	return problem.New(http.StatusNotFound, "there is no SKU "+sku)
}

// storedResponse is an answer that is stored under an Idempotency-Key and sent as it is stored.
type storedResponse struct {
	idempotency.Response
	replayed bool
}

// VisitAdjustStockResponse sends it.
func (r storedResponse) VisitAdjustStockResponse(w http.ResponseWriter) error {
	return idempotency.Write(w, r.Response, r.replayed)
}

func answer(status int, mediaType string, body any) (idempotency.Response, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return idempotency.Response{}, fmt.Errorf("encode an answer: %w", err)
	}
	return idempotency.Response{Status: status, Header: map[string]string{"Content-Type": mediaType}, Body: encoded}, nil
}

func refusal(e *problem.Error) (idempotency.Response, error) {
	return answer(e.Status, problem.ContentType, api.Problem{
		Type: new("about:blank"), Title: cmp.Or(e.Title, http.StatusText(e.Status)), Status: e.Status, Detail: &e.Detail,
	})
}

func stockView(s Stock) api.Stock {
	return api.Stock{Sku: s.SKU, Available: s.Available, Reserved: s.Reserved, Sold: s.Sold}
}

func adjustmentView(a Adjustment) api.Adjustment {
	return api.Adjustment{
		Id: a.ID, Sku: a.SKU, Delta: a.Delta, Reason: a.Reason, CreatedAt: a.CreatedAt.UTC(), Stock: stockView(a.After),
	}
}

func reservationView(orderID uuid.UUID, r Reservation) api.Reservation {
	view := api.Reservation{
		OrderId: orderID, State: api.ReservationState(r.State), Lines: make([]api.Line, 0, len(r.Lines)),
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if r.Reason != "" {
		view.Reason = &r.Reason
	}
	for _, line := range r.Lines {
		view.Lines = append(view.Lines, api.Line{Sku: line.SKU, Quantity: line.Quantity})
	}
	return view
}
