// Package inventory keeps the stock: it holds what orders need, sells what is shipped, and releases
// what is undone.
package inventory

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/pkg/events"
)

// State is how far an order has come in the inventory.
type State string

// RESERVED becomes SOLD or RELEASED; the others are final.
const (
	Reserved State = "RESERVED" // all that the order needs is held for it
	Sold     State = "SOLD"     // it was shipped
	Released State = "RELEASED" // it was undone; without lines: before it came here (a tombstone)
	Rejected State = "REJECTED" // the stock did not suffice; nothing was held
)

// kindUnanswered is the kind of incident of an order whose stock is held, and nobody answers why still.
const kindUnanswered = "unanswered"

// Reservation is what the inventory knows about one order.
type Reservation struct {
	State     State
	Lines     []Line // none in a tombstone
	Reason    string // why it was rejected or released
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Line is a quantity of one SKU.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// Stock is how much there is of one SKU.
type Stock struct {
	SKU       string
	Available int64 // what a new order can have
	Reserved  int64 // what is held for orders under way
	Sold      int64 // what was shipped
}

// Adjustment is an entry in the ledger of stock: goods that came (positive) or were lost (negative).
type Adjustment struct {
	ID        uuid.UUID
	SKU       string
	Delta     int64
	Reason    string
	CreatedAt time.Time
	After     Stock // the stock as the adjustment left it
}

// quantities is how much an order needs of each SKU, every SKU once, in SKU order. An order for nothing, or for
// less than one of something, is an error: holding a negative quantity would make stock out of nothing.
func quantities(lines []events.Line) ([]Line, error) {
	if len(lines) == 0 {
		return nil, fmt.Errorf("an order without lines")
	}
	quantity := make(map[string]int64, len(lines))
	for _, line := range lines {
		if line.Quantity < 1 {
			return nil, fmt.Errorf("an order for %d of %q", line.Quantity, line.SKU)
		}
		quantity[line.SKU] += int64(line.Quantity)
	}
	sorted := make([]Line, 0, len(quantity))
	for _, sku := range slices.Sorted(maps.Keys(quantity)) {
		sorted = append(sorted, Line{sku, quantity[sku]})
	}
	return sorted, nil
}

// covers reports whether so much can be added to what is available, or taken from it. What is held for
// orders or sold to them is out of reach.
func (s Stock) covers(delta int64) bool { return s.Available+delta >= 0 }
