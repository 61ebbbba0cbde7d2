package payload_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/contracts/payload"
	"example.com/ordersaga/pkg/events"
)

// published is the data of an event as it was published once.
func published(t testing.TB, version events.Version) (events.Type, []byte) {
	t.Helper()
	message, err := events.Examples.ReadFile("testdata/" + version.String() + ".json")
	if err != nil {
		t.Fatal(err)
	}
	envelope, typ, err := events.Open(message)
	if err != nil {
		t.Fatal(err)
	}
	return typ, envelope.Data
}

func TestPayload_EveryPublishedEventIsValid(t *testing.T) {
	t.Parallel()
	for _, version := range events.Versions() {
		if err := payload.Validate(published(t, version)); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestPayload_AnErrorNamesThePlaceAndWhatIsExpected(t *testing.T) {
	t.Parallel()
	typ, data := published(t, events.Version{Name: "OrderCreated", Major: 2})
	for name, test := range map[string]struct{ old, new, want string }{
		"a field is missing":             {`"customer_id"`, `"customer"`, "/customer_id: it is required, and missing"},
		"a number is too small":          {`"quantity":2`, `"quantity":0`, "/lines/0/quantity: it must be at least 1"},
		"a number is a text":             {`"amount":750`, `"amount":"750"`, "/lines/1/unit_price/amount: it is string, must be integer"},
		"a number is broken":             {`"quantity":2`, `"quantity":2.5`, "/lines/0/quantity: it is number, must be integer"},
		"a text is of another form":      {`"DE"`, `"Germany"`, "/ship_to/address/country: it must match ^[A-Z]{2}$"},
		"an id is none":                  {`"order_id":"`, `"order_id":"x`, "/order_id: it must be of format uuid"},
		"the first version for a second": {`"recipient"`, `"name"`, "/ship_to/recipient: it is required, and missing"},
		"it is not an object":            {string(compact(t, data)), `[]`, "the document: it is array, must be object"},
		"it is not JSON":                 {`{`, ``, "data of OrderCreated.v2"},
		"a number that is a program":     {`"quantity":2`, `"quantity":1e999999999`, "data of OrderCreated.v2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spoilt := strings.Replace(string(compact(t, data)), test.old, test.new, 1)
			began := time.Now()
			err := payload.Validate(typ, []byte(spoilt))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("said %v, want %q", err, test.want)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v to say so", took)
			}
		})
	}
}

// What a schema does not name is allowed: a publisher may add fields that its older consumers do not know.
func TestPayload_AFieldThatTheSchemaDoesNotNameIsAllowed(t *testing.T) {
	t.Parallel()
	for _, version := range events.Versions() {
		typ, data := published(t, version)
		more := append([]byte(`{"said_from_now_on": {"a": [1]},`), compact(t, data)[1:]...)
		if err := payload.Validate(typ, more); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// A reason goes into logs, and what stands in an event may be somebody's.
func TestPayload_AnErrorDoesNotRepeatTheValue(t *testing.T) {
	t.Parallel()
	typ, data := published(t, events.Version{Name: "OrderCreated", Major: 1})
	for old, secret := range map[string]string{`"DE"`: `"ada@home.example"`, anOrder: "ada@home.example", `[`: `"ada@home.example",[`} {
		err := payload.Validate(typ, []byte(strings.Replace(string(compact(t, data)), old, secret, 1)))
		if err == nil || strings.Contains(err.Error(), "ada@") {
			t.Errorf("%s for %s: said %v", secret, old, err)
		}
	}
}

// However much is wrong, the reason stays one that can be read.
func TestPayload_AnErrorIsShort(t *testing.T) {
	t.Parallel()
	typ, data := published(t, events.Version{Name: "OrderCreated", Major: 1})
	many := strings.Replace(string(compact(t, data)), `"lines":[`, `"lines":[`+strings.Repeat(`{},`, 5000), 1)
	err := payload.Validate(typ, []byte(many))
	if err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "(and 14999 more)") {
		t.Errorf("said %.2000v", err)
	}
}

const anOrder = "01936f2e-7c00-7000-8000-000000000001"

func compact(t testing.TB, data []byte) []byte {
	t.Helper()
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	small, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return small
}

// BenchmarkEvent is what validation adds to an event, once on the way out and once on the way in.
func BenchmarkEvent(b *testing.B) {
	for _, name := range []string{"OrderCreated", "PaymentFailed"} {
		typ, data := published(b, events.Version{Name: name, Major: 1})
		data = compact(b, data)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := payload.Validate(typ, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
