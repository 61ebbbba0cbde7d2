package events_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/pkg/events"
)

const (
	anOrder = "01936f2e-7c00-7000-8000-000000000001"
	anEvent = "01936f2e-7c00-7000-8000-0000000000aa"
	aCause  = "01936f2e-7c00-7000-8000-0000000000bb"
	contact = "zoe@customers.example"
)

var (
	anInstant = time.Date(2026, 11, 22, 12, 34, 56, 789012000, time.UTC)
	because   = events.Cause{EventID: aCause, TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}

	snapshot = events.Snapshot{
		OrderID:    anOrder,
		CustomerID: "customer-7",
		Lines: []events.Line{
			{SKU: "widget", Quantity: 2, UnitPrice: 1999},
			{SKU: "gizmo", Quantity: 1, UnitPrice: 750},
		},
		Total:         events.Money{Amount: 4748, Currency: "USD"},
		PaymentMethod: "tok_visa",
		// Characters that encoders disagree about: how they are written is part of the contract too.
		ShipTo: events.Address{Name: "Zoë <Müller> & Söhne", Street: "Hauptstraße 1", City: "Köln", PostalCode: "50667", Country: "DE"},
	}
	about = events.Subject{OrderID: anOrder}
	again = events.Repeat{Attempt: 2}
)

// samples has one event of every version of every kind with every field filled in.
var samples = []events.Event{
	events.OrderCreated{Snapshot: snapshot, ContactEmail: contact},
	events.OrderCreated{Snapshot: snapshot, ContactEmail: contact}.Upcast(),
	events.OrderCancelRequested{Subject: about, Repeat: again, Reason: "customer", Snapshot: &snapshot},
	events.OrderConfirmed{Subject: about, ShipmentID: "shp_1"},
	events.OrderCancelled{Subject: about, Reason: "out_of_stock", ContactEmail: contact},
	events.OrderNeedsAttention{Subject: about, IncidentID: aCause, Kind: "refund_refused", Reason: "charge_disputed"},
	events.InventoryReserved{Snapshot: snapshot, Repeat: again},
	events.InventoryRejected{Subject: about, Repeat: again, Reason: "out_of_stock"},
	events.InventoryReleased{Subject: about, Repeat: again, Reason: "card_declined"},
	events.PaymentProcessed{Snapshot: snapshot, Repeat: again, ChargeID: "ch_1"},
	events.PaymentFailed{Subject: about, Repeat: again, Reason: "card_declined"},
	events.PaymentRefunded{Subject: about, Repeat: again, RefundID: "re_1", Amount: events.Money{Amount: 4748, Currency: "USD"}, Reason: "cancelled"},
	events.PaymentVoided{Subject: about, Repeat: again, Reason: "cancelled"},
	events.ShipmentCreated{Snapshot: snapshot, Repeat: again, ShipmentID: "shp_1"},
	events.ShipmentFailed{Subject: about, Repeat: again, Reason: "destination_not_served"},
	events.IncidentOpened{Subject: about, IncidentID: aCause, Service: "payment", Kind: "refund_refused", Reason: "charge_disputed"},
	events.IncidentResolved{Subject: about, IncidentID: aCause, Service: "payment", Kind: "refund_refused", Resolution: "manual_settlement"},
}

// golden names the file that shows how events of this type are published, for example
// testdata/OrderCreated.v1.json.
func golden(t events.Type) string {
	return filepath.Join("testdata", events.Version{Name: t.Name, Major: t.Major}.String()+".json")
}

// encode returns the sample as it goes over the wire.
func encode(t testing.TB, event events.Event) []byte {
	t.Helper()
	message, err := events.Encode(anEvent, anInstant, because, event)
	if err != nil {
		t.Fatalf("encode %s: %v", event.Type(), err)
	}
	return message
}

// A file in testdata is what was once published, and stays as it is, but for an optional field that is added. When this
// test fails for another reason, the change belongs into a new major version of the event, next to the old one.
func TestGolden_APublishedEventNeverChanges(t *testing.T) {
	t.Parallel()
	for _, event := range samples {
		t.Run(event.Type().String(), func(t *testing.T) {
			t.Parallel()
			var now bytes.Buffer
			if err := json.Indent(&now, encode(t, event), "", "  "); err != nil {
				t.Fatal(err)
			}
			now.WriteByte('\n')
			published, err := os.ReadFile(golden(event.Type()))
			if err != nil {
				t.Fatalf("a new event needs a file that says how it is published: %v\n%s", err, &now)
			}
			if !bytes.Equal(published, now.Bytes()) {
				t.Errorf("published as\n%s\nencoded now as\n%s", published, &now)
			}
		})
	}
}

