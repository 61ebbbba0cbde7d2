package sagas

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/system/verify"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

const wantedV2 = `{"customer_id": "ada", "items": [{"sku": "widget", "quantity": 1}], "payment_method": "tok_visa",
	"ship_to": {"recipient": "Ada", "address": {"street": "Rue 1", "city": "Bern", "postal_code": "3000", "country": "CH"}}}`

// bothAPIs: a customer who speaks the second version of the API is served like everybody else, in whatever way
// they say so; what becomes of the order is the same in both.
func bothAPIs(t *testing.T, w *system) {
	for name, choice := range map[string]struct {
		path   string
		header http.Header
	}{
		"by address":    {"/v2/orders", http.Header{"Content-Type": {"application/json"}}},
		"by header":     {"/orders", http.Header{"Content-Type": {"application/json"}, "Api-Version": {"2"}}},
		"by media type": {"/orders", http.Header{"Content-Type": {"application/vnd.ordersaga.v2+json"}, "Accept": {"application/vnd.ordersaga.v2+json"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := uuid.NewString()
			choice.header.Set("Idempotency-Key", key)
			got := request(t, http.DefaultClient, http.MethodPost, w.At.URLs["order"]+choice.path, wantedV2, choice.header)
			var placed order.OrderV2
			if err := json.Unmarshal([]byte(got.body), &placed); err != nil || got.status != http.StatusAccepted {
				t.Fatalf("answered %d %s", got.status, got.body)
			}
			w.Promised(verify.Acknowledged{OrderID: placed.Id, Key: key, Body: []byte(got.body)})
			first := w.Ends(t, placed.Id)
			got = request(t, http.DefaultClient, http.MethodGet, w.At.URLs["order"]+placed.Links.Self, "", nil)
			var second order.OrderV2
			if err := json.Unmarshal([]byte(got.body), &second); err != nil {
				t.Fatalf("answered %d %s", got.status, got.body)
			}
			if first.Status != order.CONFIRMED || second.Status.State != first.Status || !second.Status.Final || second.Links.Cancel != nil ||
				kit.Deref(second.ShipmentId) == "" || kit.Deref(second.ShipmentId) != kit.Deref(first.ShipmentId) {
				t.Errorf("it ended as %+v, and as %+v in the second version", first, second)
			}
		})
	}
}
