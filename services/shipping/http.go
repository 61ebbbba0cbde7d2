package shipping

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/shipping/api"
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
	return httpserver.ValidateRequests(spec)(api.HandlerWithOptions(handlers, api.ChiServerOptions{
		ErrorHandlerFunc: httpserver.Unreadable,
	}))
}

// server answers requests.
type server struct {
	pool *pgxpool.Pool
}

// GetShipment answers GET /v1/shipments/{order_id}.
func (s server) GetShipment(ctx context.Context,
	request api.GetShipmentRequestObject) (api.GetShipmentResponseObject, error) {
	shipment, err := shipmentOf(ctx, s.pool, request.OrderId.String())
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.New(http.StatusNotFound, "nothing is known about this order")
	}
	return api.GetShipment200JSONResponse(shipmentView(request.OrderId, shipment)), err
}

func shipmentView(orderID uuid.UUID, s Shipment) api.Shipment {
	view := api.Shipment{OrderId: orderID, State: api.ShipmentState(s.State), CreatedAt: s.CreatedAt.UTC()}
	if s.ShipmentID != "" {
		view.ShipmentId = &s.ShipmentID
	}
	if s.Reason != "" {
		view.Reason = &s.Reason
	}
	if s.ShipTo != nil {
		view.ShipTo = &api.Address{
			Name: s.ShipTo.Name, Street: s.ShipTo.Street, City: s.ShipTo.City,
			PostalCode: s.ShipTo.PostalCode, Country: s.ShipTo.Country,
		}
	}
	return view
}
