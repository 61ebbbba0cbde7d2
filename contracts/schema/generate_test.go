package schema_test

import (
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"
)

// object is a schema or a value as JSON would have it.
type object = map[string]any

// names are few, so that schemas meet in them.
var names = []string{"a", "b", "c"}

// patterns and formats, each with strings that keep it.
var (
	patterns = map[string][]string{"^a": {"a", "abc", "aé"}, "^[A-Z]{3}$": {"EUR", "ABC"}, "0": {"0", "a0A"}}
	formats  = map[string][]string{"uuid": {"00000000-0000-4000-8000-000000000000"}, "date": {"2026-01-01"}, "unheard-of": {"", "a"}}
	scalars  = []any{nil, true, false, 0, 1, 2, -1, 1.5, "", "a", "EUR", "0"}
)

func pick[V any](t *rapid.T, what string, from []V) V { return rapid.SampledFrom(from).Draw(t, what) }

func coin(t *rapid.T, what string) bool { return rapid.Bool().Draw(t, what) }

// rarely is true one time in n.
func rarely(t *rapid.T, what string, n int) bool { return rapid.IntRange(1, n).Draw(t, what) == 1 }

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// aSchema is one of the subset, with more of them inside.
func aSchema(t *rapid.T, depth int) any {
	forms := []string{"string", "string", "integer", "integer", "number", "boolean", "null", "listed", "types", "anything"}
	if depth > 0 {
		forms = append(forms, "object", "object", "object", "object", "array", "array", "anyOf", "combined", "strange")
	}
	switch form := pick(t, "form", forms); form {
	case "listed":
		if coin(t, "const") {
			return object{"const": pick(t, "value", scalars)}
		}
		return object{"enum": rapid.SliceOfNDistinct(rapid.SampledFrom(scalars), 1, 4, func(v any) string { return fmt.Sprint(v) }).Draw(t, "values")}
	case "types":
		all := rapid.SliceOfNDistinct(rapid.SampledFrom([]any{"string", "integer", "null", "number", "boolean", "array", "object"}), 1, 3, func(v any) any { return v }).Draw(t, "types")
		s := object{"type": all}
		scalar(t, "string", s)
		scalar(t, "integer", s)
		return s
	case "anything":
		return pick(t, "all or nothing", []any{object{}, true, true, false})
	case "anyOf":
		return object{pick(t, "of", []string{"anyOf", "anyOf", "oneOf"}): []any{aSchema(t, depth-1), aSchema(t, depth-1)}}
	case "combined":
		s := anObject(t, depth-1)
		s[pick(t, "of", []string{"anyOf", "allOf"})] = []any{anObject(t, depth-1), aSchema(t, depth-1)}
		return s
	case "strange":
		s := anObject(t, depth-1)
		maps.Copy(s, pick(t, "strange", []object{{"not": object{"required": []any{"a"}}}, {"minProperties": 1}, {"patternProperties": object{"^[ab]$": true}},
			{"uniqueItems": true}, {"prefixItems": []any{true}}, {"dependentSchemas": object{"a": object{"properties": object{"b": object{"type": "integer"}}}}}}))
		return s
	case "object":
		return anObject(t, depth-1)
	case "array":
		s := object{"type": "array"}
		bounded(t, "Items", s)
		if coin(t, "items") {
			s["items"] = aSchema(t, depth-1)
		}
		return s
	default:
		s := object{"type": form}
		scalar(t, form, s)
		return s
	}
}

func anObject(t *rapid.T, depth int) object {
	s := object{"type": "object"}
	properties := object{}
	for _, name := range names {
		if coin(t, "has "+name) {
			properties[name] = aSchema(t, depth)
		}
	}
	if !rarely(t, "free", 6) {
		s["properties"] = properties
	}
	required := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 2, func(v string) string { return v }).Draw(t, "required")
	if len(required) > 0 {
		s["required"] = required
	}
	if rarely(t, "closed", 3) {
		s["additionalProperties"] = false
	} else if rarely(t, "others", 3) {
		s["additionalProperties"] = aSchema(t, depth)
	}
	return s
}

// scalar adds rules about strings and numbers.
func scalar(t *rapid.T, form string, s object) {
	switch form {
	case "string":
		bounded(t, "Length", s)
		if rarely(t, "patterned", 4) {
			s["pattern"] = pick(t, "pattern", sorted(patterns))
		}
		if rarely(t, "formatted", 4) {
			s["format"] = pick(t, "format", sorted(formats))
		}
	case "integer", "number":
		for _, keyword := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} {
			if rarely(t, keyword, 3) {
				s[keyword] = pick(t, "bound", []any{-2, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3})
			}
		}
	}
}

func bounded(t *rapid.T, what string, s object) {
	for _, keyword := range []string{"min" + what, "max" + what} {
		if rarely(t, keyword, 3) {
			s[keyword] = rapid.IntRange(0, 4).Draw(t, "bound")
		}
	}
}