func TestGolden_EveryPublishedEventIsStillDecoded(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < len(samples) {
		t.Fatalf("%d files for %d events", len(files), len(samples))
	}
	for _, file := range files {
		message, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		envelope, event, err := events.Decode(message)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if golden(event.Type()) != file {
			t.Errorf("%s holds %s", file, event.Type())
		}
		i := slices.IndexFunc(samples, func(e events.Event) bool { return e.Type() == event.Type() })
		if i < 0 || !reflect.DeepEqual(event, samples[i]) {
			t.Errorf("%s was read as %+v", file, event)
		}
		checkAttributes(t, envelope, event)
		checkRelative(t, message, event)
	}
}

// checkRelative: until 0.1.0 dataschema was a relative reference. Such events are in outboxes, streams and dead letters.
func checkRelative(t *testing.T, message []byte, event events.Event) {
	t.Helper()
	typ := event.Type()
	relative := fmt.Sprintf("/schemas/%s/v%d", typ.Name, typ.Major)
	old := bytes.Replace(message, []byte(events.DataSchema(typ)), []byte(relative), 1)
	envelope, decoded, err := events.Decode(old)
	if err != nil || envelope.DataSchema != relative || !reflect.DeepEqual(decoded, event) {
		t.Errorf("with %s: got %+v of %+v, %v", relative, decoded, envelope, err)
	}
}

func checkAttributes(t *testing.T, got events.Envelope, event events.Event) {
	t.Helper()
	got.Data = nil
	want := events.Envelope{
		SpecVersion: "1.0",
		ID:          anEvent,
		Source:      "/services/" + string(event.Type().Service),
		Type:        event.Type().String(),
		Subject:     anOrder,
		Time:        anInstant,
		ContentType: "application/json",
		DataSchema:  events.DataSchema(event.Type()),
		CausationID: aCause,
		TraceParent: because.TraceParent,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: attributes %+v, want %+v", event.Type(), got, want)
	}
}

// A sample with an empty field would prove nothing about that field.
func TestGolden_SamplesAreComplete(t *testing.T) {
	t.Parallel()
	var versions []events.Version
	for _, event := range samples {
		versions = append(versions, events.Version{Name: event.Type().Name, Major: event.Type().Major})
		if field := emptyField(reflect.ValueOf(event)); field != "" {
			t.Errorf("the sample of %s leaves %s empty", event.Type().Name, field)
		}
	}
	slices.SortFunc(versions, func(a, b events.Version) int { return strings.Compare(a.String(), b.String()) })
	if !slices.Equal(versions, events.Versions()) {
		t.Errorf("samples of %v, but the events are %v", versions, events.Versions())
	}
}

// emptyField names the first field, at any depth, that holds its zero value.
func emptyField(v reflect.Value) string {
	if v.Kind() == reflect.Slice && v.Len() > 0 {
		return emptyField(v.Index(0))
	}
	if v.Kind() != reflect.Struct {
		return ""
	}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() {
			return name
		} else if inner := emptyField(v.Field(i)); inner != "" {
			return name + "." + inner
		}
	}
	return ""
}

// Events were published before there was contact_email, and are published without it when the customer wants no mail.
func TestGolden_AContactIsOptional(t *testing.T) {
	t.Parallel()
	without := events.OrderCreated{Snapshot: snapshot}
	for _, event := range []events.Event{without, without.Upcast(), events.OrderCancelled{Subject: about, Reason: "customer"}} {
		message := encode(t, event)
		if bytes.Contains(message, []byte("contact")) {
			t.Errorf("%s is published as %s", event.Type(), message)
		}
		if _, decoded, err := events.Decode(message); err != nil || !reflect.DeepEqual(decoded, event) {
			t.Errorf("%s was read as %+v, %v", event.Type(), decoded, err)
		}
	}
}

// Services compare the order of a repeated event with the row that they wrote when it came first, perhaps a release ago.
// A new field of a snapshot must therefore be left out where the event does not have it.
func TestSnapshot_OneFromTheFirstReleaseIsWrittenAsItWas(t *testing.T) {
	t.Parallel()
	const first = `{"order_id":"01936f2e-7c00-7000-8000-000000000001","customer_id":"customer-7",` +
		`"lines":[{"sku":"widget","quantity":2,"unit_price":1999}],"total":{"amount":3998,"currency":"USD"},` +
		`"payment_method":"tok_visa","ship_to":{"name":"Zoe","street":"Main St 1","city":"Berlin","postal_code":"10115","country":"DE"}}`
	var s events.Snapshot
	if err := json.Unmarshal([]byte(first), &s); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(s); err != nil || string(again) != first {
		t.Errorf("got %s, %v, want %s", again, err, first)
	}
}
