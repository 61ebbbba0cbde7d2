// Package client drives the system over the public HTTP APIs of its services: it places, reads and cancels orders, and
// sets the stock.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
	inventory "example.com/ordersaga/services/inventory/api"
	notification "example.com/ordersaga/services/notification/api"
	order "example.com/ordersaga/services/order/api"
)

// Client makes requests to the services' public APIs.
type Client struct {
	orders *order.ClientWithResponses
	stock  *inventory.ClientWithResponses
	mails  *notification.ClientWithResponses
}

// New is a client of a running system. It makes no request yet.
func New(system endpoints.Description) (*Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// Many orders at once keep their connections: a load has up to 256 orders in flight.
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 512
	web := &http.Client{Timeout: 30 * time.Second, Transport: transport}
	orders, err := order.NewClientWithResponses(system.URLs[string(events.Order)], order.WithHTTPClient(web))
	if err != nil {
		return nil, fmt.Errorf("the order service's address: %w", err)
	}
	stock, err := inventory.NewClientWithResponses(system.URLs[string(events.Inventory)], inventory.WithHTTPClient(web))
	if err != nil {
		return nil, fmt.Errorf("the inventory service's address: %w", err)
	}
	mails, err := notification.NewClientWithResponses(system.URLs[string(events.Notification)],
		notification.WithHTTPClient(web))
	if err != nil {
		return nil, fmt.Errorf("the notification service's address: %w", err)
	}
	return &Client{orders, stock, mails}, nil
}

// NewOrder is what to order.
type NewOrder struct {
	Items   []order.NewItem
	Token   string
	Country string
	Email   string               // gets the mails about the order; empty: none are sent
	Total   *order.ExpectedTotal // the price that the customer agreed to; nil: any price
	Key     string               // the Idempotency-Key; empty: a new one
}

// One is an order for some pieces of one SKU, paid with an approved card and shipped inside Germany.
func One(sku string, quantity int) NewOrder {
	return NewOrder{Items: []order.NewItem{{Sku: sku, Quantity: quantity}}, Token: "tok_visa", Country: "DE"}
}

// Place places an order. It returns the order and the answer's bytes.
func (c *Client) Place(ctx context.Context, o NewOrder) (order.Order, []byte, error) {
	if o.Key == "" {
		o.Key = uuid.NewString()
	}
	var contact *string
	if o.Email != "" {
		contact = &o.Email
	}
	answer, err := c.orders.PlaceOrderWithResponse(ctx, &order.PlaceOrderParams{IdempotencyKey: o.Key}, order.NewOrder{
		ContactEmail:  contact,
		CustomerId:    "customer-1",
		ExpectedTotal: o.Total,
		Items:         o.Items,
		PaymentMethod: o.Token,
		ShipTo: order.NewAddress{
			Name: "Ada Lovelace", Street: "Chausseestr. 1", City: "Berlin", PostalCode: "10115", Country: o.Country,
		},
	})
	if err != nil {
		return order.Order{}, nil, fmt.Errorf("place an order: %w", err)
	}
	if answer.JSON202 == nil {
		return order.Order{}, nil, fmt.Errorf("place an order: %w", refused(answer.HTTPResponse, answer.Body))
	}
	return *answer.JSON202, answer.Body, nil
}

// Get is the order as it is now.
func (c *Client) Get(ctx context.Context, id string) (order.Order, error) {
	answer, err := c.orders.GetOrderWithResponse(ctx, id)
	if err != nil {
		return order.Order{}, fmt.Errorf("get order %s: %w", id, err)
	}
	if answer.JSON200 == nil {
		return order.Order{}, fmt.Errorf("get order %s: %w", id, refused(answer.HTTPResponse, answer.Body))
	}
	return *answer.JSON200, nil
}

