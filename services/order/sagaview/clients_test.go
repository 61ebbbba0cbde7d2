package sagaview

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"example.com/ordersaga/services/order/api"
)

func TestClients_AServiceWithoutAnAddressIsNotAsked(t *testing.T) {
	t.Parallel()
	got := NewClients(Addresses{}, time.Second).Saga(t.Context(), api.Order{})
	same(t, "inventory", got.Inventory, ServiceStatus{Unavailable: "the address of inventory is not configured"})
}

// All three hang, and a reader waits as long as for one.
func TestClients_ServicesThatHangAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hang.Close)
	began := time.Now()
	got := NewClients(Addresses{hang.URL, hang.URL, hang.URL}, Timeout).Saga(t.Context(), api.Order{})
	waited := time.Since(began)
	t.Logf("measured: answered after %d ms", waited.Milliseconds())
	same(t, "shipping", got.Shipping, ServiceStatus{Unavailable: "shipping cannot be reached"})
	if waited > 2*Timeout {
		t.Errorf("a reader waited %v", waited)
	}
}
