package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/ordersaga/contracts/validator"
)

// follower puts what references lead to in their place, so that what is compared and what is compiled are one tree.
type follower struct {
	resolve   func(ref string) ([]byte, error)
	documents map[string]any // by what a reference to them begins with; the schema itself by nothing
	open      []string       // the references that are being followed, the innermost last
	depth     int
	nodes     int
	defined   []any // what stands in $defs, wanted or not: it must be right too
}

// spot is a place in a document.
type spot struct{ document, pointer string }

func (s spot) at(key string) spot { return spot{s.document, s.pointer + "/" + validator.Escape(key)} }

func (s spot) String() string {
	if s.document == "" && s.pointer == "" {
		return "the schema"
	}
	return s.document + s.pointer
}

// schema is what stands at a place, without notes and references.
func (f *follower) schema(at spot, schema any) (any, error) {
	f.depth++
	defer func() { f.depth-- }()
	f.nodes++
	switch {
	case f.depth > maxDepth:
		return nil, fmt.Errorf("%s: more than %d schemas stand inside each other", at, maxDepth)
	case f.nodes > maxNodes:
		return nil, fmt.Errorf("with its references followed it has more than %d schemas", maxNodes)
	}
	switch schema := schema.(type) {
	case bool:
		if schema {
			return map[string]any{}, nil
		}
		return false, nil
	case map[string]any:
		return f.object(at, schema)
	}
	return nil, fmt.Errorf("%s: a schema is an object, or true or false", at)
}

func (f *follower) object(at spot, schema map[string]any) (any, error) {
	followed := map[string]any{}
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		head := at.pointer == "" && (keyword == "$id" || keyword == "$schema")
		if head || keyword == "$ref" || strings.HasPrefix(keyword, "x-") {
			continue
		}
		content, err := f.keyword(at.at(keyword), keyword, schema[keyword])
		if err != nil {
			return nil, err
		}
		if keywords[keyword] != note && keyword != "$defs" {
			followed[keyword] = content
		}
	}
	reference, has := schema["$ref"]
	if !has {
		return followed, nil
	}
	target, err := f.reference(at.at("$ref"), reference)
	if err != nil || len(followed) == 0 {
		return target, err
	}
	all, _ := followed["allOf"].([]any)
	followed["allOf"] = append(all, target)
	return followed, nil
}

// keyword is what stands under one.
func (f *follower) keyword(at spot, keyword string, content any) (any, error) {
	form, known := keywords[keyword]
	if !known {
		why, has := refusals[keyword]
		if !has {
			why = "JSON Schema 2020-12 has no such keyword"
		}
		return nil, fmt.Errorf("%s: %s", at, why)
	}
	switch form {
	case note:
		return nil, nil
	case one:
		return f.schema(at, content)
	case list:
		return f.list(at, content)
	case named:
		schemas, err := f.named(at, content)
		if keyword == "$defs" {
			f.defined = append(f.defined, slices.Collect(maps.Values(schemas))...)
		}
		return schemas, err
	case value:
	}
	return ordered(at, keyword, content)
}

func (f *follower) list(at spot, content any) (any, error) {
	schemas, is := content.([]any)
	if !is {
		return nil, fmt.Errorf("%s: it must be a list of schemas", at)
	}
	followed := make([]any, len(schemas))
	for i, inner := range schemas {
		var err error
		if followed[i], err = f.schema(at.at(strconv.Itoa(i)), inner); err != nil {
			return nil, err
		}
	}
	return followed, nil
}

func (f *follower) named(at spot, content any) (map[string]any, error) {
	schemas, is := content.(map[string]any)
	if !is {
		return nil, fmt.Errorf("%s: it must be an object of schemas", at)
	}
	followed := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		inner, err := f.schema(at.at(name), schemas[name])
		if err != nil {
			return nil, err
		}
		followed[name] = inner
	}
	return followed, nil
}

// whole is a schema together with what it only defines.
func (f *follower) whole(schema any) any {
	object, is := schema.(map[string]any)
	if !is || len(f.defined) == 0 {
		return schema
	}
	defined := map[string]any{}
	for i, definition := range f.defined {
		defined[strconv.Itoa(i)] = definition
	}
	object = maps.Clone(object)
	object["$defs"] = defined
	return object
}
