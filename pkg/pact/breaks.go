package pact

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"example.com/ordersaga/pkg/events"
)

// Break is a field that a consumer reads, and that it could no longer read.
type Break struct {
	Consumer string `json:"consumer"`
	Event    string `json:"event"`
	Field    string `json:"field"`
	Why      string `json:"why"`
}

// Schemas are the schemas of the events by their $id.
type Schemas map[string]map[string]any

// Current are the schemas as they are.
func Current() (Schemas, error) {
	names, err := fs.Glob(events.Schemas, "schemas/*.json")
	if err != nil {
		return nil, err
	}
	all := Schemas{}
	for _, name := range names {
		content, err := events.Schemas.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := all.add(content); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
}

func (s Schemas) add(content []byte) error {
	var schema map[string]any
	if err := json.Unmarshal(bytes.TrimSpace(content), &schema); err != nil {
		return fmt.Errorf("not a JSON object: %w", err)
	}
	id, _ := schema["$id"].(string)
	if id == "" {
		return errors.New("it has no $id")
	}
	s[id] = schema
	return nil
}

// With are the schemas with a changed one, which must be of an id that there is.
func (s Schemas) With(changed []byte) (Schemas, error) {
	one := Schemas{}
	if err := one.add(changed); err != nil {
		return nil, err
	}
	for id := range one {
		if _, known := s[id]; !known {
			return nil, fmt.Errorf("no event has the schema %s", id)
		}
	}
	all := maps.Clone(s)
	maps.Copy(all, one)
	return all, nil
}

// Breaks says who could no longer read what, if the schemas were these. What it cannot judge it calls a break: it
// looks at what is required, at types and references, and not at bounds, patterns or the values of an enum.
func (s Schemas) Breaks(pacts []Pact) (all []Break, err error) {
	for _, p := range pacts {
		for _, i := range p.Interactions {
			if i.Type != Message {
				continue
			}
			content, err := Decode(i.Contents.Content)
			if err != nil {
				return nil, err
			}
			event, err := events.ParseType(i.Key)
			if err != nil {
				return nil, err
			}
			message, _ := content.(map[string]any)
			walk := walk{schemas: s}
			walk.object("", Schema(message["data"]), map[string]any{"$ref": events.SchemaID(event)})
			delete(message, "data")
			walk.object("", Schema(message), map[string]any{"$ref": envelope})
			for _, b := range walk.found {
				b.Consumer, b.Event = p.Consumer.Name, i.Key
				all = append(all, b)
			}
		}
	}
	slices.SortFunc(all, func(a, b Break) int {
		return cmp.Or(cmp.Compare(a.Consumer, b.Consumer), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Field, b.Field))
	})
	return all, nil
}

// envelope is the id of the schema of what is around every event.
const envelope = "/schemas/envelope/v1"

// walk compares what is read with what is promised.
type walk struct {
	schemas Schemas
	found   []Break
}

func (w *walk) object(path string, reads, promised map[string]any) {
	promised = w.resolve(promised)
	properties, _ := promised["properties"].(map[string]any)
	required, _ := promised["required"].([]any)
	inner, _ := reads["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(inner)) {
		at := strings.TrimPrefix(path+"."+name, ".")
		property, has := properties[name].(map[string]any)
		switch {
		case !has:
			w.breaks(at, "it is gone")
		case !slices.Contains(required, any(name)):
			w.breaks(at, "it may be missing")
		default:
			w.value(at, inner[name].(map[string]any), property)
		}
	}
}

func (w *walk) value(path string, reads, promised map[string]any) {
	promised = w.resolve(promised)
	want, _ := reads["type"].(string)
	got, sure := typeOf(promised)
	switch {
	case !sure:
		w.breaks(path, "it cannot be judged")
	case got != want:
		w.breaks(path, fmt.Sprintf("it is %s, was %s", got, want))
	case want == "object":
		w.object(path, reads, promised)
	case want == "array":
		items, read := reads["items"].(map[string]any)
		promisedItems, _ := promised["items"].(map[string]any)
		if read {
			w.value(path+"[]", items, promisedItems)
		}
	}
}

func (w *walk) breaks(field, why string) {
	w.found = append(w.found, Break{Field: field, Why: why})
}

// resolve follows references to other schemas, a few at most: one that leads to itself leads nowhere.
func (w *walk) resolve(schema map[string]any) map[string]any {
	for range 8 {
		reference, is := schema["$ref"].(string)
		if !is {
			return schema
		}
		id, pointer, _ := strings.Cut(reference, "#/")
		var at any = w.schemas[id]
		for key := range strings.SplitSeq(pointer, "/") {
			if object, is := at.(map[string]any); is && key != "" {
				at = object[key]
			}
		}
		schema, _ = at.(map[string]any)
	}
	return nil
}

// typeOf is the one type that all values have which a schema allows.
func typeOf(schema map[string]any) (string, bool) {
	for _, keyword := range []string{"anyOf", "oneOf", "allOf", "not", "if", "$dynamicRef"} {
		if _, has := schema[keyword]; has {
			return "", false
		}
	}
	if name, is := schema["type"].(string); is {
		return name, true
	}
	values, _ := schema["enum"].([]any)
	if value, is := schema["const"]; is {
		values = []any{value}
	}
	if len(values) == 0 {
		return "", false
	}
	first := kind(values[0])
	for _, value := range values {
		if kind(value) != first {
			return "", false
		}
	}
	return first, true
}
