package events_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/pkg/events"
)

func TestEncode_IsDecodedUnchanged(t *testing.T) {
	t.Parallel()
	for _, event := range samples {
		_, decoded, err := events.Decode(encode(t, event))
		if err != nil {
			t.Errorf("%s: %v", event.Type(), err)
		} else if !reflect.DeepEqual(decoded, event) {
			t.Errorf("%s came back as %+v", event.Type(), decoded)
		}
	}
}

func TestEncode_AnIncidentIsPublishedByItsService(t *testing.T) {
	t.Parallel()
	for _, service := range events.Services {
		opened := events.IncidentOpened{Subject: about, IncidentID: aCause, Service: string(service), Kind: "poison", Reason: "unreadable"}
		envelope, decoded, err := events.Decode(encode(t, opened))
		if err != nil || decoded != events.Event(opened) || envelope.Source != "/services/"+string(service) {
			t.Errorf("%s: %v, from %s, %v", service, decoded, envelope.Source, err)
		}
	}
}

func TestEncode_TheFirstEventHasNoCause(t *testing.T) {
	t.Parallel()
	message, err := events.Encode(anEvent, anInstant, events.Cause{}, samples[0])
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(message, []byte("causationid")) || bytes.Contains(message, []byte("traceparent")) {
		t.Errorf("empty attributes were published: %s", message)
	}
	if _, _, err := events.Decode(message); err != nil {
		t.Errorf("an event without a cause is refused: %v", err)
	}
}

func TestEncode_TimesAreUTC(t *testing.T) {
	t.Parallel()
	elsewhere := anInstant.In(time.FixedZone("elsewhere", 2*60*60))
	message, err := events.Encode(anEvent, elsewhere, because, samples[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(message, encode(t, samples[0])) {
		t.Errorf("the sender's time zone was published: %s", message)
	}
}

func TestEncode_RefusesWhatCouldNotBeDecoded(t *testing.T) {
	t.Parallel()
	reason := func(n int) events.Event {
		return events.OrderCancelled{Subject: about, Reason: strings.Repeat("x", n)}
	}
	fits := events.MaxSize - len(encode(t, reason(0)))
	order := func(n int) events.Event {
		large := snapshot
		large.CustomerID = strings.Repeat("x", n)
		return events.OrderCreated{Snapshot: large}
	}
	fitsFirst := events.MaxSize - 1024 - len(encode(t, order(0)))
	tests := map[string]struct {
		id, cause string
		event     events.Event
		want      string // empty: it is encoded
	}{
		"the largest event that fits":         {anEvent, aCause, reason(fits), ""},
		"one byte more":                       {anEvent, aCause, reason(fits + 1), "bytes are more than"},
		"the largest order that is accepted":  {anEvent, aCause, order(fitsFirst), ""},
		"an order that leaves no headroom":    {anEvent, aCause, order(fitsFirst + 1), "bytes are more than"},
		"no id":                               {"", aCause, reason(1), "id"},
		"an id that is not a UUID":            {"event-1", aCause, reason(1), "id"},
		"a cause that is not a UUID":          {anEvent, "event-1", reason(1), "causationid"},
		"no order":                            {anEvent, aCause, events.OrderCancelled{Reason: "x"}, "subject"},
		"an order that would be two subjects": {anEvent, aCause, events.OrderCancelled{Subject: events.Subject{OrderID: "a.b"}}, "subject"},
		"a NUL":                               {anEvent, aCause, events.OrderCancelled{Subject: about, Reason: "a\x00b"}, "NUL"},
		"an escape that only looks like one":  {anEvent, aCause, events.OrderCancelled{Subject: about, Reason: `\u0000`}, ""},
		"an incident of nobody":               {anEvent, aCause, events.IncidentOpened{Subject: about}, "service"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message, err := events.Encode(test.id, anInstant, events.Cause{EventID: test.cause, TraceParent: because.TraceParent}, test.event)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v for %.200s, want an error about %q", err, message, test.want)
			}
		})
	}
}

