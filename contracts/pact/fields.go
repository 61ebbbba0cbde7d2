package pact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Decode reads JSON and keeps its numbers as they are written.
func Decode(content []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	return value, nil
}

// Leaves are the paths to every value of a document that holds no other one, such as $.lines[*].sku.
func Leaves(value any) []string {
	var found []string
	leaves("$", value, &found)
	slices.Sort(found)
	return slices.Compact(found)
}

func leaves(path string, value any, found *[]string) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			leaves(path+"."+key, inner, found)
		}
	case []any:
		for _, item := range value {
			leaves(path+"[*]", item, found)
		}
		if len(value) == 0 {
			*found = append(*found, path)
		}
	default:
		*found = append(*found, path)
	}
}

// Without is a document that lacks what is at a path.
func Without(value any, path string) any {
	return kept("$", value, func(at string) bool { return at != path })
}

// Only is a document that has what is at the paths and nothing else.
func Only(value any, paths []string) any {
	return kept("$", value, func(at string) bool {
		return slices.ContainsFunc(paths, func(path string) bool {
			return path == at || strings.HasPrefix(path, at+".") || strings.HasPrefix(path, at+"[")
		})
	})
}

func kept(path string, value any, keep func(path string) bool) any {
	switch value := value.(type) {
	case map[string]any:
		copied := map[string]any{}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if at := path + "." + key; keep(at) {
				copied[key] = kept(at, value[key], keep)
			}
		}
		return copied
	case []any:
		copied := []any{}
		for _, item := range value {
			if at := path + "[*]"; keep(at) {
				copied = append(copied, kept(at, item, keep))
			}
		}
		return copied
	}
	return value
}

// Sample is a document whose lists have one item: with what all items had, since a reader that managed without
// the rest in one of them does not need it.
func Sample(value any) any {
	switch value := value.(type) {
	case map[string]any:
		sampled := map[string]any{}
		for key, inner := range value {
			sampled[key] = Sample(inner)
		}
		return sampled
	case []any:
		if len(value) == 0 {
			return value
		}
		item := Sample(value[0])
		for _, other := range value[1:] {
			item = common(item, Sample(other))
		}
		return []any{item}
	}
	return value
}

func common(a, b any) any {
	left, is := a.(map[string]any)
	right, too := b.(map[string]any)
	if !is || !too {
		return a
	}
	both := map[string]any{}
	for key, inner := range left {
		if other, has := right[key]; has {
			both[key] = common(inner, other)
		}
	}
	return both
}
