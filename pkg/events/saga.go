package events

import "slices"

// Transition is one row of the saga's table: what a service does about an order in one transaction. A pair of event and
// state that no row names changes nothing and publishes nothing.
type Transition struct {
	Service   Service
	Cause     string   // the event that the service consumes, in any version; or [Customer], [Gateway], …
	From      []string // the states of the service's row about the order that it expects
	To        string   // the state that it leaves; empty: unchanged
	Publishes []string
	Does      string // in words
}

// NoRow is the state of a service that has stored nothing about the order.
const NoRow = ""

// What else causes a transition.
const (
	Customer       = "customer"
	Gateway        = "gateway"        // it has answered
	NoAnswer       = "no answer"      // the gateway has not, or not readably
	Operator       = "operator"       // a person
	Reconciliation = "reconciliation" // the gateway's ledger has what payment has not
	Unanswered     = "unanswered"     // nobody has answered for too long
)

// A payment's state together with what its row stores besides.
const (
	IntentToCancel  = "INTENT, cancel wanted"
	UnknownToCancel = "UNKNOWN, cancel wanted"
	RefundingAgain  = "REFUNDING, incident open"
)

var (
	noRow      = []string{NoRow}
	open       = []string{"PENDING", "CANCELLING"}
	reserved   = []string{"RESERVED"}
	charging   = []string{"INTENT", "UNKNOWN"}
	cancelling = []string{IntentToCancel, UnknownToCancel}
	cancelled  = []string{"OrderCancelled"}
	released   = []string{"InventoryReleased"}
	returned   = []string{"PaymentRefunded", "IncidentResolved"}
)

// Saga is the whole choreography. What services subscribe to and publish, the AsyncAPI document, the table and the
// diagrams of docs/saga.md and the rules of the console's simulator follow from it. The exhaustive model (tests/model)
// and the tests of the steps do not: they are the second opinion.
var Saga = []Transition{
	{Order, Customer, noRow, "PENDING", []string{"OrderCreated"}, "Order stores the order as PENDING"},
	{Order, Customer, []string{"PENDING"}, "CANCELLING", []string{"OrderCancelRequested"},
		"The customer wants the order undone; shipping decides whether that comes in time"},
	{Order, "InventoryRejected", open, "CANCELLED", cancelled, "Order marks the order CANCELLED"},
	{Order, "ShipmentCreated", open, "CONFIRMED", []string{"OrderConfirmed"}, "Order marks the order CONFIRMED"},
	{Order, "InventoryReleased", open, "CANCELLED", cancelled, "Order marks the order CANCELLED"},
	{Order, "IncidentOpened", open, "", []string{"OrderNeedsAttention"}, "Order shows that a person is needed"},
	{Order, "IncidentResolved", open, "", nil, "Order shows no incident any more"},

	{Inventory, "OrderCreated", noRow, "RESERVED", []string{"InventoryReserved"},
		"Inventory reserves everything that is ordered"},
	{Inventory, "OrderCreated", noRow, "REJECTED", []string{"InventoryRejected"},
		"Inventory has too little, and reserves nothing"},
	{Inventory, "PaymentFailed", reserved, "RELEASED", released, "Inventory releases what it reserved"},
	{Inventory, "PaymentRefunded", reserved, "RELEASED", released, "Inventory releases what it reserved"},
	{Inventory, "PaymentVoided", reserved, "RELEASED", released, "Inventory releases what it reserved"},
	{Inventory, "PaymentVoided", noRow, "RELEASED", released,
		"Inventory does not know the order yet, and leaves a tombstone: it will reserve nothing"},
	{Inventory, "ShipmentCreated", reserved, "SOLD", nil, "Inventory sells what it reserved"},

	{Payment, "InventoryReserved", noRow, "INTENT", nil, "Payment stores what it is about to charge"},
	{Payment, Gateway, charging, "CAPTURED", []string{"PaymentProcessed"}, "The gateway has charged the card, once"},
	{Payment, Gateway, charging, "DECLINED", []string{"PaymentFailed"},
		"The gateway declines the card; no money moved"},
	{Payment, Gateway, cancelling, "REFUNDING", nil,
		"The gateway has charged the card, and a cancel is wanted: the money goes back"},
	{Payment, Gateway, cancelling, "DECLINED", []string{"PaymentFailed"},
		"The gateway declines the card; no money moved"},
	{Payment, NoAnswer, []string{"INTENT"}, "UNKNOWN", nil, "Payment does not know whether it charged, and asks again"},
	{Payment, "ShipmentFailed", noRow, "VOIDED", []string{"PaymentVoided"},
		"Payment has charged nothing, and leaves a tombstone: it never will"},
	{Payment, "ShipmentFailed", []string{"INTENT"}, IntentToCancel, nil,
		"Payment is in the middle of a charge; it remembers that a cancel is wanted"},
	{Payment, "ShipmentFailed", []string{"UNKNOWN"}, UnknownToCancel, nil,
		"Payment does not know yet whether it charged; it remembers that a cancel is wanted"},
	{Payment, "ShipmentFailed", []string{"CAPTURED"}, "REFUNDING", nil, "Payment is to refund the charge"},
	{Payment, Gateway, []string{"REFUNDING"}, "REFUNDED", []string{"PaymentRefunded"},
		"The gateway has refunded the charge: a new entry, the charge stays"},
	{Payment, Gateway, []string{"REFUNDING"}, "REFUND_REFUSED", []string{"IncidentOpened"},
		"The gateway refuses the refund; this needs a person"},
	{Payment, Gateway, []string{RefundingAgain}, "REFUNDED", returned, "The gateway has refunded the charge this time"},
	{Payment, Gateway, []string{RefundingAgain}, "REFUND_REFUSED", nil, "The gateway refuses the refund again"},
	{Payment, Operator, []string{"REFUND_REFUSED"}, "SETTLED", returned,
		"An operator has returned the money outside of the gateway, and records it"},
	{Payment, Operator, []string{"REFUND_REFUSED"}, RefundingAgain, nil,
		"An operator has the refund tried again, under a new key"},
	{Payment, Reconciliation, []string{"DECLINED", "VOIDED"}, "LATE_CAPTURED", nil,
		"Payment finds a charge in the gateway's ledger that it has no record of"},
	{Payment, Reconciliation, []string{"LATE_CAPTURED"}, "REFUNDING", nil, "Payment is to refund that charge"},

	{Shipping, "PaymentProcessed", noRow, "CREATED", []string{"ShipmentCreated"},
		"Shipping creates the shipment: the pivot, from here on only forward"},
	{Shipping, "PaymentProcessed", noRow, "FAILED", []string{"ShipmentFailed"},
		"Shipping does not deliver to that address"},
	// Nobody else subscribes to this event: each would undo its own step while shipping may still ship.
	{Shipping, "OrderCancelRequested", noRow, "FENCED", []string{"ShipmentFailed"},
		"Shipping has no shipment yet, and fences the order off: it will never be shipped"},
}

