package order

import (
	"encoding/base64"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/order/api"
)

// command is what a request's body asks for.
func command(body *api.NewOrder) PlaceOrder {
	to := body.ShipTo
	c := PlaceOrder{
		CustomerID: body.CustomerId, PaymentMethod: body.PaymentMethod,
		ShipTo: events.Address{Name: to.Name, Street: to.Street, City: to.City, PostalCode: to.PostalCode,
			Country: to.Country},
	}
	for _, item := range body.Items {
		c.Items = append(c.Items, Item{SKU: item.Sku, Quantity: item.Quantity})
	}
	if body.ContactEmail != nil {
		c.Contact = *body.ContactEmail
	}
	if total := body.ExpectedTotal; total != nil {
		c.ExpectedTotal = &events.Money{Amount: total.Amount, Currency: total.Currency}
	}
	return c
}

// resource is an order as the outside sees it.
func resource(o Order) api.Order {
	to := o.ShipTo
	view := api.Order{
		Id:         o.OrderID,
		CustomerId: o.CustomerID,
		Status:     api.Status(o.public()),
		Total:      api.Money(o.Total),
		Items:      make([]api.Item, 0, len(o.Lines)),
		ShipTo: api.Address{Name: to.Name, Street: to.Street, City: to.City, PostalCode: to.PostalCode,
			Country: to.Country},
		PaymentMethod:     o.PaymentMethod,
		CreatedAt:         o.CreatedAt.UTC(),
		UpdatedAt:         o.UpdatedAt.UTC(),
		Deadline:          o.Deadline.UTC(),
		CancelRequestedAt: utc(o.CancelRequestedAt),
		Incidents:         incidents(o),
	}
	view.Reason, view.ShipmentId, view.ContactEmail = orNil(o.Reason), orNil(o.ShipmentID), orNil(o.Contact)
	for _, line := range o.Lines {
		view.Items = append(view.Items, api.Item{Sku: line.SKU, Quantity: line.Quantity, UnitPrice: line.UnitPrice})
	}
	return view
}

func incidents(o Order) []api.Incident {
	views := make([]api.Incident, 0, len(o.Incidents))
	for _, i := range o.Incidents {
		views = append(views, api.Incident{
			Id: i.ID, Service: i.Service, Kind: i.Kind, Reason: i.Reason, OpenedAt: i.OpenedAt.UTC(),
			ResolvedAt: utc(i.ResolvedAt),
		})
	}
	return views
}

func utc(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	return new(at.UTC())
}

// A cursor is the id of the last order of a page, encoded so that no client parses it.

const (
	defaultPage = 50
	newest      = "ffffffff-ffff-ffff-ffff-ffffffffffff" // no order is newer
)

// position is the id behind a cursor: the page has what is older.
func position(cursor *string) (before string, err error) {
	if cursor == nil {
		return newest, nil
	}
	id, err := base64.RawURLEncoding.DecodeString(*cursor)
	if err != nil || len(id) != len(uuid.UUID{}) {
		return "", problem.New(http.StatusBadRequest, "the cursor is not one that a page came with")
	}
	return uuid.UUID(id).String(), nil
}

// page is up to limit orders; one more of them means that there is a next page.
func page(orders []Order, limit int) (shown []Order, next *string) {
	if len(orders) <= limit {
		return orders, nil
	}
	last := uuid.MustParse(orders[limit-1].OrderID) // the database knows it as a UUID
	return orders[:limit], new(base64.RawURLEncoding.EncodeToString(last[:]))
}

func resources[View any](orders []Order, show func(Order) View) []View {
	views := make([]View, 0, len(orders))
	for _, order := range orders {
		views = append(views, show(order))
	}
	return views
}

// orNil leaves an empty text out of an answer.
func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
