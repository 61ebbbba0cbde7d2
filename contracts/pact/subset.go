package pact

import (
	"maps"
	"slices"
)

// Schema is what a consumer reads of a document as a JSON Schema (2020-12): the fields that it needs and their types,
// and nothing about the rest.
func Schema(content any) map[string]any {
	schema := map[string]any{"type": kind(content)}
	switch content := content.(type) {
	case map[string]any:
		properties := map[string]any{}
		for name, inner := range content {
			properties[name] = Schema(inner)
		}
		schema["properties"] = properties
		schema["required"] = slices.Sorted(maps.Keys(content))
	case []any:
		if len(content) > 0 {
			schema["items"] = Schema(content[0])
		}
	}
	return schema
}
