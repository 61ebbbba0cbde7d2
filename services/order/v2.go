package order

import (
	"context"
	"net/http"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/services/order/api"
	"example.com/ordersaga/services/order/apiversion"
)

// inVersion is an order as a version of the API shows it.
func inVersion(v apiversion.Version, o Order) any {
	if v == apiversion.V2 {
		return resourceV2(o)
	}
	return resource(o)
}

// The second version of the API has other fields and no behaviour of its own: a body becomes the same command, and an
// answer shows the same order.

// PlaceOrderV2 is PlaceOrder.
func (s server) PlaceOrderV2(ctx context.Context,
	r api.PlaceOrderV2RequestObject) (api.PlaceOrderV2ResponseObject, error) {
	return s.accept(ctx, apiversion.V2, r.Params.IdempotencyKey, r.Body, commandV2(r.Body))
}

// VisitPlaceOrderV2Response is VisitPlaceOrderResponse.
func (p placed) VisitPlaceOrderV2Response(w http.ResponseWriter) error {
	return idempotency.Write(w, p.answer, p.replayed)
}

// GetOrderV2 is GetOrder.
func (s server) GetOrderV2(ctx context.Context, r api.GetOrderV2RequestObject) (api.GetOrderV2ResponseObject, error) {
	order, err := s.read(ctx, r.Id)
	if err != nil {
		return nil, err
	}
	view := resourceV2(order)
	view.WaitingFor = s.clients.Waiting(ctx, resource(order))
	return api.GetOrderV2200JSONResponse(view), nil
}

// CancelOrderV2 is CancelOrder.
func (s server) CancelOrderV2(ctx context.Context,
	r api.CancelOrderV2RequestObject) (api.CancelOrderV2ResponseObject, error) {
	order, err := s.cancel(ctx, r.Id)
	return api.CancelOrderV2202JSONResponse(resourceV2(order)), err
}

// ListOrdersV2 is ListOrders.
func (s server) ListOrdersV2(ctx context.Context,
	r api.ListOrdersV2RequestObject) (api.ListOrdersV2ResponseObject, error) {
	orders, next, err := s.list(ctx, r.Params.Status, r.Params.Cursor, r.Params.Limit)
	return api.ListOrdersV2200JSONResponse{Orders: resources(orders, resourceV2), NextCursor: next}, err
}

// commandV2 is what a request's body asks for.
func commandV2(body *api.NewOrderV2) PlaceOrder {
	to, at := body.ShipTo, body.ShipTo.Address
	return command(&api.NewOrder{
		CustomerId: body.CustomerId, Items: body.Items, PaymentMethod: body.PaymentMethod, ExpectedTotal: body.ExpectedTotal,
		ContactEmail: body.ContactEmail,
		ShipTo: api.NewAddress{Name: to.Recipient, Street: at.Street, City: at.City, PostalCode: at.PostalCode,
			Country: at.Country},
	})
}

// resourceV2 is an order as the second version shows it.
func resourceV2(o Order) api.OrderV2 {
	first, to := resource(o), o.ShipTo
	view := api.OrderV2{
		Id:         first.Id,
		CustomerId: first.CustomerId,
		Status: api.Standing{
			State: first.Status, Final: o.Status.terminal(), Reason: first.Reason,
			Deadline: first.Deadline, CancelRequestedAt: first.CancelRequestedAt,
		},
		Total: first.Total,
		Items: make([]api.PricedItem, 0, len(o.Lines)),
		ShipTo: api.Destination{
			Recipient: to.Name,
			Address:   api.Place{Street: to.Street, City: to.City, PostalCode: to.PostalCode, Country: to.Country},
		},
		PaymentMethod: first.PaymentMethod,
		ContactEmail:  first.ContactEmail,
		CreatedAt:     first.CreatedAt,
		UpdatedAt:     first.UpdatedAt,
		ShipmentId:    first.ShipmentId,
		Incidents:     first.Incidents,
		Links:         api.Links{Self: apiversion.V2.Path(o.OrderID), Saga: apiversion.V1.Path(o.OrderID) + "/saga"},
	}
	if !o.Status.terminal() {
		view.Links.Cancel = new(view.Links.Self + "/cancel")
	}
	for _, line := range o.Lines {
		price := api.Money(events.Money{Amount: line.UnitPrice, Currency: o.Total.Currency})
		view.Items = append(view.Items, api.PricedItem{Sku: line.SKU, Quantity: line.Quantity, UnitPrice: price})
	}
	return view
}
