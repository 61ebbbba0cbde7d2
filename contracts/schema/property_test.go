package schema_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/ordersaga/contracts/schema"
)

// changed is a schema with a change here or there, or with none.
func changed(t *rapid.T, s any, depth int) any {
	is, ok := s.(object)
	if !ok || rarely(t, "another", 12) {
		return aSchema(t, depth)
	}
	is = maps.Clone(is)
	switch pick(t, "change", []string{"less", "more", "inside", "inside", "inside", "none", "looser", "tighter", "required"}) {
	case "less":
		if keywords := sorted(is); len(keywords) > 0 {
			delete(is, pick(t, "keyword", keywords))
		}
	case "more":
		if more, ok := aSchema(t, depth).(object); ok {
			for keyword, content := range more {
				if _, has := is[keyword]; !has {
					is[keyword] = content
				}
			}
		}
	case "looser":
		for _, keyword := range []string{"minLength", "minItems", "minimum", "exclusiveMinimum", "required", "maxLength"} {
			delete(is, keyword)
		}
		if is["type"] == "integer" {
			is["type"] = "number"
		}
	case "tighter":
		if is["type"] == "number" {
			is["type"] = "integer"
		}
		if is["type"] == "object" {
			is["additionalProperties"] = false
		}
	case "required":
		if is["type"] == "object" {
			is["required"] = []string{pick(t, "required", names)}
		}
	case "inside":
		inside(t, is, depth)
	}
	return is
}

// inside changes a schema's items, its alternatives, or one of its properties: it comes, goes or becomes another one.
func inside(t *rapid.T, is object, depth int) {
	if branches, has := is["anyOf"].([]any); has {
		is["anyOf"] = []any{pick(t, "branch", branches), aSchema(t, depth)}[:rapid.IntRange(1, 2).Draw(t, "branches")]
	}
	if items, has := is["items"]; has {
		is["items"] = changed(t, items, depth)
	}
	properties, has := is["properties"].(object)
	if !has {
		return
	}
	properties = maps.Clone(properties)
	name := pick(t, "name", names)
	switch property, has := properties[name]; {
	case !has:
		properties[name] = aSchema(t, depth)
	case rarely(t, "gone", 4):
		delete(properties, name)
	default:
		properties[name] = changed(t, property, depth)
	}
	is["properties"] = properties
}

// written is a schema as text, and read.
func written(t *rapid.T, s any) (string, *schema.Schema) {
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := schema.Parse(text, nil)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return string(text), parsed
}

// TestCompare_WhatIsCompatibleIsRead is the promise: whatever a writer may send is valid for a reader whose schema was
// called compatible. The mutants of tests/mutants show that it notices a rule that is missing.
func TestCompare_WhatIsCompatibleIsRead(t *testing.T) {
	t.Parallel()
	compatible := 0
	rapid.Check(t, func(t *rapid.T) {
		for range 40 {
			writes := aSchema(t, 3)
			w, writer := written(t, writes)
			r, reader := written(t, changed(t, writes, 2))
			content := pick(t, "content", []schema.Content{schema.Lenient, schema.Strict})
			if schema.Compare(reader, writer, content).Answer != schema.Compatible {
				continue
			}
			compatible++
			for range 10 {
				payload, err := json.Marshal(aValue(t, writes, content, 4))
				if err != nil {
					t.Fatal(err)
				}
				if writer.Validate(payload) != nil {
					continue
				}
				if err := reader.Validate(payload); err != nil {
					t.Fatalf("called compatible (%s), but\n  the writer  %s\n  may send    %s\n  the reader  %s\n  refuses it: %v", content, w, payload, r, err)
				}
			}
		}
	})
	if compatible == 0 {
		t.Error("no schema was called compatible with another, so nothing was shown")
	}
}

// wider is a schema that allows all that another one does, and perhaps more.
func wider(t *rapid.T, s any) any {
	is, ok := s.(object)
	if !ok {
		return s
	}
	is = maps.Clone(is)
	switch pick(t, "wider", []string{"anyOf", "a type more", "a bound less", "a value more", "inside", "open"}) {
	case "anyOf":
		return object{"anyOf": []any{is, aSchema(t, 1)}}
	case "a type more":
		if name, has := is["type"].(string); has && name != "null" {
			is["type"] = []any{name, "null"}
		}
	case "a bound less":
		for _, keyword := range []string{"minLength", "maximum", "pattern", "format", "required", "minItems"} {
			if coin(t, keyword) {
				delete(is, keyword)
			}
		}
	case "a value more":
		if values, has := is["enum"].([]any); has && !slices.Contains(values, any("more")) {
			is["enum"] = append(slices.Clone(values), "more")
		}
	case "inside":
		if items, has := is["items"]; has {
			is["items"] = wider(t, items)
		}
		if properties, has := is["properties"].(object); has {
			properties = maps.Clone(properties)
			for _, name := range sorted(properties) {
				properties[name] = wider(t, properties[name])
			}
			is["properties"] = properties
		}
	case "open":
		if is["additionalProperties"] == false {
			delete(is, "additionalProperties")
		}
	}
	return is
}

// TestCompare_WhatOnlyAllowsMoreIsNeverIncompatible: a gate that refuses what is right is soon switched off.
func TestCompare_WhatOnlyAllowsMoreIsNeverIncompatible(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			writes := aSchema(t, 3)
			w, writer := written(t, writes)
			r, reader := written(t, wider(t, wider(t, writes)))
			content := pick(t, "content", []schema.Content{schema.Lenient, schema.Strict})
			if v := schema.Compare(reader, writer, content); v.Answer == schema.Incompatible {
				t.Fatalf("the reader allows all that the writer does (%s)\n  the writer %s\n  the reader %s\n  %s", content, w, r, v)
			}
		}
	})
}
