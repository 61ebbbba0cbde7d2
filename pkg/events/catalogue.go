package events

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Service names a service that consumes or publishes events.
type Service string

// The four services of the saga.
const (
	Order     Service = "order"
	Inventory Service = "inventory"
	Payment   Service = "payment"
	Shipping  Service = "shipping"
)

// Services are the participants, in the order of the forward steps.
var Services = []Service{Order, Inventory, Payment, Shipping}

// Notification listens to the saga and takes no part in it: it publishes nothing, and nobody waits for it.
const Notification Service = "notification"

// Consumers are all services that consume events: the participants, and those that only listen.
var Consumers = append(slices.Clone(Services), Notification)

// Stream is the JetStream stream that holds every event.
const Stream = "SAGA"

// StreamSubjects is what the stream captures.
const StreamSubjects = "saga.>"

// Type identifies a kind of event: who publishes it, what it is called, and the major version of its
// meaning.
type Type struct {
	Service Service
	Name    string
	Major   int
}

// String is the CloudEvents type attribute, for example "saga.order.OrderCreated.v1".
func (t Type) String() string { return fmt.Sprintf("saga.%s.%s.v%d", t.Service, t.Name, t.Major) }

// SubjectOf is the NATS subject on which the event of this type about an order is published.
func (t Type) SubjectOf(orderID string) string { return t.String() + "." + orderID }

// Filter is the NATS subject filter that matches this type for every order.
func (t Type) Filter() string { return t.String() + ".*" }

// The names of the events stand here and nowhere else.

// Type identifies the event.
func (OrderCreated) Type() Type { return Type{Order, "OrderCreated", 1} }

// Type identifies the event.
func (OrderCreatedV2) Type() Type { return Type{Order, "OrderCreated", 2} }

// Type identifies the event.
func (OrderCancelRequested) Type() Type { return Type{Order, "OrderCancelRequested", 1} }

// Type identifies the event.
func (OrderConfirmed) Type() Type { return Type{Order, "OrderConfirmed", 1} }

// Type identifies the event.
func (OrderCancelled) Type() Type { return Type{Order, "OrderCancelled", 1} }

// Type identifies the event.
func (OrderNeedsAttention) Type() Type { return Type{Order, "OrderNeedsAttention", 1} }

// Type identifies the event.
func (InventoryReserved) Type() Type { return Type{Inventory, "InventoryReserved", 1} }

// Type identifies the event.
func (InventoryRejected) Type() Type { return Type{Inventory, "InventoryRejected", 1} }

// Type identifies the event.
func (InventoryReleased) Type() Type { return Type{Inventory, "InventoryReleased", 1} }

// Type identifies the event.
func (PaymentProcessed) Type() Type { return Type{Payment, "PaymentProcessed", 1} }

// Type identifies the event.
func (PaymentFailed) Type() Type { return Type{Payment, "PaymentFailed", 1} }

// Type identifies the event.
func (PaymentRefunded) Type() Type { return Type{Payment, "PaymentRefunded", 1} }

// Type identifies the event.
func (PaymentVoided) Type() Type { return Type{Payment, "PaymentVoided", 1} }

// Type identifies the event.
func (ShipmentCreated) Type() Type { return Type{Shipping, "ShipmentCreated", 1} }

// Type identifies the event.
func (ShipmentFailed) Type() Type { return Type{Shipping, "ShipmentFailed", 1} }

// Type identifies the event; any service may open an incident.
func (e IncidentOpened) Type() Type { return Type{Service(e.Service), "IncidentOpened", 1} }

// Type identifies the event; any service may resolve an incident of its own.
func (e IncidentResolved) Type() Type { return Type{Service(e.Service), "IncidentResolved", 1} }

// Version is one major version of an event, whoever publishes it: what a golden file and a schema are about.
type Version struct {
	Name  string
	Major int
}

// String is the name of the version's files, for example "OrderCreated.v1".
func (v Version) String() string { return fmt.Sprintf("%s.v%d", v.Name, v.Major) }

// decoders knows every version of every event that can be on the wire.
var decoders = map[Version]func([]byte) (Event, error){
	{"OrderCreated", 1}:         decode[OrderCreated],
	{"OrderCreated", 2}:         decode[OrderCreatedV2],
	{"OrderCancelRequested", 1}: decode[OrderCancelRequested],
	{"OrderConfirmed", 1}:       decode[OrderConfirmed],
	{"OrderCancelled", 1}:       decode[OrderCancelled],
	{"OrderNeedsAttention", 1}:  decode[OrderNeedsAttention],
	{"InventoryReserved", 1}:    decode[InventoryReserved],
	{"InventoryRejected", 1}:    decode[InventoryRejected],
	{"InventoryReleased", 1}:    decode[InventoryReleased],
	{"PaymentProcessed", 1}:     decode[PaymentProcessed],
	{"PaymentFailed", 1}:        decode[PaymentFailed],
	{"PaymentRefunded", 1}:      decode[PaymentRefunded],
	{"PaymentVoided", 1}:        decode[PaymentVoided],
	{"ShipmentCreated", 1}:      decode[ShipmentCreated],
	{"ShipmentFailed", 1}:       decode[ShipmentFailed],
	{"IncidentOpened", 1}:       decode[IncidentOpened],
	{"IncidentResolved", 1}:     decode[IncidentResolved],
}

// Versions lists every version of every event, by name and then by version.
func Versions() []Version {
	return slices.SortedFunc(maps.Keys(decoders), func(a, b Version) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Major, b.Major))
	})
}

// Names lists every event by name, sorted.
func Names() []string {
	var names []string
	for _, version := range Versions() {
		names = append(names, version.Name)
	}
	return slices.Compact(names)
}

// unknown is the error about an event that does not exist, or a version of one that does not.
func unknown(t Type) error {
	if slices.Contains(Names(), t.Name) {
		return fmt.Errorf("unknown major version of an event: %q", t)
	}
	return fmt.Errorf("unknown event %q", t)
}

// ParseType reads a CloudEvents type attribute such as "saga.order.OrderCreated.v1".
func ParseType(s string) (Type, error) {
	part := strings.Split(s, ".")
	if len(part) != 4 || part[0] != "saga" || part[2] == "" {
		return Type{}, fmt.Errorf("event type %q is not saga.<service>.<event>.v<major>", s)
	}
	if !slices.Contains(Services, Service(part[1])) {
		return Type{}, fmt.Errorf("event type %q names no service of the saga", s)
	}
	major, err := strconv.Atoi(strings.TrimPrefix(part[3], "v"))
	t := Type{Service(part[1]), part[2], major}
	if err != nil || major < 1 || t.String() != s { // the last refuses other spellings: v01, v+1, 1
		return Type{}, fmt.Errorf("event type %q has no major version such as v1", s)
	}
	return t, nil
}
