package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"example.com/ordersaga/pkg/events"
)

// order is one order that the suite plays, and what the saga's table has the service publish about it.
type order struct {
	events.Snapshot
	email   string
	refused bool   // the service cannot do its step: it has no stock, the card is declined, nobody delivers there
	state   string // of the service's row
	played  []string
	want    []answer
}

// answer is an event that the service is to publish.
type answer struct {
	name     string
	cause    string // the id of the event that it follows from
	attempt  int    // of the request that is made again; 0: it is the first
	repeated bool   // it was given before
}

// newOrder is an order that nobody knows yet.
func newOrder(refused bool) *order {
	o := &order{refused: refused, email: "ada@customers.example", Snapshot: events.Snapshot{
		OrderID: uuid.Must(uuid.NewV7()).String(), CustomerID: "conformance", PaymentMethod: "tok_visa",
		Lines: []events.Line{{SKU: "widget", Quantity: 2, UnitPrice: 1999}, {SKU: "gizmo", Quantity: 1, UnitPrice: 750}},
		Total: events.Money{Amount: 4748, Currency: "USD"},
		ShipTo: events.Address{
			Name: "Zoë <Müller> & Söhne", Street: "Hauptstraße 1", City: "Köln", PostalCode: "50667", Country: "DE",
		},
	}}
	if refused {
		o.Lines[1].SKU, o.PaymentMethod, o.ShipTo.Country, o.email = "unobtainium", "tok_declined", "AQ", ""
	}
	return o
}

// other is another order under the same id: other goods, another total, another address.
func (o *order) other() *order {
	another := *o
	another.Lines = []events.Line{{SKU: "gadget", Quantity: 1, UnitPrice: 999}}
	another.Total.Amount = 999
	another.ShipTo.Street, another.email = "Elsewhere 1", "eve@customers.example"
	return &another
}

// step is an event of a sequence.
type step struct {
	events.Type
	attempt int // 0: it is no repeated request
}

func (s step) String() string {
	if s.attempt > 0 {
		return fmt.Sprintf("%s (attempt %d)", s.Name, s.attempt)
	}
	return s.Name
}

// event is what another service publishes about the order.
func (o *order) event(s step) events.Event {
	subject, repeat := events.Subject{OrderID: o.OrderID}, events.Repeat{Attempt: s.attempt}
	switch s.Name {
	case "OrderCreated":
		created := events.OrderCreated{Snapshot: o.Snapshot, ContactEmail: o.email}
		if s.Major == 2 {
			return created.Upcast()
		}
		return created
	case "InventoryReserved":
		return events.InventoryReserved{Snapshot: o.Snapshot, Repeat: repeat}
	case "PaymentProcessed":
		return events.PaymentProcessed{Snapshot: o.Snapshot, ChargeID: "ch_" + o.OrderID, Repeat: repeat}
	case "PaymentFailed":
		return events.PaymentFailed{Subject: subject, Reason: "card_declined", Repeat: repeat}
	case "PaymentRefunded":
		return events.PaymentRefunded{
			Subject: subject, RefundID: "re_1", Amount: o.Total, Reason: "cancelled", Repeat: repeat,
		}
	case "PaymentVoided":
		return events.PaymentVoided{Subject: subject, Reason: "cancelled", Repeat: repeat}
	case "ShipmentCreated":
		return events.ShipmentCreated{Snapshot: o.Snapshot, ShipmentID: "shp_" + o.OrderID, Repeat: repeat}
	case "ShipmentFailed":
		return events.ShipmentFailed{Subject: subject, Reason: "cancelled", Repeat: repeat}
	case "OrderCancelRequested":
		requested := events.OrderCancelRequested{Subject: subject, Reason: "customer", Repeat: repeat}
		if repeat.Repeated() {
			requested.Snapshot = &o.Snapshot
		}
		return requested
	case "OrderCancelled":
		return events.OrderCancelled{Subject: subject, Reason: "customer", ContactEmail: o.email}
	}
	return nil
}

// apply has the saga's table say what follows from an event in the service's row, the gateway's answers included.
func (o *order) apply(service events.Service, s step, id string) {
	o.played = append(o.played, s.String())
	row, found := o.pick(events.Repetitions, service, s.Name)
	repeated := found && s.attempt > 1
	if !repeated {
		row, found = o.pick(events.Saga, service, s.Name)
	}
	for found {
		if row.To != "" {
			o.state = row.To
		}
		for _, name := range row.Publishes {
			o.want = append(o.want, answer{name, id, s.attempt, repeated})
		}
		row, found = o.pick(events.Saga, service, events.Gateway)
	}
}

// pick is the row of a table for the order's state. Where a step can be refused, that row stands second.
func (o *order) pick(table []events.Transition, service events.Service, cause string) (events.Transition, bool) {
	var rows []events.Transition
	for _, row := range table {
		if row.Service == service && row.Cause == cause && slices.Contains(row.From, o.state) {
			rows = append(rows, row)
		}
	}
	switch {
	case len(rows) == 0:
		return events.Transition{}, false
	case o.refused && len(rows) > 1:
		return rows[1], true
	}
	return rows[0], true
}

// possible reports whether the broker can cause this event to come now: whatever follows from the service's own answer
// never comes before it has one.
func (o *order) possible(service events.Service, s step) bool {
	_, known := o.pick(events.Saga, service, s.Name)
	return known || o.state != events.NoRow
}

// steps are all events that the service consumes, and the repeated requests among them.
func steps(service events.Service) (all []step) {
	for _, typ := range events.Subscriptions[service] {
		all = append(all, step{Type: typ})
		if slices.ContainsFunc(events.Repetitions, func(t events.Transition) bool {
			return t.Service == service && t.Cause == typ.Name
		}) {
			all = append(all, step{typ, 2})
		}
	}
	return all
}

func names(want []answer) string {
	list := make([]string, len(want))
	for i, a := range want {
		list[i] = a.name
	}
	return "[" + strings.Join(list, " ") + "]"
}