// Snapshot is the order as events carry it.
func (c *Client) Snapshot(ctx context.Context, id string) (events.Snapshot, error) {
	o, err := c.Get(ctx, id)
	to := o.ShipTo
	snapshot := events.Snapshot{
		OrderID: o.Id, CustomerID: o.CustomerId, Total: events.Money(o.Total), PaymentMethod: o.PaymentMethod,
		ShipTo: events.Address{Name: to.Name, Street: to.Street, City: to.City, PostalCode: to.PostalCode,
			Country: to.Country},
	}
	for _, item := range o.Items {
		line := events.Line{SKU: item.Sku, Quantity: item.Quantity, UnitPrice: item.UnitPrice}
		snapshot.Lines = append(snapshot.Lines, line)
	}
	return snapshot, err
}

// Saga is how far the order is in every service.
func (c *Client) Saga(ctx context.Context, id string) (order.Saga, error) {
	answer, err := c.orders.GetSagaWithResponse(ctx, id)
	if err != nil {
		return order.Saga{}, fmt.Errorf("get the saga of order %s: %w", id, err)
	}
	if answer.JSON200 == nil {
		return order.Saga{}, fmt.Errorf("get the saga of order %s: %w", id,
			refused(answer.HTTPResponse, answer.Body))
	}
	return *answer.JSON200, nil
}

// Mails are what became of the mails about an order, the oldest first.
func (c *Client) Mails(ctx context.Context, id string) ([]notification.Mail, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return nil, fmt.Errorf("get the mails of order %s: it is no order's id", id)
	}
	answer, err := c.mails.GetMailsWithResponse(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("get the mails of order %s: %w", id, err)
	}
	if answer.JSON200 == nil {
		return nil, fmt.Errorf("get the mails of order %s: %w", id, refused(answer.HTTPResponse, answer.Body))
	}
	return answer.JSON200.Mails, nil
}

// List is a page of orders, the newest first; empty status: all.
func (c *Client) List(ctx context.Context, status string, limit int, cursor string) (order.OrderList, error) {
	params := &order.ListOrdersParams{Limit: &limit}
	if status != "" {
		params.Status = (*order.Status)(&status)
	}
	if cursor != "" {
		params.Cursor = &cursor
	}
	answer, err := c.orders.ListOrdersWithResponse(ctx, params)
	if err != nil {
		return order.OrderList{}, fmt.Errorf("list orders: %w", err)
	}
	if answer.JSON200 == nil {
		return order.OrderList{}, fmt.Errorf("list orders: %w", refused(answer.HTTPResponse, answer.Body))
	}
	return *answer.JSON200, nil
}

// Cancel asks for an order to be undone.
func (c *Client) Cancel(ctx context.Context, id string) (order.Order, error) {
	answer, err := c.orders.CancelOrderWithResponse(ctx, id)
	if err != nil {
		return order.Order{}, fmt.Errorf("cancel order %s: %w", id, err)
	}
	if answer.JSON202 == nil {
		return order.Order{}, fmt.Errorf("cancel order %s: %w", id, refused(answer.HTTPResponse, answer.Body))
	}
	return *answer.JSON202, nil
}

// Await waits until the order has ended or needs a person.
func (c *Client) Await(ctx context.Context, id string) (order.Order, error) {
	for {
		o, err := c.Get(ctx, id)
		if err != nil || o.Status == order.CONFIRMED || o.Status == order.CANCELLED || o.Status == order.NEEDSATTENTION {
			return o, err
		}
		select {
		case <-ctx.Done():
			return o, fmt.Errorf("wait for order %s, which is %s: %w", id, o.Status, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// refused is why a request was not carried out: what the problem document in the answer's body says, if it is one.
func refused(response *http.Response, body []byte) error {
	var problem struct{ Detail string }
	_ = json.Unmarshal(body, &problem) // what is between us and the service may answer something else
	status := response.StatusCode
	return &endpoints.Refused{Status: status, Title: http.StatusText(status), Detail: problem.Detail}
}