// An order is accepted when its first event fits. Then everything that follows fits as well.
func TestEncode_ALargeOrderIsNotStuckOnItsSize(t *testing.T) {
	t.Parallel()
	order := func(n int) events.Snapshot {
		large := snapshot
		large.CustomerID = strings.Repeat("x", n)
		return large
	}
	refused := sort.Search(events.MaxSize, func(n int) bool {
		_, err := events.Encode(anEvent, anInstant, events.Cause{TraceParent: because.TraceParent}, events.OrderCreated{Snapshot: order(n)})
		return err != nil
	})
	large := order(refused - 1)
	id := strings.Repeat("x", 255)
	for _, event := range []events.Event{
		events.InventoryReserved{Snapshot: large},
		events.PaymentProcessed{Snapshot: large, ChargeID: id},
		events.ShipmentCreated{Snapshot: large, ShipmentID: id},
	} {
		if _, err := events.Encode(anEvent, anInstant, because, event); err != nil {
			t.Error(err)
		}
	}
}

// change returns the wire form of OrderCancelled with some attributes replaced; nil removes one.
func change(t *testing.T, attributes map[string]any) []byte {
	t.Helper()
	var envelope map[string]any
	if err := json.Unmarshal(encode(t, events.OrderCancelled{Subject: about, Reason: "customer"}), &envelope); err != nil {
		t.Fatal(err)
	}
	for name, value := range attributes {
		envelope[name] = value
		if value == nil {
			delete(envelope, name)
		}
	}
	message, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestDecode_RefusesPoison(t *testing.T) {
	t.Parallel()
	type attributes = map[string]any
	data := attributes{"order_id": anOrder, "reason": "customer"}
	tests := map[string]struct {
		message []byte
		want    string
	}{
		"nothing":                         {nil, "not a CloudEvents message"},
		"not JSON":                        {[]byte("hello"), "not a CloudEvents message"},
		"half a message":                  {encode(t, samples[0])[:100], "not a CloudEvents message"},
		"two messages":                    {append(encode(t, samples[0]), "{}"...), "not a CloudEvents message"},
		"a list":                          {[]byte("[]"), "not a CloudEvents message"},
		"an empty object":                 {[]byte("{}"), "specversion"},
		"another CloudEvents version":     {change(t, attributes{"specversion": "2.0"}), "specversion"},
		"no id":                           {change(t, attributes{"id": nil}), "id"},
		"an id that is not a UUID":        {change(t, attributes{"id": "1"}), "id"},
		"an id in capitals":               {change(t, attributes{"id": strings.ToUpper(anEvent)}), "id"},
		"an id with a hyphen amiss":       {change(t, attributes{"id": strings.Replace(anEvent, "-", "0", 1)}), "id"},
		"a cause that is not a UUID":      {change(t, attributes{"causationid": "1"}), "causationid"},
		"no subject":                      {change(t, attributes{"subject": nil}), "subject"},
		"a subject that is not a UUID":    {change(t, attributes{"subject": "order-1"}), "subject"},
		"a time that is none":             {change(t, attributes{"time": "yesterday"}), "not a CloudEvents message"},
		"no data":                         {change(t, attributes{"data": nil}), "no data"},
		"data that is null":               {bytes.Replace(change(t, attributes{"data": "?"}), []byte(`"?"`), []byte("null"), 1), "no data"},
		"no type":                         {change(t, attributes{"type": nil}), "event type"},
		"a type of somebody else":         {change(t, attributes{"type": "com.github.push"}), "event type"},
		"a type of an unknown service":    {change(t, attributes{"type": "saga.billing.OrderCancelled.v1"}), "no service"},
		"a type without a version":        {change(t, attributes{"type": "saga.order.OrderCancelled"}), "event type"},
		"a version in another spelling":   {change(t, attributes{"type": "saga.order.OrderCancelled.v01"}), "major version"},
		"an unknown event":                {change(t, attributes{"type": "saga.order.OrderEaten.v1"}), "unknown event"},
		"an unknown major version":        {change(t, attributes{"type": "saga.order.OrderCancelled.v2"}), "unknown major version"},
		"the third version of an order":   {change(t, attributes{"type": "saga.order.OrderCreated.v3"}), "unknown major version"},
		"an event of another service":     {change(t, attributes{"type": "saga.payment.OrderCancelled.v1"}), "the one that is known"},
		"another service's incident":      {change(t, attributes{"type": "saga.order.IncidentOpened.v1", "data": attributes{"order_id": anOrder, "service": "payment"}}), "the one that is known"},
		"data that is a list":             {change(t, attributes{"data": []int{1}}), "data of"},
		"data with a wrong type":          {change(t, attributes{"data": attributes{"order_id": anOrder, "reason": 7}}), "data of"},
		"money that is not a whole cent":  {change(t, attributes{"type": "saga.payment.PaymentRefunded.v1", "data": attributes{"order_id": anOrder, "amount": attributes{"amount": 1.5}}}), "data of"},
		"money that is too large":         {change(t, attributes{"type": "saga.payment.PaymentRefunded.v1", "data": attributes{"order_id": anOrder, "amount": attributes{"amount": 1e30}}}), "data of"},
		"data without an order":           {change(t, attributes{"data": attributes{"reason": "x"}}), "about order"},
		"data about another order":        {change(t, attributes{"subject": aCause, "data": data}), "about order"},
		"a NUL in a text":                 {change(t, attributes{"data": attributes{"order_id": anOrder, "reason": "\\\x00"}}), "NUL"},
		"binary data instead of an event": {change(t, attributes{"data": nil, "data_base64": "e30="}), "no data"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, event, err := events.Decode(test.message); err == nil {
				t.Errorf("%s was read as %+v", test.message, event)
			} else if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want an error about %q", err, test.want)
			}
		})
	}
}

