package pact

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
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
				rules[path] = Rule{"AND", []Matcher{{Match: "type", Min: 1}}}
				walk(path+"[*]", value[0])
			}
		default:
			if !slices.Contains(exactly, path) {
				rules[path] = Rule{"AND", []Matcher{{Match: "type"}}}
			}
		}
	}
	walk("$", content)
	return Rules{"body": rules}
}

// Match says in what an actual document is not what the consumer reads: one sentence for each field, none when it
// satisfies the pact. What the consumer does not read may be there, and is not looked at.
func (b Body) Match(rules Rules, actual []byte) []string {
	want, err := Decode(b.Content)
	if err != nil {
		return []string{"the pact: " + err.Error()}
	}
	got, err := Decode(actual)
	if err != nil {
		return []string{err.Error()}
	}
	return compare("$", rules["body"], want, got)
}

func compare(path string, rules map[string]Rule, want, got any) (wrong []string) {
	switch want := want.(type) {
	case map[string]any:
		have, is := got.(map[string]any)
		if !is {
			return []string{fmt.Sprintf("%s is %s, not an object", path, kind(got))}
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			inner, there := have[key]
			if !there {
				wrong = append(wrong, path+"."+key+" is missing")
				continue
			}
			wrong = append(wrong, compare(path+"."+key, rules, want[key], inner)...)
		}
	case []any:
		return compareList(path, rules, want, got)
	default:
		if _, byType := rules[path]; byType && kind(want) != kind(got) {
			return []string{fmt.Sprintf("%s is %s, not %s", path, kind(got), kind(want))}
		} else if !byType && want != got {
			return []string{fmt.Sprintf("%s is %v, not %v", path, got, want)}
		}
	}
	return wrong
}

func compareList(path string, rules map[string]Rule, want []any, got any) (wrong []string) {
	have, is := got.([]any)
	if !is {
		return []string{fmt.Sprintf("%s is %s, not a list", path, kind(got))}
	}
	if len(want) == 0 {
		return nil // it reads that there is a list
	}
	if least := rules[path].Matchers; len(least) > 0 && len(have) < least[0].Min {
		return []string{fmt.Sprintf("%s has %d items, not at least %d", path, len(have), least[0].Min)}
	}
	for _, item := range have {
		wrong = append(wrong, compare(path+"[*]", rules, want[0], item)...)
	}
	return wrong
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
