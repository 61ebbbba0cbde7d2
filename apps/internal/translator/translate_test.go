package translator

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
)

// order is a new order in its second version.
func order(id string) events.OrderCreatedV2 {
	return events.OrderCreatedV2{
		OrderID: id, CustomerID: "ada", PaymentMethod: "tok_visa",
		Lines:  []events.PricedLine{{SKU: "widget", Quantity: 2, UnitPrice: events.Money{Amount: 1999, Currency: "USD"}}},
		Total:  events.Money{Amount: 3998, Currency: "USD"},
		ShipTo: events.Destination{Recipient: "Ada", Address: events.Place{Street: "Rue 1", City: "Bern", PostalCode: "3000", Country: "CH"}},
	}
}

// encoded is an event on the wire, from a trace of its own.
func encoded(t *testing.T, eventID string, event events.Event) []byte {
	t.Helper()
	cause := events.Cause{TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	message, err := events.Encode(eventID, time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), cause, event)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestTranslate_AnOrderToTheFirstVersion(t *testing.T) {
	t.Parallel()
	original, id := uuid.NewString(), uuid.NewString()
	got, err := translate(encoded(t, original, order(id)))
	if err != nil {
		t.Fatal(err)
	}
	envelope, event, err := events.Decode(got.Data)
	if err != nil {
		t.Fatal(err)
	}
	first, err := order(id).Downcast()
	if err != nil || !reflect.DeepEqual(event, events.Event(first)) {
		t.Errorf("it says %+v, want %+v", event, first)
	}
	if want := "saga.order.OrderCreated.v1." + id; got.Subject != want {
		t.Errorf("on %s, want %s, where consumers of the first version listen", got.Subject, want)
	}
	switch {
	case envelope.ID == original || envelope.ID != got.Header.Get(jetstream.MsgIDHeader):
		t.Errorf("its id is %s, its message's %s, the original's %s", envelope.ID, got.Header.Get(jetstream.MsgIDHeader), original)
	case envelope.CausationID != original:
		t.Errorf("it follows from %s, want the original %s", envelope.CausationID, original)
	case !strings.Contains(envelope.TraceParent, "4bf92f3577b34da6a3ce929d0e0e4736"):
		t.Errorf("its trace is %s", envelope.TraceParent)
	case !envelope.Time.Equal(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)):
		t.Errorf("it has happened at %v", envelope.Time)
	}
}

// This is what makes the process need no memory: a message that is translated twice is the same event.
func TestTranslate_TwiceIsTheSameEvent(t *testing.T) {
	t.Parallel()
	id := uuid.NewString()
	original := encoded(t, uuid.NewString(), order(id))
	first, err := translate(original)
	if err != nil {
		t.Fatal(err)
	}
	second, err := translate(bytes.Clone(original))
	if err != nil || first.Subject != second.Subject || !reflect.DeepEqual(first.Header, second.Header) || !bytes.Equal(first.Data, second.Data) {
		t.Errorf("first %s, then %s, %v", first.Data, second.Data, err)
	}
	other, err := translate(encoded(t, uuid.NewString(), order(id)))
	if err != nil || other.Header.Get(jetstream.MsgIDHeader) == first.Header.Get(jetstream.MsgIDHeader) {
		t.Errorf("another original has become the same event: %v", err)
	}
}

func TestTranslate_RefusesWhatTheFirstVersionCannotExpress(t *testing.T) {
	t.Parallel()
	mixed := order(uuid.NewString())
	mixed.Lines[0].UnitPrice.Currency = "EUR"
	nowhere := order(uuid.NewString())
	nowhere.ShipTo.Address.Country = ""
	first, err := order(uuid.NewString()).Downcast()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		message []byte
		want    string
	}{
		"not an event":                   {[]byte("hello"), "not a CloudEvents message"},
		"an order in two currencies":     {encoded(t, uuid.NewString(), mixed), "costs EUR in an order that costs USD"},
		"what its schema does not allow": {encoded(t, uuid.NewString(), nowhere), "/ship_to/address/country: it must match"},
		"what it publishes itself":       {encoded(t, uuid.NewString(), first), "not what is translated here"},
		"a version to come": {
			bytes.ReplaceAll(encoded(t, uuid.NewString(), order(uuid.NewString())), []byte("OrderCreated.v2"), []byte("OrderCreated.v3")),
			"unknown major version",
		},
	} {
		if got, err := translate(test.message); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %+v, %v; want an error about %q", name, got, err, test.want)
		}
	}
}
