package schema_test

import (
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"example.com/ordersaga/contracts/schema"
)

// aValue is one that a writer of the schema may send; mostly, so it is to be checked.
func aValue(t *rapid.T, s any, content schema.Content, depth int) any {
	is, ok := s.(object)
	if !ok || depth == 0 {
		is = object{}
	}
	if value, has := is["const"]; has {
		return value
	}
	if values, has := is["enum"].([]any); has {
		return pick(t, "value", values)
	}
	all := []any{"string", "integer", "number", "boolean", "null", "array", "object"}
	if name, has := is["type"].(string); has {
		all = []any{name}
	}
	if some, has := is["type"].([]any); has {
		all = some
	}
	for _, keyword := range []string{"anyOf", "oneOf", "allOf"} {
		if parts, has := is[keyword].([]any); has {
			return together(t, is, parts, keyword, content, depth)
		}
	}
	switch pick(t, "type", all) {
	case "string":
		return aString(t, is)
	case "integer", "number":
		return pick(t, "number", []any{-3, -2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 1000000000000})
	case "boolean":
		return coin(t, "boolean")
	case "array":
		n := pick(t, "items", []int{0, 1, 2, 3, 4, 5})
		list := make([]any, n)
		for i := range list {
			list[i] = aValue(t, is["items"], content, depth-1)
		}
		return list
	case "object":
		return anObjectOf(t, is, content, depth)
	}
	return nil
}

// together is a value of a schema that is combined with others: of one of them, or of all at once.
func together(t *rapid.T, is object, parts []any, keyword string, content schema.Content, depth int) any {
	alone := maps.Clone(is)
	delete(alone, keyword)
	if keyword != "allOf" {
		parts = []any{pick(t, "branch", parts)}
	}
	if len(alone) > 0 {
		parts = append([]any{alone}, parts...)
	}
	value := aValue(t, parts[0], content, depth)
	for _, part := range parts[1:] {
		other := aValue(t, part, content, depth)
		if both, is := value.(object); is {
			if others, is := other.(object); is {
				maps.Copy(both, others)
				continue
			}
		}
		if coin(t, "the other") {
			value = other
		}
	}
	return value
}

func aString(t *rapid.T, is object) string {
	from := []string{"", "a", "A", "0", "é", "ab", "EUR", "abcd", "abcde", strings.Repeat("é", 4)}
	if pattern, has := is["pattern"].(string); has {
		from = append(from, patterns[pattern]...)
	}
	if format, has := is["format"].(string); has {
		from = append(from, formats[format]...)
	}
	return pick(t, "string", from)
}

// anyOrNone is whether a schema names no values in particular.
func anyOrNone(s any) bool {
	is, ok := s.(object)
	return !ok || len(is) == 0
}

// anObjectOf has what is declared and, if the writer is taken by its word or declares nothing, also what is not.
func anObjectOf(t *rapid.T, is object, content schema.Content, depth int) object {
	value := object{}
	properties, declares := is["properties"].(object)
	others, given := is["additionalProperties"]
	required, _ := is["required"].([]string)
	for _, name := range append(slices.Clone(names), "d") {
		property, declared := properties[name]
		must := slices.Contains(required, name)
		if !declared {
			property = others
		}
		if may := declared || given && !anyOrNone(others) || content == schema.Strict || !declares; must || may && coin(t, "sends "+name) {
			value[name] = aValue(t, property, content, depth-1)
		}
	}
	return value
}
