// Package order takes orders and owns their fate: prices, totals, deadlines, and whether an order ends
// confirmed or cancelled.
package order

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"example.com/ordersaga/contracts/gateway"
	"example.com/ordersaga/pkg/events"
)

// Status is how far an order is.
type Status string

// PENDING becomes CONFIRMED or CANCELLED, perhaps by way of CANCELLING. The last two are terminal.
// NEEDS_ATTENTION is what the outside sees while an incident is open; it is never stored.
const (
	Pending        Status = "PENDING"
	Cancelling     Status = "CANCELLING"
	Confirmed      Status = "CONFIRMED"
	Cancelled      Status = "CANCELLED"
	NeedsAttention Status = "NEEDS_ATTENTION"
)

func (s Status) terminal() bool { return s == Confirmed || s == Cancelled }

// Who requests a cancel.
const (
	byCustomer = "customer"
	byDeadline = "deadline"
)

// kindOverdue is the kind of incident of an order whose cancel takes too long. The order service opens no other.
const kindOverdue = "overdue"

// Order is an order as it was accepted, and what has become of it.
type Order struct {
	events.Snapshot
	Contact           string // where mails about it go; empty: none are sent
	Status            Status // as it is stored; see public
	Reason            string // why it is cancelled or being cancelled
	ShipmentID        string
	Deadline          time.Time
	CancelRequestedAt *time.Time
	CreatedAt         time.Time
	UpdatedAt         time.Time
	Incidents         []Incident // oldest first
}

// Incident is something that keeps an order from going on by itself, in some service.
type Incident struct {
	ID         string     `json:"id"`
	Service    string     `json:"service"`
	Kind       string     `json:"kind"`
	Reason     string     `json:"reason"`
	OpenedAt   time.Time  `json:"opened_at"`
	ResolvedAt *time.Time `json:"resolved_at"`
}

// public is the status that the outside sees.
func (o Order) public() Status {
	if o.Status.terminal() {
		return o.Status
	}
	for _, incident := range o.Incidents {
		if incident.ResolvedAt == nil {
			return NeedsAttention
		}
	}
	return o.Status
}

// stored are the stored states that an order may have whose public status is this one, and whether an incident
// must be open (nil: either way). The empty status stands for all.
func stored(public Status) (states []Status, open *bool) {
	yes, no := true, false
	switch public {
	case NeedsAttention:
		return []Status{Pending, Cancelling}, &yes
	case Pending, Cancelling:
		return []Status{public}, &no
	case Confirmed, Cancelled:
		return []Status{public}, nil
	default:
		return []Status{Pending, Cancelling, Confirmed, Cancelled}, nil
	}
}

// PlaceOrder is what a customer orders.
type PlaceOrder struct {
	CustomerID    string
	Items         []Item
	PaymentMethod string
	ShipTo        events.Address
	Contact       string        // the customer's mail address, where they want mails
	ExpectedTotal *events.Money // nil: the customer takes it as it comes
}

// Item is a quantity of one SKU.
type Item struct {
	SKU      string
	Quantity int
}

// Refusal is why a command does not become an order, as the customer reads it.
type Refusal string

func (r Refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return Refusal(fmt.Sprintf(format, args...)) }

const (
	maxLines    = 50   // what fits on a packing slip, and into one event
	maxQuantity = 1000 // more of one SKU is a matter for a salesman
)

// accept turns a command into an order at today's prices, or refuses it.
func accept(id string, command PlaceOrder, prices map[string]events.Money) (events.Snapshot, error) {
	lines, total, err := price(command.Items, prices)
	if err != nil {
		return events.Snapshot{}, err
	}
	if want := command.ExpectedTotal; want != nil && *want != total {
		return events.Snapshot{}, refuse("the order costs %d %s in minor units, not %d %s", total.Amount, total.Currency,
			want.Amount, want.Currency)
	}
	if why := gateway.Refusal(total.Amount, total.Currency, command.PaymentMethod); why != "" {
		return events.Snapshot{}, refuse("%s", why) // later there would be nobody to refuse it to
	}
	order := events.Snapshot{
		OrderID: id, CustomerID: command.CustomerID, Lines: lines, Total: total,
		PaymentMethod: command.PaymentMethod, ShipTo: command.ShipTo,
	}
	return order, fits(order)
}

// price looks up what each item costs, and adds up.
func price(items []Item, prices map[string]events.Money) (lines []events.Line, total events.Money, err error) {
	if len(items) < 1 || len(items) > maxLines {
		return nil, total, refuse("an order has 1 to %d lines, not %d", maxLines, len(items))
	}
	seen := make(map[string]bool, len(items))
	for _, item := range items {
		unit, known := prices[item.SKU]
		switch {
		case !known:
			return nil, total, refuse("there is no SKU %q", item.SKU)
		case unit.Amount < 1:
			return nil, total, refuse("SKU %q is not sold: it has no price", item.SKU)
		case seen[item.SKU]:
			return nil, total, refuse("SKU %q stands in the order twice", item.SKU)
		case item.Quantity < 1 || item.Quantity > maxQuantity:
			return nil, total, refuse("the quantity of %q must be 1 to %d, not %d", item.SKU, maxQuantity, item.Quantity)
		case len(lines) > 0 && unit.Currency != total.Currency:
			return nil, total, refuse("SKU %q is sold in %s, other lines in %s", item.SKU, unit.Currency, total.Currency)
		case unit.Amount > (math.MaxInt64-total.Amount)/int64(item.Quantity):
			return nil, total, refuse("the order costs more than can be counted")
		}
		seen[item.SKU] = true
		lines = append(lines, events.Line{SKU: item.SKU, Quantity: item.Quantity, UnitPrice: unit.Amount})
		total = events.Money{Amount: total.Amount + unit.Amount*int64(item.Quantity), Currency: unit.Currency}
	}
	return lines, total, nil
}

// eventVersion is the version of OrderCreated in which the order service publishes new orders. The first is the default
// until every consumer handles the second: a version that no consumer subscribes to yet is delivered to nobody.
type eventVersion int

func (v eventVersion) created(order events.Snapshot, contact string) events.Event {
	first := events.OrderCreated{Snapshot: order, ContactEmail: contact}
	if v == 2 {
		return first.Upcast()
	}
	return first
}

// envelope is room for what stands around an order in any event that carries it: the attributes, and the
// ids of charge and shipment that later events add.
const envelope = 2 << 10

// fits refuses an order that some event of its saga could not carry: later there would be nobody to refuse it to.
// The second version of OrderCreated is the longest form that an order takes.
func fits(order events.Snapshot) error {
	encoded, err := json.Marshal(events.OrderCreated{Snapshot: order}.Upcast())
	if err != nil {
		return fmt.Errorf("encode order %s: %w", order.OrderID, err)
	}
	if len(encoded) > events.MaxSize-envelope {
		return refuse("the order is too large: %d bytes where %d are allowed", len(encoded), events.MaxSize-envelope)
	}
	return nil
}
