package pact_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/contracts/pact"
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
		{"a field that nobody reads may be missing", "PaymentRefunded.v1", `"refund_id",`, ``, nil},
		{"a field has another name", "PaymentVoided.v1", `"reason":{"$ref":"/schemas/common/v1#/$defs/Reason"}},"required":["order_id","reason"]`, `"why":{"$ref":"/schemas/common/v1#/$defs/Reason"}},"required":["order_id","why"]`, []string{"inventory reason: the writer does not send it, the reader requires it", "timeline reason: the writer does not send it, the reader requires it"}},
		{"a field is no longer described", "PaymentVoided.v1", `"reason":`, `"why":`, []string{"inventory reason: it may be null or boolean or number or array or object, the reader takes string"}},
		{"a field has another type", "ShipmentCreated.v1", `"shipment_id":{"type":"string"`, `"shipment_id":{"type":"integer"`, []string{"order shipment_id: it may be integer, the reader takes string", "timeline shipment_id: it may be integer, the reader takes string"}},
		{"a field has one of several types", "ShipmentCreated.v1", `"shipment_id":{"type":"string"`, `"shipment_id":{"type":["string","null"]`, []string{"order shipment_id: it may be null, the reader takes string", "timeline shipment_id: it may be null, the reader takes string"}},
		{"a field is described by what is not judged", "ShipmentCreated.v1", `"shipment_id":{"type":"string"`, `"shipment_id":{"type":["string","integer"],"not":{"type":"integer"}`, []string{"order shipment_id: it cannot be judged: it may be integer, the reader takes string, unless the writer's not forbids it"}},
		{"a field says less than is read", "common.v1", `"amount":{"minimum":0,"type":"integer"}`, `"amount":{"minimum":0,"type":"number"}`, []string{"timeline total.amount: it may be a fraction, the reader takes integer"}},
		{"a field says more than is read", "common.v1", `"amount":{"minimum":0,"type":"integer"}`, `"amount":{"minimum":1,"type":"integer"}`, nil},
		{"a field that is new", "PaymentVoided.v1", `"properties":{`, `"properties":{"at":{"type":"string"},`, nil},
		{"something that several events share", "common.v1", `"required":["amount","currency"]`, `"required":["currency"]`, []string{"timeline total.amount: it may be missing"}},
		{"the envelope", "envelope.v1", `"time",`, ``, []string{"timeline time: it may be missing"}},
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
