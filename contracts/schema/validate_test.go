package schema_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

// order is the largest schema of the events, and an event of it.
func order(t testing.TB) (*schema.Schema, []byte) {
	t.Helper()
	text, err := resolve("OrderCreated.v2.json")
	if err != nil {
		t.Fatal(err)
	}
	message, err := events.Examples.ReadFile("testdata/OrderCreated.v2.json")
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct{ Data json.RawMessage }
	if err := json.Unmarshal(message, &envelope); err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text)), envelope.Data
}

func TestValidate_NamesTheFieldAndWhatIsExpected(t *testing.T) {
	t.Parallel()
	s, payload := order(t)
	if err := s.Validate(payload); err != nil {
		t.Fatalf("the example of the event is refused: %v", err)
	}
	for what, c := range map[string]struct{ old, changed, wants string }{
		"a field is missing":               {`"customer_id"`, `"buyer"`, "/customer_id: it is required, and missing"},
		"a field is of another type":       {`"quantity": 2`, `"quantity": "2"`, "/lines/0/quantity: it is string, must be integer"},
		"a number is too small":            {`"quantity": 2`, `"quantity": 0`, "/lines/0/quantity: it must be at least 1"},
		"a number is 2.5":                  {`"quantity": 2`, `"quantity": 2.5`, "/lines/0/quantity: it is number, must be integer"},
		"a number that fills the memory":   {`"quantity": 2`, `"quantity": 2e999999999`, "the number 2e999999999… is too long"},
		"a format is not kept":             {`"order_id": "`, `"order_id": "x`, "/order_id: it must be of format uuid"},
		"a pattern is not kept":            {`"USD"`, `"usd"`, "/lines/0/unit_price/currency: it must match ^[A-Z]{3}$ (and "},
		"a text is too short":              {`"sku": "`, `"sku": "", "was": "`, "/lines/0/sku: it must have at least 1 characters"},
		"a list is empty":                  {`"lines": [`, `"lines": [], "was": [`, "/lines: it must have at least 1 items"},
		"what comes first is named first":  {`"amount"`, `"sum"`, "/lines/0/unit_price/amount: it is required, and missing (and "},
		"the name of a field is two lines": {`"currency"`, `"cur\nrency"`, "/lines/0/unit_price/currency: it is required, and missing"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			changed := strings.ReplaceAll(string(payload), c.old, c.changed)
			err := s.Validate([]byte(changed))
			if err == nil {
				t.Fatalf("%s is accepted", changed)
			}
			if !strings.HasPrefix(err.Error(), c.wants) || strings.Contains(err.Error(), "\n") {
				t.Errorf("it wants %q, want %q in one line", err, c.wants)
			}
		})
	}
}

func TestValidate_APayloadIsOneJSONDocument(t *testing.T) {
	t.Parallel()
	s, payload := order(t)
	for wants, text := range map[string]string{"it is not JSON": "", "there is something behind the JSON": string(payload) + "}"} {
		if err := s.Validate([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), wants) {
			t.Errorf("the error is %v, want %s", err, wants)
		}
	}
}

func TestValidate_DoesNotRepeatThePayload(t *testing.T) {
	t.Parallel()
	s := parse(t, `{"properties": {"card": {"type": "integer", "pattern": "^tok_", "format": "uuid"}, "name": {"const": "x"}, "to": {"maxLength": 3, "enum": ["a"], "pattern": "^t"}}, "additionalProperties": false}`)
	for _, payload := range []string{`{"card": "4242"}`, `{"name": "4242"}`, `{"to": "4242"}`, `{"to": "4242", "name": "4242", "card": "4242"}`} {
		if err := s.Validate([]byte(payload)); err == nil || strings.Contains(err.Error(), "4242") {
			t.Errorf("%s: %v", payload, err)
		}
	}
	err := s.Validate([]byte(`{"a\nb": 1, "` + strings.Repeat("ü", 1000) + `": 2}`))
	if err == nil || strings.Contains(err.Error(), "\n") || len(err.Error()) > 400 {
		t.Errorf("not one short line: %v", err)
	}
}

func TestSchema_IsUsedByManyAtOnce(t *testing.T) {
	t.Parallel()
	s, payload := order(t)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if err := s.Validate(payload); err != nil {
				t.Error(err)
			}
			if v := schema.Compare(s, s, schema.Strict); v.Answer != schema.Compatible {
				t.Error(v)
			}
		})
	}
	all.Wait()
}

func BenchmarkValidate(b *testing.B) {
	s, payload := order(b)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Validate(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text, err := resolve("OrderCreated.v2.json")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := schema.Parse(text, resolve); err != nil {
			b.Fatal(err)
		}
	}
}
