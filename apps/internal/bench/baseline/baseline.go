// Package baseline does an order's work without any messaging: the same local transactions, one after the
// other, in one process, behind the same HTTP front, on the same Postgres, with the same card gateway. It is
// the denominator of the benchmark: what the work itself costs before it is spread over services.
//
// It is not a design to copy. When it is killed between two of its transactions the order is stuck half
// done, for nobody remembers to go on. That is what the saga is for.
package baseline

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/order/api"

	gateway "example.com/ordersaga/contracts/gateway/api"
)

// Shop does the whole of an order's work.
type Shop struct {
	api.StrictServerInterface // for what is not benchmarked

	Pools   map[events.Service]*pgxpool.Pool
	Gateway *gateway.ClientWithResponses
}

// Handler is the order service's API, requests checked in the same way.
func (s *Shop) Handler() (http.Handler, error) {
	spec, err := api.GetSpec()
	if err != nil {
		return nil, fmt.Errorf("read the order service's contract: %w", err)
	}
	handlers := api.NewStrictHandlerWithOptions(s, nil, api.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  httpserver.Unreadable,
		ResponseErrorHandlerFunc: problem.Write,
	})
	return httpserver.ValidateRequests(spec)(api.Handler(handlers)), nil
}

// answer is what the client gets, in the bytes that are stored for a repetition.
type answer struct{ idempotency.Response }

// VisitPlaceOrderResponse writes the answer.
func (a answer) VisitPlaceOrderResponse(w http.ResponseWriter) error {
	return idempotency.Write(w, a.Response, false)
}

// PlaceOrder does everything before it answers, so that its latency is that of the whole saga.
func (s *Shop) PlaceOrder(ctx context.Context, r api.PlaceOrderRequestObject) (api.PlaceOrderResponseObject, error) {
	request, err := idempotency.ForOperation("POST /v1/orders", "orders", r.Params.IdempotencyKey, r.Body)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	o := &work{id: id.String(), body: r.Body, request: request}
	for _, step := range []struct {
		of events.Service
		do func(context.Context, pgx.Tx, *work) error
	}{
		{events.Order, accept}, {events.Inventory, reserve}, {events.Payment, intend},
		{"", nil}, // the charge, outside of any transaction
		{events.Payment, capture}, {events.Shipping, ship}, {events.Inventory, sell}, {events.Order, confirm},
	} {
		if step.do == nil {
			err = s.charge(ctx, o)
		} else {
			err = pgx.BeginFunc(ctx, s.Pools[step.of], func(tx pgx.Tx) error { return step.do(ctx, tx, o) })
		}
		if err != nil {
			return nil, fmt.Errorf("place an order: %w", err)
		}
	}
	return answer{o.answer}, nil
}

// charge asks the gateway for the money, through the ambassador.
func (s *Shop) charge(ctx context.Context, o *work) error {
	answered, err := s.Gateway.CreateChargeWithResponse(ctx,
		&gateway.CreateChargeParams{IdempotencyKey: "charge:" + o.id},
		gateway.ChargeRequest{MerchantReference: o.id, Amount: o.total, Currency: "USD", PaymentMethod: o.body.PaymentMethod})
	if err != nil {
		return err
	}
	if answered.JSON201 == nil {
		return fmt.Errorf("the gateway answered %s", answered.Status())
	}
	o.chargeID = answered.JSON201.Id
	return nil
}

// encode is the order as the client sees it.
func (o *work) encode() (idempotency.Response, error) {
	items := make([]api.Item, len(o.lines))
	for i, line := range o.lines {
		items[i] = api.Item{Sku: line.SKU, Quantity: line.Quantity, UnitPrice: line.UnitPrice}
	}
	body, err := json.Marshal(api.Order{
		Id: o.id, CustomerId: o.body.CustomerId, Status: api.PENDING, Items: items, Incidents: []api.Incident{},
		Total: api.Money{Amount: o.total, Currency: "USD"}, PaymentMethod: o.body.PaymentMethod,
		ShipTo: api.Address(o.body.ShipTo),
	})
	return idempotency.Response{
		Status: http.StatusAccepted, Body: body,
		Header: map[string]string{"Content-Type": "application/json", "Location": "/v1/orders/" + o.id},
	}, err
}
