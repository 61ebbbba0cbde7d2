package schema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/ordersaga/contracts/schema"
	"example.com/ordersaga/pkg/events"
)

// resolve finds the schemas of the events by their $id.
func resolve(ref string) ([]byte, error) {
	return events.Schemas.ReadFile("schemas/" + ref)
}

// parse reads a schema that is right.
func parse(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Parse([]byte(text), resolve)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestParse_EverySchemaOfTheEvents(t *testing.T) {
	t.Parallel()
	files, err := events.Schemas.ReadDir("schemas")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	for _, file := range files {
		content, err := events.Schemas.ReadFile("schemas/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		s := parse(t, string(content))
		if v := schema.Compare(s, s, schema.Strict); v.Answer != schema.Compatible {
			t.Errorf("%s is not compatible with itself: %s", file.Name(), v)
		}
	}
}

func TestParse_RefusesInOneClearLine(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ text, wants string }{
		"nothing":                          {``, "it is not JSON: EOF"},
		"not JSON":                         {`{"type": string}`, "it is not JSON"},
		"something behind it":              {`{} {}`, "there is something behind the JSON"},
		"a list":                           {`[]`, "a JSON Schema is an object, or true or false"},
		"1 MB":                             {`{"description": "` + strings.Repeat("x", 1<<20) + `"}`, "it has 1048595 bytes, at most 262144 are allowed"},
		"an older dialect":                 {`{"$schema": "http://json-schema.org/draft-07/schema#"}`, "its dialect is http://json-schema.org/draft-07/schema#, and the only one here is https://json-schema.org/draft/2020-12/schema"},
		"an older word":                    {`{"definitions": {}}`, "/definitions: 2020-12 calls it $defs"},
		"a slip of the pen":                {`{"properties": {"a": {"requierd": ["b"]}}}`, "/properties/a/requierd: JSON Schema 2020-12 has no such keyword"},
		"no such type":                     {`{"properties": {"a": {"type": "strng"}}}`, "/properties/a/type: value must be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'"},
		"a length below nothing":           {`{"minLength": -1}`, "/minLength: it must be at least 0"},
		"a length without end":             {`{"maxLength": 99999999999999999999}`, "/maxLength: 99999999999999999999 is more than can be counted"},
		"a number that fills the memory":   {`{"minimum": 1e999999999}`, "the number 1e999999999… is too long"},
		"no pattern":                       {`{"pattern": "("}`, "/pattern: it must be of format regex"},
		"properties in a list":             {`{"properties": []}`, "/properties: it must be an object of schemas"},
		"a schema that is a number":        {`{"items": 1}`, "/items: a schema is an object, or true or false"},
		"what is wrong only in $defs":      {`{"$defs": {"a": {"type": "strng"}}}`, "/$defs/0/type: value must be one of"},
		"a reference to itself":            {`{"properties": {"a": {"$ref": "#"}}}`, "/properties/a/$ref: # leads back to itself, and a schema that contains itself cannot be judged"},
		"a reference in a circle":          {`{"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}`, "/$defs/a/items/$ref: #/$defs/a leads back to itself"},
		"a reference by its own name":      {`{"$id": "/schemas/me/v1", "items": {"$ref": "/schemas/me/v1"}}`, "/items/$ref: /schemas/me/v1 leads back to itself"},
		"a reference to nowhere":           {`{"$ref": "#/$defs/b", "$defs": {"a": {}}}`, "/$ref: #/$defs/b leads nowhere"},
		"a reference to no such schema":    {`{"$ref": "Nothing.v1.json"}`, "/$ref: find Nothing.v1.json: open schemas/Nothing.v1.json: file does not exist"},
		"a reference without an end":       {`{"$ref": "/schemas/` + strings.Repeat("x", 3000) + `"}`, "…xxx"},
		"a name of two lines":              {`{"properties": {"a\nb": 1}}`, "/properties/a b: a schema is an object, or true or false"},
		"a reference to an anchor":         {`{"$ref": "#here"}`, "/$ref: #here does not name a place by its path"},
		"a reference that is a number":     {`{"$ref": 1}`, "/$ref: a reference is a string"},
		"a dynamic reference":              {`{"$dynamicRef": "#node"}`, "/$dynamicRef: what a dynamic reference means depends on who asks, so it cannot be judged"},
		"an $id inside":                    {`{"items": {"$id": "/x"}}`, "/items/$id: only the whole schema may have an $id"},
		"65 schemas inside each other":     {strings.Repeat(`{"items":`, 64) + `{}` + strings.Repeat(`}`, 64), "more than 64 schemas stand inside each other"},
		"references that multiply":         {multiplying(20), "with its references followed it has more than 10000 schemas"},
		"more brackets than anybody reads": {strings.Repeat("[", 100_000), "it is not JSON"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Parse([]byte(c.text), resolve)
			if err == nil {
				t.Fatal("it is taken for a schema")
			}
			if !strings.Contains(err.Error(), c.wants) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 400 {
				t.Errorf("it wants %q, want %q in one short line", err, c.wants)
			}
		})
	}
}

// multiplying is a schema of a few lines in which each definition refers to the next one twice.
func multiplying(n int) string {
	var b strings.Builder
	b.WriteString(`{"$ref": "#/$defs/0", "$defs": {`)
	for i := range n {
		fmt.Fprintf(&b, `"%d": {"properties": {"a": {"$ref": "#/$defs/%d"}, "b": {"$ref": "#/$defs/%d"}}},`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"%d": {}}}`, n)
	return b.String()
}

func TestParse_FollowsReferencesToOtherSchemas(t *testing.T) {
	t.Parallel()
	s := parse(t, `{"properties": {"total": {"$ref": "common.v1.json#/$defs/Money", "description": "What it costs."}}}`)
	if err := s.Validate([]byte(`{"total": {"amount": 1, "currency": "EUR"}}`)); err != nil {
		t.Error(err)
	}
	if err := s.Validate([]byte(`{"total": {"amount": -1, "currency": "EUR"}}`)); err == nil {
		t.Error("an amount below nothing is money")
	}
	inlined := parse(t, `{"properties": {"total": {"type": "object", "required": ["currency", "amount"],
		"properties": {"amount": {"type": "integer", "minimum": 0.0}, "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}}}}}`)
	if v := schema.Compare(s, inlined, schema.Strict); v.Answer != schema.Compatible {
		t.Errorf("written out it is another schema: %s", v)
	}
}

func TestParse_RefusesReferencesToUnknownSchemas(t *testing.T) {
	t.Parallel()
	if _, err := schema.Parse([]byte(`{"$ref": "common.v1.json"}`), nil); err == nil || !strings.Contains(err.Error(), "there are no other schemas") {
		t.Errorf("the error is %v", err)
	}
	broken := errors.New("the bucket is away")
	if _, err := schema.Parse([]byte(`{"$ref": "/x"}`), func(string) ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("it does not say that %v, but %v", broken, err)
	}
}
