package pact_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

func TestBreaks_EveryFieldThatIsReadIsPromised(t *testing.T) {
	t.Parallel()
	if broken := breaks(t, "PaymentRefunded.v1", "", ""); len(broken) > 0 {
		t.Errorf("with the schemas as they are: %v", broken)
	}
}

func TestBreaks_NamesTheConsumersAndTheFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, schema, old, changed string
		want                       []string
	}{
		{"a field that two read may be missing", "PaymentRefunded.v1", `"reason"],`, `"note"],`, []string{"inventory reason: it may be missing", "timeline reason: it may be missing"}},
		{"a field that one reads may be missing", "PaymentRefunded.v1", `"amount",`, ``, []string{"timeline amount: it may be missing"}},
		{"a field that a service validates, and does not read, may be missing", "PaymentRefunded.v1", `"refund_id",`, ``, []string{"inventory refund_id: it may be missing"}},
		{"a bound is wider", "common.v1", `"amount":{"minimum":0,"type":"integer"}`, `"amount":{"minimum":-1,"type":"integer"}`, []string{"payment total.amount: it may be smaller than the reader takes (at least 0)"}},
		{"a field that nobody has promised is new", "PaymentRefunded.v1", `"refund_id":`, `"note":{"type":"string"},"refund_id":`, nil},
		{"a field has another name", "PaymentVoided.v1", `"reason":{"$ref":"common.v1.json#/$defs/Reason"}},"required":["order_id","reason"]`, `"why":{"$ref":"common.v1.json#/$defs/Reason"}},"required":["order_id","why"]`, []string{"inventory reason: the writer does not send it, the reader requires it", "timeline reason: the writer does not send it, the reader requires it"}},
		{"a field is no longer described", "PaymentVoided.v1", `"reason":`, `"why":`, []string{"inventory reason: it may be null or boolean or number or array or object, the reader takes string"}},
		{"a field has another type", "ShipmentCreated.v1", `"shipment_id":{"type":"string"`, `"shipment_id":{"type":"integer"`, []string{"order shipment_id: it may be integer, the reader takes string", "timeline shipment_id: it may be integer, the reader takes string"}},
		{"a field has one of several types", "ShipmentCreated.v1", `"shipment_id":{"type":"string"`, `"shipment_id":{"type":["string","null"]`, []string{"order shipment_id: it may be null, the reader takes string", "timeline shipment_id: it may be null, the reader takes string"}},
		{"a field is described by what is not judged", "ShipmentCreated.v1", `"shipment_id":{"type":"string"`, `"shipment_id":{"type":["string","integer"],"not":{"type":"integer"}`, []string{"order shipment_id: it cannot be judged: it may be integer, the reader takes string, unless the writer's not forbids it"}},
		{"a field says less than is read", "common.v1", `"amount":{"minimum":0,"type":"integer"}`, `"amount":{"minimum":0,"type":"number"}`, []string{"timeline total.amount: it may be a fraction, the reader takes integer"}},
		{"a field says more than is read", "common.v1", `"amount":{"minimum":0,"type":"integer"}`, `"amount":{"minimum":1,"type":"integer"}`, nil},
		{"an optional field has another name", "OrderCreated.v2", `"contact_email":{`, `"email":{`, []string{"translator contact_email: the writer does not send it, the reader reads it where it is there"}},
		{"an optional field has another type", "OrderCreated.v2", `"maxLength":254,"type":"string"`, `"type":"integer"`, []string{"translator contact_email: it may be integer, the reader takes string"}},
		{"a field that is new", "PaymentVoided.v1", `"properties":{`, `"properties":{"at":{"type":"string"},`, nil},
		{"something that several events share", "common.v1", `"required":["amount","currency"]`, `"required":["currency"]`, []string{"timeline total.amount: it may be missing"}},
		{"the envelope", "envelope.v2", `"time",`, ``, []string{"timeline time: it may be missing"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, b := range breaks(t, c.schema, c.old, c.changed) {
				got = append(got, b.Consumer+" "+b.Field+": "+b.Why)
			}
			for _, want := range c.want {
				if !slices.Contains(got, want) {
					t.Errorf("%s is not among %v", want, got)
				}
			}
			if len(c.want) == 0 && len(got) > 0 {
				t.Errorf("nobody should break, but %v", got)
			}
		})
	}
}

