package flow

import "example.com/ordersaga/pkg/events"

// Word is what a person reads about a service.
type Word string

// The words of the chapter.
const (
	Pending      Word = "Pending"
	Processing   Word = "Processing"
	Committed    Word = "Committed"
	Compensating Word = "Compensating"
	Compensated  Word = "Compensated"
)

// states are the states of each service's row; no row at all is Pending.
var states = map[events.Service][]State{
	events.Order: {{"PENDING", Processing}, {"CANCELLING", Processing}, {"CONFIRMED", Committed}, {"CANCELLED", Compensated}},
	events.Inventory: {
		{"RESERVED", Committed}, {"SOLD", Committed}, {"RELEASED", Compensated}, {"REJECTED", Compensated},
	},
	events.Payment: {
		{"INTENT", Processing}, {"UNKNOWN", Processing}, {intentToCancel, Processing}, {unknownToCancel, Processing},
		{"CAPTURED", Committed}, {"DECLINED", Compensated}, {"VOIDED", Compensated},
		{"REFUNDING", Compensating}, {refundingAgain, Compensating}, {"REFUND_REFUSED", Compensating},
		{"REFUNDED", Compensated}, {"SETTLED", Compensated},
	},
	events.Shipping: {{"CREATED", Committed}, {"FAILED", Compensated}, {"FENCED", Compensated}},
}

// A payment's state together with what its row remembers besides.
const (
	intentToCancel  = "INTENT, cancel wanted"
	unknownToCancel = "UNKNOWN, cancel wanted"
	refundingAgain  = "REFUNDING, incident open"
)

// backward are the events of the way back: the no's and what undoes.
var backward = []string{
	"OrderCancelRequested", "InventoryRejected", "PaymentFailed", "ShipmentFailed", "PaymentRefunded", "PaymentVoided",
	"InventoryReleased", "OrderCancelled", "IncidentOpened", "IncidentResolved", "OrderNeedsAttention",
}

// Who makes a rule happen when it is not an event that is heard.
const (
	customer = "customer"
	gateway  = "gateway"
	operator = "operator"
)

// Rule is one thing that a service can do about an order. A pair of event and state that no rule names changes
// nothing and answers nothing.
type Rule struct {
	Service events.Service `json:"service"`
	Hears   string         `json:"hears,omitempty"` // the event that makes it happen, or
	By      string         `json:"by,omitempty"`    // who does
	From    []string       `json:"from"`            // the states it expects; "" is no row
	To      string         `json:"to"`              // the state it leaves; "" is the one that there was
	Says    []string       `json:"says,omitempty"`
	Fails   string         `json:"fails,omitempty"`  // it is a failure, and which
	Unless  string         `json:"unless,omitempty"` // an event after which it does not happen any more
	Does    string         `json:"does"`             // in words
}