// A person looks at a dead letter: whatever could be read of it comes with the error.
func TestDecode_ReturnsTheEnvelopeOfPoison(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]map[string]any{
		"an unknown event":              {"type": "saga.order.OrderEaten.v1"},
		"a time with a 60th second":     {"time": "2026-11-29T12:00:60Z"},
		"a time that is a number":       {"time": 1764417600},
		"a trace that is a number":      {"traceparent": 7},
		"a version that is a number":    {"specversion": 1.0},
		"a schema that is an object":    {"dataschema": map[string]any{}},
		"a cause that is a list":        {"causationid": []int{1}},
		"two attributes of wrong types": {"time": true, "source": 1},
	} {
		envelope, _, err := events.Decode(change(t, attributes))
		if err == nil || envelope.ID != anEvent || envelope.Subject != anOrder {
			t.Errorf("%s: got %+v, %v", name, envelope, err)
		}
	}
	envelope, _, err := events.Decode(change(t, map[string]any{"id": 1}))
	if err == nil || envelope.ID != "" || envelope.Subject != anOrder {
		t.Errorf("an id that is a number: got %+v, %v", envelope, err)
	}
}

// A newer publisher may add fields; that must not stop an older consumer.
func TestDecode_IgnoresUnknownFields(t *testing.T) {
	t.Parallel()
	message := change(t, map[string]any{
		"newattribute": "x",
		"data":         map[string]any{"order_id": anOrder, "reason": "customer", "new_field": []int{1}},
	})
	_, event, err := events.Decode(message)
	if want := (events.OrderCancelled{Subject: about, Reason: "customer"}); err != nil || event != events.Event(want) {
		t.Errorf("got %+v, %v", event, err)
	}
}

// Whatever arrives, Decode answers with an error or with an event that means the same to the next reader.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		message, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message)
	}
	f.Add([]byte(`{"specversion":"1.0","data":null}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		envelope, event, err := events.Decode(message)
		if err != nil {
			return
		}
		if event.Type().String() != envelope.Type || event.Order() != envelope.Subject {
			t.Fatalf("%+v is not what its envelope says: %+v", event, envelope)
		}
		again, err := events.Encode(envelope.ID, envelope.Time, events.Cause{EventID: envelope.CausationID, TraceParent: envelope.TraceParent}, event)
		if err != nil {
			return // too large, or a time that UTC moves out of the calendar
		}
		if _, second, err := events.Decode(again); err != nil || !reflect.DeepEqual(second, event) {
			t.Fatalf("%+v was passed on as %s and read as %+v, %v", event, again, second, err)
		}
	})
}