// Listening is what services do that only listen: no state of the saga follows from it.
var Listening = []Transition{
	{Notification, "OrderCreated", noRow, "", nil, "Notification writes to the customer that the order was received"},
	{Notification, "OrderCancelled", noRow, "", nil, "Notification writes to the customer that the order is cancelled"},
}

// Repetitions are the rest of the choreography, for events that were lost on their way: two services ask again, and
// whoever consumes an event that is repeated (see [Repeat]) repeats its own answer from its row. A pair of a repeated
// event and a state that no row names is handled as the table above has it for the first one.
var Repetitions = slices.Concat(
	[]Transition{
		{Order, Unanswered, []string{"CANCELLING"}, "", []string{"OrderCancelRequested"},
			"Order asks shipping again what became of the order"},
		{Inventory, Unanswered, reserved, "", []string{"InventoryReserved"},
			"Inventory asks payment, and so shipping, again what became of the order"},
	},
	repeated(Inventory, "PaymentFailed", "RELEASED", "InventoryReleased", "REJECTED", "InventoryRejected"),
	repeated(Inventory, "PaymentRefunded", "RELEASED", "InventoryReleased", "REJECTED", "InventoryRejected"),
	repeated(Inventory, "PaymentVoided", "RELEASED", "InventoryReleased", "REJECTED", "InventoryRejected"),
	repeated(Payment, "InventoryReserved", "CAPTURED", "PaymentProcessed", "DECLINED", "PaymentFailed", "VOIDED",
		"PaymentVoided", "REFUNDED", "PaymentRefunded", "SETTLED", "PaymentRefunded"),
	repeated(Payment, "ShipmentFailed", "DECLINED", "PaymentFailed", "VOIDED", "PaymentVoided", "REFUNDED",
		"PaymentRefunded", "SETTLED", "PaymentRefunded"),
	repeated(Shipping, "PaymentProcessed", "CREATED", "ShipmentCreated", "FAILED", "ShipmentFailed", "FENCED",
		"ShipmentFailed"),
	repeated(Shipping, "OrderCancelRequested", "CREATED", "ShipmentCreated", "FAILED", "ShipmentFailed", "FENCED",
		"ShipmentFailed"),
)

// repeated are the answers of a service to an event that is repeated: pairs of the state and what is published again.
func repeated(service Service, cause string, pairs ...string) (all []Transition) {
	for pair := range slices.Chunk(pairs, 2) {
		all = append(all, Transition{service, cause, pair[:1], "", pair[1:], "The answer is repeated"})
	}
	return all
}

// Subscriptions are the types of events that each service consumes, all versions of them.
var Subscriptions = collect(func(t Transition) []Type {
	var types []Type
	for _, publisher := range Services {
		types = append(types, typesOf(t.Cause, publisher)...)
	}
	return types
})

// Publications are the types of events that each service publishes, all versions of them, whether or not the service is
// configured to publish a version already: consumers may rely on what it would be.
var Publications = collect(func(t Transition) []Type {
	var types []Type
	for _, name := range t.Publishes {
		types = append(types, typesOf(name, t.Service)...)
	}
	return types
})

// collect gives each service the types that its transitions name.
func collect(named func(Transition) []Type) map[Service][]Type {
	all := map[Service][]Type{}
	table := slices.Concat(Saga, Listening)
	for _, service := range Services { // any may open an incident about any order, whatever the state of its row
		table = append(table, Transition{Service: service, Publishes: []string{"IncidentOpened", "IncidentResolved"}})
	}
	for _, t := range table {
		for _, typ := range named(t) {
			if !slices.Contains(all[t.Service], typ) {
				all[t.Service] = append(all[t.Service], typ)
			}
		}
	}
	return all
}

// typesOf are the versions of an event as a service publishes them: none if it is another service's event.
func typesOf(name string, publisher Service) (types []Type) {
	for _, version := range Versions() {
		event, err := decoders[version]([]byte("{}"))
		if version.Name != name || err != nil {
			continue
		}
		typ := event.Type()
		if typ.Service == "" { // an incident's: it names its service in its data
			typ.Service = publisher
		}
		if typ.Service == publisher {
			types = append(types, typ)
		}
	}
	return types
}
