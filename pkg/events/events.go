package events

// Event is a fact about one order.
type Event interface {
	// Type is which fact it is.
	Type() Type
	// Order is the id of the order that the fact is about: a UUID in its canonical text form.
	Order() string
}

// Line is one position of an order: a quantity of one SKU at a unit price in the order's currency.
type Line struct {
	SKU       string `json:"sku"`
	Quantity  int    `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
}

// Address is where an order is to be shipped; Country is an ISO 3166-1 alpha-2 code.
type Address struct {
	Name       string `json:"name"`
	Street     string `json:"street"`
	City       string `json:"city"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
}

// Snapshot is the order as it was accepted. Every forward event carries it, so that no service has
// to ask another one.
type Snapshot struct {
	OrderID       string  `json:"order_id"`
	CustomerID    string  `json:"customer_id"`
	Lines         []Line  `json:"lines"`
	Total         Money   `json:"total"`
	PaymentMethod string  `json:"payment_method"`
	ShipTo        Address `json:"ship_to"`
}

// Order is the id of the order.
func (s Snapshot) Order() string { return s.OrderID }

// Subject is what an event without a snapshot is about.
type Subject struct {
	OrderID string `json:"order_id"`
}

// Order is the id of the order.
func (s Subject) Order() string { return s.OrderID }

// Repeat is part of the events that are requests, and of those that answer them. A request without an answer is made
// again, as a new event with the number of the attempt, and its answer has the same number.
type Repeat struct {
	Attempt int `json:"attempt,omitempty"` // from 2; 0 in the first request, and in what nobody repeated
}

// Repeated reports whether whoever made the request waits for an answer again: one that was given already is repeated.
func (r Repeat) Repeated() bool { return r.Attempt > 1 }

// OrderCreated means that an order was accepted and its saga begins.
//
// ContactEmail stands beside the snapshot, so that the events that follow do not carry it. Empty: the customer wants no
// mail, or the publisher does not know the field yet.
type OrderCreated struct {
	Snapshot
	ContactEmail string `json:"contact_email,omitempty"`
}

// InventoryReserved means that everything the order wants is held for it.
type InventoryReserved struct {
	Snapshot
	Repeat
}

// InventoryRejected means that the stock does not suffice; nothing is held.
type InventoryRejected struct {
	Subject
	Reason string `json:"reason"`
	Repeat
}

// PaymentProcessed means that the order's total was captured, once.
type PaymentProcessed struct {
	Snapshot
	ChargeID string `json:"charge_id"`
	Repeat
}

// PaymentFailed means that the gateway definitely declined; no money moved.
type PaymentFailed struct {
	Subject
	Reason string `json:"reason"`
	Repeat
}

// ShipmentCreated means that the order is on its way: the pivot, after which the saga only goes forward.
type ShipmentCreated struct {
	Snapshot
	ShipmentID string `json:"shipment_id"`
	Repeat
}

// ShipmentFailed means that this order will never be shipped.
type ShipmentFailed struct {
	Subject
	Reason string `json:"reason"`
	Repeat
}

// PaymentRefunded means that what was captured has been returned: by the gateway, or outside it by an audited
// settlement, whose RefundID begins with "settlement:". Reason is why the order is undone, not how the money came back.
type PaymentRefunded struct {
	Subject
	RefundID string `json:"refund_id"`
	Amount   Money  `json:"amount"`
	Reason   string `json:"reason"`
	Repeat
}

// PaymentVoided means that no charge was made for the order, and none will be.
type PaymentVoided struct {
	Subject
	Reason string `json:"reason"`
	Repeat
}

// InventoryReleased means that nothing is held for the order, and nothing will be.
type InventoryReleased struct {
	Subject
	Reason string `json:"reason"`
	Repeat
}

// OrderCancelRequested means that the customer, or the order's deadline, wants the order undone.
// Shipping alone decides whether that still comes in time.
type OrderCancelRequested struct {
	Subject
	Reason string `json:"reason"`
	Repeat
	// Snapshot is the order, in a request that is made again: shipping may have shipped it before it kept orders, and its
	// answer carries the order.
	Snapshot *Snapshot `json:"order,omitempty"`
}

// OrderConfirmed means that the saga succeeded.
type OrderConfirmed struct {
	Subject
	ShipmentID string `json:"shipment_id"`
}

// OrderCancelled means that the saga ended undone. ContactEmail is that of the order: its OrderCreated may have been
// published before there was the field, or may arrive later.
type OrderCancelled struct {
	Subject
	Reason       string `json:"reason"`
	ContactEmail string `json:"contact_email,omitempty"`
}

// OrderNeedsAttention means that an incident keeps the order from going on.
type OrderNeedsAttention struct {
	Subject
	IncidentID string `json:"incident_id"`
	Kind       string `json:"kind"`
	Reason     string `json:"reason"`
}

// IncidentOpened means that a service cannot go on with an order by itself.
type IncidentOpened struct {
	Subject
	IncidentID string `json:"incident_id"`
	Service    string `json:"service"`
	Kind       string `json:"kind"`
	Reason     string `json:"reason"`
}

// IncidentResolved means that the state which an incident reported has been left.
type IncidentResolved struct {
	Subject
	IncidentID string `json:"incident_id"`
	Service    string `json:"service"`
	Kind       string `json:"kind"`
	Resolution string `json:"resolution"`
}
