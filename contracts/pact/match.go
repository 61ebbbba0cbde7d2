package pact

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"example.com/ordersaga/contracts/validator"
)

// Like are the rules for what is read of a document: its values may be others of the same type, and its lists
// longer, except at the paths where the very value matters.
func Like(content any, exactly ...string) Rules {
	rules := map[string]Rule{}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, inner := range value {
				walk(path+"."+key, inner)
			}
		case []any:
			if len(value) > 0 {
				rules[path] = Rule{Combine: "AND", Matchers: []Matcher{{Match: "type", Min: 1}}}
				walk(path+"[*]", value[0])
			}
		default:
			if !slices.Contains(exactly, path) {
				rules[path] = Rule{Combine: "AND", Matchers: []Matcher{{Match: "type"}}}
			}
		}
	}
	walk("$", content)
	return Rules{"body": rules}
}

// Match are the places at which an actual document is not what the consumer reads, one sentence each; none when it
// satisfies the pact. What the consumer does not read may be there, and is not looked at.
func (b Body) Match(rules Rules, actual []byte) []string {
	read, err := Decode(b.Content)
	if err != nil {
		return []string{"the pact: " + err.Error()}
	}
	content, err := json.Marshal(schemaOf("$", read, rules, true))
	if err != nil {
		return []string{"the pact: " + err.Error()}
	}
	document, err := validator.Decode(content)
	if err != nil {
		return []string{"the pact: " + err.Error()}
	}
	expected, err := validator.New("read", map[string]any{"read": document})
	if err != nil {
		return []string{"the pact: " + err.Error()}
	}
	return expected.Errors(actual)
}

// Schema is what a consumer reads of a document as a JSON Schema (2020-12): the fields that it needs and their types,
// and nothing about the rest. The content stands at this path of what the rules are about.
func Schema(path string, content any, rules Rules) map[string]any {
	return schemaOf(path, content, rules, false)
}

// schemaOf adds the rules about values where they are wanted: which lists are not empty, and where the very value
// matters.
func schemaOf(path string, content any, rules Rules, values bool) map[string]any {
	rule, byType := rules["body"][path]
	schema := map[string]any{"type": kind(content)}
	switch content := content.(type) {
	case map[string]any:
		properties := map[string]any{}
		for name, inner := range content {
			properties[name] = schemaOf(path+"."+name, inner, rules, values)
		}
		schema["properties"] = properties
		schema["required"] = slices.DeleteFunc(slices.Sorted(maps.Keys(content)), func(name string) bool {
			return rules["body"][path+"."+name].Optional
		})
	case []any:
		if len(content) > 0 {
			schema["items"] = schemaOf(path+"[*]", content[0], rules, values)
		}
		if list := rule.Matchers; values && len(list) > 0 && list[0].Min > 0 {
			schema["minItems"] = list[0].Min
		}
	default:
		if values && !byType {
			schema["const"] = content
		}
	}
	return schema
}

// kind is a value's type in the words of JSON Schema.
func kind(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		if strings.ContainsAny(value.String(), ".eE") {
			return "number"
		}
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}
