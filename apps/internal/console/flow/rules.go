package flow

import "example.com/ordersaga/pkg/events"

// Word is what a person reads about a service.
type Word string

// The words of the chapter, and one for a step that was never done.
const (
	Pending      Word = "Pending"
	Processing   Word = "Processing"
	Committed    Word = "Committed"
	Compensating Word = "Compensating"
	Compensated  Word = "Compensated"
	NotDone      Word = "Not done"
)

// states are the states of each service's row; no row at all is Pending.
var states = map[events.Service][]State{
	events.Order: {
		{"PENDING", Processing}, {"CANCELLING", Processing}, {"CONFIRMED", Committed}, {"CANCELLED", Compensated},
	},
	events.Inventory: {
		{"RESERVED", Committed}, {"SOLD", Committed}, {"RELEASED", Compensated}, {"REJECTED", NotDone},
	},
	events.Payment: {
		{"INTENT", Processing}, {"UNKNOWN", Processing},
		{events.IntentToCancel, Processing}, {events.UnknownToCancel, Processing},
		{"CAPTURED", Committed}, {"DECLINED", NotDone}, {"VOIDED", NotDone},
		{"REFUNDING", Compensating}, {events.RefundingAgain, Compensating}, {"REFUND_REFUSED", Compensating},
		{"REFUNDED", Compensated}, {"SETTLED", Compensated},
	},
	events.Shipping: {{"CREATED", Committed}, {"FAILED", NotDone}, {"FENCED", NotDone}},
}

// backward are the events of the way back: the no's and what undoes.
var backward = []string{
	"OrderCancelRequested", "InventoryRejected", "PaymentFailed", "ShipmentFailed", "PaymentRefunded", "PaymentVoided",
	"InventoryReleased", "OrderCancelled", "IncidentOpened", "IncidentResolved", "OrderNeedsAttention",
}

// Rule is one transition of the saga's table, with what the simulator needs besides.
type Rule struct {
	Service   events.Service `json:"service"`
	Consumes  string         `json:"consumes,omitempty"` // the event that causes it, or
	By        string         `json:"by,omitempty"`       // who else does
	From      []string       `json:"from"`               // the states it expects; "" is no row
	To        string         `json:"to"`                 // the state it leaves; "" is the one that there was
	Publishes []string       `json:"publishes,omitempty"`
	Fails     string         `json:"fails,omitempty"`  // it is a failure of the business, and which
	Unless    string         `json:"unless,omitempty"` // an event after which it does not happen any more
	Does      string         `json:"does"`             // in words
}

// failures are the states that a failure of the business leads to.
var failures = map[string]string{
	"REJECTED": "out of stock", "DECLINED": "card declined", "REFUND_REFUSED": "refund refused",
	"FAILED": "cannot be shipped there",
}

// rules are the saga's table, without what a reader of the simulator cannot cause: a silent gateway, and a charge that
// only the gateway's ledger knows.
func rules() (all []Rule) {
	for _, t := range events.Saga {
		rule := Rule{Service: t.Service, From: t.From, To: t.To, Publishes: t.Publishes, Fails: failures[t.To], Does: t.Does}
		switch t.Cause {
		case events.NoAnswer, events.Reconciliation:
			continue
		case events.Customer, events.Gateway, events.Operator:
			rule.By = t.Cause
		case "IncidentOpened": // the two are of different services, so either may come first
			rule.Consumes, rule.Unless = t.Cause, "IncidentResolved"
		default:
			rule.Consumes = t.Cause
		}
		all = append(all, rule)
	}
	return all
}
