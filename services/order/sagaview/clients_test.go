package sagaview

import (
	"testing"
	"time"

	"example.com/ordersaga/services/order/api"
)

func TestClients_AServiceWithoutAnAddressIsNotAsked(t *testing.T) {
	t.Parallel()
	got := NewClients(Addresses{}, time.Second).Saga(t.Context(), api.Order{})
	same(t, "inventory", got.Inventory, ServiceStatus{Unavailable: "the address of inventory is not configured"})
}