// rules are docs/saga.md, row by row.
var rules = []Rule{
	{Service: events.Order, By: customer, From: []string{""}, To: "PENDING", Says: []string{"OrderCreated"}, Does: "Order stores the order as PENDING"},
	{Service: events.Order, By: customer, From: []string{"PENDING"}, To: "CANCELLING", Says: []string{"OrderCancelRequested"}, Does: "The customer wants the order undone; only shipping can tell whether that comes in time"},
	{Service: events.Order, Hears: "ShipmentCreated", From: open, To: "CONFIRMED", Says: []string{"OrderConfirmed"}, Does: "Order marks the order CONFIRMED"},
	{Service: events.Order, Hears: "InventoryRejected", From: open, To: "CANCELLED", Says: []string{"OrderCancelled"}, Does: "Order marks the order CANCELLED"},
	{Service: events.Order, Hears: "InventoryReleased", From: open, To: "CANCELLED", Says: []string{"OrderCancelled"}, Does: "Order marks the order CANCELLED"},
	{Service: events.Order, Hears: "IncidentOpened", From: open, Says: []string{"OrderNeedsAttention"}, Unless: "IncidentResolved", Does: "Order shows that a person is needed"},
	{Service: events.Order, Hears: "IncidentResolved", From: open, Does: "Order shows no incident any more"},

	{Service: events.Inventory, Hears: "OrderCreated", From: nobody, To: "RESERVED", Says: []string{"InventoryReserved"}, Does: "Inventory holds everything that the order wants"},
	{Service: events.Inventory, Hears: "OrderCreated", From: nobody, To: "REJECTED", Says: []string{"InventoryRejected"}, Fails: "out of stock", Does: "Inventory has too little, and holds nothing"},
	{Service: events.Inventory, Hears: "ShipmentCreated", From: held, To: "SOLD", Does: "Inventory: what was held is sold"},
	{Service: events.Inventory, Hears: "PaymentFailed", From: held, To: "RELEASED", Says: released, Does: "Inventory releases what it held"},
	{Service: events.Inventory, Hears: "PaymentRefunded", From: held, To: "RELEASED", Says: released, Does: "Inventory releases what it held"},
	{Service: events.Inventory, Hears: "PaymentVoided", From: held, To: "RELEASED", Says: released, Does: "Inventory releases what it held"},
	{Service: events.Inventory, Hears: "PaymentVoided", From: nobody, To: "RELEASED", Says: released, Does: "Inventory has not heard of the order yet, and leaves a tombstone: it will hold nothing"},

	{Service: events.Payment, Hears: "InventoryReserved", From: nobody, To: "INTENT", Does: "Payment writes down what it is about to charge"},
	{Service: events.Payment, By: gateway, From: []string{"INTENT", "UNKNOWN"}, To: "CAPTURED", Says: []string{"PaymentProcessed"}, Does: "The gateway has charged the card, once"},
	{Service: events.Payment, By: gateway, From: []string{"INTENT", "UNKNOWN"}, To: "DECLINED", Says: []string{"PaymentFailed"}, Fails: "card declined", Does: "The gateway declines the card; no money moved"},
	{Service: events.Payment, By: gateway, From: []string{intentToCancel, unknownToCancel}, To: "REFUNDING", Does: "The gateway has charged the card, and a cancel is wanted: the money goes back"},
	{Service: events.Payment, By: gateway, From: []string{intentToCancel, unknownToCancel}, To: "DECLINED", Says: []string{"PaymentFailed"}, Fails: "card declined", Does: "The gateway declines the card; no money moved"},
	{Service: events.Payment, Hears: "ShipmentFailed", From: nobody, To: "VOIDED", Says: []string{"PaymentVoided"}, Does: "Payment has charged nothing, and leaves a tombstone: it never will"},
	{Service: events.Payment, Hears: "ShipmentFailed", From: []string{"INTENT"}, To: intentToCancel, Does: "Payment is in the middle of a charge; it remembers that a cancel is wanted"},
	{Service: events.Payment, Hears: "ShipmentFailed", From: []string{"UNKNOWN"}, To: unknownToCancel, Does: "Payment does not know yet whether it charged; it remembers that a cancel is wanted"},
	{Service: events.Payment, Hears: "ShipmentFailed", From: []string{"CAPTURED"}, To: "REFUNDING", Does: "Payment is to give the money back"},
	{Service: events.Payment, By: gateway, From: []string{"REFUNDING"}, To: "REFUNDED", Says: []string{"PaymentRefunded"}, Does: "The gateway has refunded the charge: a new entry, the charge stays"},
	{Service: events.Payment, By: gateway, From: []string{"REFUNDING"}, To: "REFUND_REFUSED", Says: []string{"IncidentOpened"}, Fails: "refund refused", Does: "The gateway refuses the refund; this needs a person"},
	{Service: events.Payment, By: gateway, From: []string{refundingAgain}, To: "REFUNDED", Says: []string{"PaymentRefunded", "IncidentResolved"}, Does: "The gateway has refunded the charge this time"},
	{Service: events.Payment, By: gateway, From: []string{refundingAgain}, To: "REFUND_REFUSED", Fails: "refund refused", Does: "The gateway refuses the refund again"},
	{Service: events.Payment, By: operator, From: []string{"REFUND_REFUSED"}, To: "SETTLED", Says: []string{"PaymentRefunded", "IncidentResolved"}, Does: "An operator has returned the money outside of the gateway, and records it"},
	{Service: events.Payment, By: operator, From: []string{"REFUND_REFUSED"}, To: refundingAgain, Does: "An operator has the refund tried again, under a new key"},

	{Service: events.Shipping, Hears: "PaymentProcessed", From: nobody, To: "CREATED", Says: []string{"ShipmentCreated"}, Does: "Shipping creates the shipment: the pivot, from here on only forward"},
	{Service: events.Shipping, Hears: "PaymentProcessed", From: nobody, To: "FAILED", Says: []string{"ShipmentFailed"}, Fails: "cannot be shipped there", Does: "Shipping does not deliver to that address"},
	{Service: events.Shipping, Hears: "OrderCancelRequested", From: nobody, To: "FENCED", Says: []string{"ShipmentFailed"}, Does: "Shipping has no shipment yet, and fences the order off: it will never be shipped"},
}

var (
	nobody   = []string{""}
	open     = []string{"PENDING", "CANCELLING"}
	held     = []string{"RESERVED"}
	released = []string{"InventoryReleased"}
)
