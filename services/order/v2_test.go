package order

import (
	"encoding/json"
	"net/http"
	"testing"

	"example.com/ordersaga/services/order/api"
)

// inV2 reads an answer of the second version.
func inV2[View any](t *testing.T, got answer, status int) (view View) {
	t.Helper()
	same(t, "status", got.status, status)
	if err := json.Unmarshal([]byte(got.body), &view); err != nil {
		t.Fatalf("%s: %v", got.body, err)
	}
	return view
}

// There is one order behind both versions, wherever it was placed.
func TestV2_AnOrderIsTheSame(t *testing.T) {
	t.Parallel()
	s := open(t)
	placed := s.send(http.MethodPost, "/v2/orders", bodyV2, "Content-Type", plainJSON, "Idempotency-Key", "2")
	second := inV2[api.OrderV2](t, placed, http.StatusAccepted)
	path := "/v2/orders/" + second.Id
	same(t, "location", placed.header.Get("Location"), path)
	same(t, "read again", s.send(http.MethodGet, path, "").body, placed.body)
	same(t, "in version 2", second, api.OrderV2{
		Id: second.Id, CustomerId: "ada",
		Status:        api.Standing{State: api.PENDING, Deadline: second.Status.Deadline},
		Total:         api.Money{Amount: 3998, Currency: "USD"},
		Items:         []api.PricedItem{{Sku: "widget", Quantity: 2, UnitPrice: api.Money{Amount: 1999, Currency: "USD"}}},
		ShipTo:        api.Destination{Recipient: "Ada", Address: api.Place{Street: "Rue 1", City: "Bern", PostalCode: "3000", Country: "CH"}},
		PaymentMethod: "tok_visa", ContactEmail: new("ada@customers.example"), CreatedAt: second.CreatedAt, UpdatedAt: second.UpdatedAt, Incidents: []api.Incident{},
		Links: api.Links{Self: path, Cancel: new(path + "/cancel"), Saga: "/v1/orders/" + second.Id + "/saga"},
	})
	first, err := s.client.GetOrderWithResponse(t.Context(), second.Id)
	if err != nil || first.JSON200 == nil {
		t.Fatalf("%v, %v", first, err)
	}
	same(t, "in version 1", *first.JSON200, api.Order{
		Id: second.Id, CustomerId: "ada", Status: api.PENDING, Total: second.Total,
		Items:  []api.Item{{Sku: "widget", Quantity: 2, UnitPrice: 1999}},
		ShipTo: api.Address{Name: "Ada", Street: "Rue 1", City: "Bern", PostalCode: "3000", Country: "CH"}, PaymentMethod: "tok_visa",
		ContactEmail: new("ada@customers.example"), CreatedAt: second.CreatedAt, UpdatedAt: second.UpdatedAt, Deadline: second.Status.Deadline, Incidents: []api.Incident{},
	})
	same(t, "published", published(t, s.pool, second.Id), []string{"OrderCreated"})

	older := s.placed("1").Id
	list := inV2[api.OrderListV2](t, s.send(http.MethodGet, "/v2/orders?limit=1", ""), http.StatusOK)
	same(t, "the newest", list.Orders[0].Id, older)
	list = inV2[api.OrderListV2](t, s.send(http.MethodGet, "/v2/orders?limit=1&cursor="+*list.NextCursor, ""), http.StatusOK)
	same(t, "the one before", list.Orders, []api.OrderV2{second})
}

func TestV2_AnOrderShowsItsEnd(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.placed("k").Id
	asked := inV2[api.OrderV2](t, s.send(http.MethodPost, "/v2/orders/"+id+"/cancel", ""), http.StatusAccepted)
	if asked.Status.State != api.CANCELLING || asked.Status.CancelRequestedAt == nil || asked.Status.Final || asked.Links.Cancel == nil {
		t.Errorf("when its cancel is asked for it shows %+v", asked)
	}
	ended := s.placed("ended").Id
	deliver(t, s.pool, rejected(ended))
	got := inV2[api.OrderV2](t, s.send(http.MethodGet, "/v2/orders/"+ended, ""), http.StatusOK)
	if got.Status.State != api.CANCELLED || !got.Status.Final || got.Status.Reason == nil || *got.Status.Reason != "out_of_stock" || got.Links.Cancel != nil {
		t.Errorf("when it has ended it shows %+v", got)
	}
	isProblem(t, s.send(http.MethodPost, "/v2/orders/"+ended+"/cancel", ""), http.StatusConflict)
	isProblem(t, s.send(http.MethodGet, "/v2/orders/"+newID(t), ""), http.StatusNotFound)
	isProblem(t, s.send(http.MethodGet, "/v2/orders?cursor=nonsense", ""), http.StatusBadRequest)
}

// Each version takes its own words alone: a body that would be half understood is refused as a whole.
func TestV2_NeitherVersionTakesTheOthersBody(t *testing.T) {
	t.Parallel()
	s := open(t)
	isProblem(t, s.send(http.MethodPost, "/v2/orders", body, "Content-Type", plainJSON, "Idempotency-Key", "1"), http.StatusUnprocessableEntity)
	isProblem(t, s.send(http.MethodPost, "/v1/orders", bodyV2, "Content-Type", plainJSON, "Idempotency-Key", "2"), http.StatusUnprocessableEntity)
	s.holdsNothing(t)
}
