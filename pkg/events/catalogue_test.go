package events_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/pkg/events"
)

// choreography is the table of docs/saga.md: who publishes an event, and who consumes it. It stands here on purpose a second time.
var choreography = []struct {
	event       string
	publishedBy string
	consumedBy  string
}{
	{"OrderCreated", "order", "inventory notification"},
	{"InventoryReserved", "inventory", "payment"},
	{"InventoryRejected", "inventory", "order"},
	{"PaymentProcessed", "payment", "shipping"},
	{"PaymentFailed", "payment", "inventory"},
	{"ShipmentCreated", "shipping", "order inventory"},
	{"ShipmentFailed", "shipping", "payment"},
	{"PaymentRefunded", "payment", "inventory"},
	{"PaymentVoided", "payment", "inventory"},
	{"InventoryReleased", "inventory", "order"},
	{"IncidentOpened", "order inventory payment shipping", "order"},
	{"IncidentResolved", "order inventory payment shipping", "order"},
	// Inventory and payment must not consume this one: they would undo what shipping may still ship.
	{"OrderCancelRequested", "order", "shipping"},
	{"OrderConfirmed", "order", ""},
	{"OrderCancelled", "order", "notification"},
	{"OrderNeedsAttention", "order", ""},
}

func TestSubscriptions_AreTheChoreography(t *testing.T) {
	t.Parallel()
	want := map[events.Service][]string{}
	var names []string
	for _, row := range choreography {
		names = append(names, row.event)
		for consumer := range strings.FieldsSeq(row.consumedBy) {
			for publisher := range strings.FieldsSeq(row.publishedBy) {
				// A consumer of an event consumes every version of it, for as long as there is one.
				for _, version := range versionsOf(row.event) {
					want[events.Service(consumer)] = append(want[events.Service(consumer)], "saga."+publisher+"."+version)
				}
			}
		}
	}
	for _, service := range events.Consumers {
		var got []string
		for _, consumed := range events.Subscriptions[service] {
			got = append(got, consumed.String())
		}
		slices.Sort(got)
		slices.Sort(want[service])
		if !slices.Equal(got, want[service]) {
			t.Errorf("%s consumes %v, want %v", service, got, want[service])
		}
	}
	if consumers := slices.Collect(maps.Keys(events.Subscriptions)); len(consumers) != len(events.Consumers) {
		t.Errorf("%v consume events, but the services are %v", consumers, events.Consumers)
	}
	slices.Sort(names)
	if !slices.Equal(names, events.Names()) {
		t.Errorf("the table has %v, but the events are %v", names, events.Names())
	}
}

func versionsOf(event string) (versions []string) {
	for _, version := range events.Versions() {
		if version.Name == event {
			versions = append(versions, version.String())
		}
	}
	return versions
}

func TestPublications_EachEventIsPublishedByItsService(t *testing.T) {
	t.Parallel()
	for _, sample := range samples {
		i := slices.IndexFunc(choreography, func(row struct{ event, publishedBy, consumedBy string }) bool {
			return row.event == sample.Type().Name
		})
		if publishers := strings.Fields(choreography[i].publishedBy); !slices.Contains(publishers, string(sample.Type().Service)) {
			t.Errorf("%s is published by %v", sample.Type(), publishers)
		}
	}
}

func TestType_NamesItsSubjects(t *testing.T) {
	t.Parallel()
	created := events.OrderCreated{}.Type()
	for got, want := range map[string]string{
		created.String():           "saga.order.OrderCreated.v1",
		created.SubjectOf(anOrder): "saga.order.OrderCreated.v1." + anOrder,
		created.Filter():           "saga.order.OrderCreated.v1.*",
		events.DataSchema(created): "urn:example:ordersaga:OrderCreated.v1",
		events.SchemaID(created):   "OrderCreated.v1.json",
		events.StreamSubjects:      "saga.>",
		events.Stream:              "SAGA",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestType_Parse(t *testing.T) {
	t.Parallel()
	for _, sample := range samples {
		if parsed, err := events.ParseType(sample.Type().String()); err != nil || parsed != sample.Type() {
			t.Errorf("%s was read as %v, %v", sample.Type(), parsed, err)
		}
	}
	for _, bad := range []string{
		"", "saga", "saga.order.OrderCreated", "saga.order.OrderCreated.v1.extra", "other.order.OrderCreated.v1",
		"saga..OrderCreated.v1", "saga.nobody.OrderCreated.v1", "saga.order..v1", "saga.order.OrderCreated.1",
		"saga.order.OrderCreated.v", "saga.order.OrderCreated.v0", "saga.order.OrderCreated.v-1",
		"saga.order.OrderCreated.v01", "saga.order.OrderCreated.v+1", "saga.order.OrderCreated.v1x",
		"saga.order.OrderCreated.v99999999999999999999", " saga.order.OrderCreated.v1",
	} {
		if parsed, err := events.ParseType(bad); err == nil {
			t.Errorf("%q was read as %v", bad, parsed)
		}
	}
}
