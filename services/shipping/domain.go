// Package shipping ships what is paid. It alone decides whether an order can still be cancelled: until
// there is a shipment, and never after.
package shipping

import (
	"time"

	"example.com/ordersaga/pkg/events"
)

// State is what became of an order's shipment.
type State string

// All of them are final.
const (
	Created State = "CREATED" // it is on its way
	Failed  State = "FAILED"  // it cannot be shipped
	Fenced  State = "FENCED"  // it was cancelled before there was a shipment (a tombstone)
)

// Shipment is what shipping knows about one order.
type Shipment struct {
	State      State
	ShipmentID string           // of what is created
	Reason     string           // why there is no shipment
	ShipTo     *events.Address  // nil when the order was cancelled before it came here
	Order      *events.Snapshot // of what is created: its event carries it
	CreatedAt  time.Time
}

// Why there is no shipment.
const (
	notServed = "destination_not_served"
	cancelled = "cancelled"
)

// decide is the outcome of a paid order: a shipment with this id, or a definite failure.
func decide(id string, order events.Snapshot) Shipment {
	if country := order.ShipTo.Country; country == "AQ" { // nobody delivers to Antarctica
		return Shipment{State: Failed, Reason: notServed + ": " + country, ShipTo: &order.ShipTo}
	}
	return Shipment{State: Created, ShipmentID: id, ShipTo: &order.ShipTo, Order: &order}
}

// fence keeps a cancelled order from being shipped later.
func fence() Shipment { return Shipment{State: Fenced, Reason: cancelled} }
