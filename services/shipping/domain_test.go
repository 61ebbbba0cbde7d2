package shipping

import (
	"reflect"
	"testing"

	"example.com/ordersaga/pkg/events"
)

func TestDecide_APaidOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, country string
		want          Shipment
	}{
		{"it is shipped where we deliver", "GB", Shipment{State: Created, ShipmentID: "shp_1"}},
		{"it fails for good where we do not", "AQ", Shipment{State: Failed, Reason: "destination_not_served: AQ"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			address := events.Address{Name: "Ada Lovelace", Country: c.country}
			order := events.Snapshot{OrderID: "o-1", ShipTo: address}
			got := decide("shp_1", order)
			if got.ShipTo == nil || *got.ShipTo != address {
				t.Errorf("it goes to %v, want %v", got.ShipTo, address)
			}
			if shipped := got.State == Created; shipped != reflect.DeepEqual(got.Order, &order) {
				t.Errorf("it keeps the order %+v", got.Order)
			}
			got.ShipTo, got.Order = nil, nil
			if got != c.want {
				t.Errorf("decide(%s) = %+v, want %+v", c.country, got, c.want)
			}
		})
	}
}

func TestFence_ShipsNothing(t *testing.T) {
	t.Parallel()
	if got, want := fence(), (Shipment{State: Fenced, Reason: "cancelled"}); got != want {
		t.Errorf("fence() = %+v, want %+v", got, want)
	}
}