// breaks changes a schema in one place and asks who breaks.
func breaks(t *testing.T, name, old, changed string) []pact.Break {
	t.Helper()
	content, err := events.Schemas.ReadFile("schemas/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	compact, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(compact), old) {
		t.Fatalf("%s has no %s: %s", name, old, compact)
	}
	broken, err := pact.Breaks([]byte(strings.Replace(string(compact), old, changed, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return broken
}

func TestSchemas_AChangedSchemaMustBeOne(t *testing.T) {
	t.Parallel()
	for what, content := range map[string]string{"no JSON": `{`, "no object": `[]`, "no id": `{}`, "of no event": `{"$id":"/schemas/Nothing/v1"}`} {
		if _, err := pact.Breaks([]byte(content)); err == nil {
			t.Errorf("%s is taken for the schema of an event", what)
		}
	}
}

// TestBreaks_AgreesWithTheComparer changes every field of every event in many ways: the consumers that validate break
// whenever the comparer says that the old schema cannot read the new one, and otherwise nobody does.
func TestBreaks_AgreesWithTheComparer(t *testing.T) {
	t.Parallel()
	files, err := events.Schemas.ReadDir("schemas")
	if err != nil {
		t.Fatal(err)
	}
	subscribed := subscribers(t)
	refused, accepted := 0, 0
	for _, file := range files {
		id := file.Name()
		if strings.HasPrefix(id, "envelope.") {
			continue // services read it field by field
		}
		for what, changed := range changes(t, file.Name()) {
			broken, err := pact.Breaks(changed)
			if err != nil {
				continue // it is no schema any more, for either judge
			}
			for event, services := range subscribed {
				if !concerns(t, event, id) {
					continue
				}
				want := services
				if compare(t, event, id, changed) == schema.Compatible {
					want = nil
					accepted++
				} else {
					refused++
				}
				if got := servicesOf(broken, event); !slices.Equal(got, want) {
					t.Errorf("%s: %s: of the readers of %s %v break, not %v", file.Name(), what, event, got, want)
				}
			}
		}
	}
	if refused < 100 || accepted < 100 {
		t.Errorf("%d comparisons are refused and %d accepted: the changes test one side alone", refused, accepted)
	}
}

// servicesOf are the services that can no longer read an event.
func servicesOf(broken []pact.Break, event string) (names []string) {
	for _, b := range broken {
		if b.Event == event && slices.Contains(events.Consumers, events.Service(b.Consumer)) {
			names = append(names, b.Consumer)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// concerns is whether an event's schema is the one with an id. What events share is tried on three of them, which
// refer to all of it.
func concerns(t *testing.T, event, id string) bool {
	t.Helper()
	typ, err := events.ParseType(event)
	if err != nil {
		t.Fatal(err)
	}
	if id == "common.v1.json" {
		return slices.Contains([]string{"OrderCreated", "PaymentRefunded", "InventoryRejected"}, typ.Name)
	}
	return id == events.SchemaID(typ)
}

// subscribers are the services that have a pact about an event, by its type.
func subscribers(t *testing.T) map[string][]string {
	t.Helper()
	pacts, err := pact.All()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, p := range pacts {
		for _, i := range p.Interactions {
			if i.Type == pact.Message && slices.Contains(events.Consumers, events.Service(p.Consumer.Name)) {
				all[i.Key] = append(all[i.Key], p.Consumer.Name)
			}
		}
	}
	for _, services := range all {
		slices.Sort(services)
	}
	return all
}

// compare asks the comparer whether a reader with today's schema of an event can read what is written by it after the
// schema with an id has changed.
func compare(t *testing.T, event, id string, changed []byte) schema.Answer {
	t.Helper()
	typ, err := events.ParseType(event)
	if err != nil {
		t.Fatal(err)
	}
	parsed := func(text func(id string) ([]byte, error)) *schema.Schema {
		content, err := text(events.SchemaID(typ))
		if err != nil {
			t.Fatal(err)
		}
		s, err := schema.Parse(content, text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	today := func(id string) ([]byte, error) { return events.Schemas.ReadFile("schemas/" + id) }
	next := func(wanted string) ([]byte, error) {
		if wanted == id {
			return changed, nil
		}
		return today(wanted)
	}
	return schema.Compare(parsed(today), parsed(next), schema.Lenient).Answer
}

// changes are an event's schema with one change each, by what it is.
func changes(t *testing.T, file string) map[string][]byte {
	t.Helper()
	text, err := events.Schemas.ReadFile("schemas/" + file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	count := len(objects(t, text))
	for i := range count {
		for what, change := range map[string]func(schema map[string]any){
			"nothing is required":    func(s map[string]any) { delete(s, "required") },
			"a string":               func(s map[string]any) { s["type"] = "string" },
			"an integer":             func(s map[string]any) { s["type"] = "integer" },
			"any type":               func(s map[string]any) { delete(s, "type") },
			"null too":               func(s map[string]any) { s["type"] = []any{s["type"], "null"} },
			"no least length":        func(s map[string]any) { delete(s, "minLength") },
			"a least length":         func(s map[string]any) { s["minLength"] = 3 },
			"no most length":         func(s map[string]any) { delete(s, "maxLength") },
			"no minimum":             func(s map[string]any) { delete(s, "minimum") },
			"a maximum":              func(s map[string]any) { s["maximum"] = 1000 },
			"perhaps no items":       func(s map[string]any) { delete(s, "minItems") },
			"any format":             func(s map[string]any) { delete(s, "format") },
			"any pattern":            func(s map[string]any) { delete(s, "pattern") },
			"any value":              func(s map[string]any) { delete(s, "enum"); delete(s, "const") },
			"a field is new":         func(s map[string]any) { add(s, "properties", "new_field", map[string]any{"type": "string"}) },
			"no fields are declared": func(s map[string]any) { delete(s, "properties") },
		} {
			whole := objects(t, text)
			before := encode(t, whole[0])
			if change(whole[i]); string(encode(t, whole[0])) != string(before) {
				all[strconv.Itoa(i)+": "+what] = encode(t, whole[0])
			}
		}
	}
	return all
}

func add(schema map[string]any, keyword, name string, value any) {
	if named, is := schema[keyword].(map[string]any); is {
		named[name] = value
	}
}

// objects are all schemas inside a schema, itself first.
func objects(t *testing.T, text []byte) (all []map[string]any) {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	var walk func(value any)
	walk = func(value any) {
		object, is := value.(map[string]any)
		if !is {
			return
		}
		all = append(all, object)
		for _, keyword := range []string{"properties", "$defs"} {
			named, _ := object[keyword].(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(named)) {
				walk(named[name])
			}
		}
		walk(object["items"])
	}
	walk(whole)
	return all
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
