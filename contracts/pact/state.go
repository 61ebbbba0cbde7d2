package pact

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// key is the header that must be new with each request: a provider remembers the one that it has answered.
const key = "Idempotency-Key"

// With marks the places in a request at which the provider puts its own values: where the examples stand, and a key.
func (r Request) With(params map[string]string) Request {
	g := Generators{Body: map[string]Generator{}}
	mark := func(text string) (string, bool) {
		marked := text
		for _, name := range slices.Sorted(maps.Keys(params)) {
			marked = strings.ReplaceAll(marked, params[name], "${"+name+"}")
		}
		return marked, marked != text
	}
	if path, has := mark(r.Path); has {
		g.Path = &Generator{Type: "ProviderState", Expression: path}
	}
	if r.Body != nil {
		body, _ := Decode(r.Body.Content) // what is no JSON has no places
		object, _ := body.(map[string]any)
		for name, value := range object {
			if text, is := value.(string); is {
				if marked, has := mark(text); has {
					g.Body["$."+name] = Generator{Type: "ProviderState", Expression: marked}
				}
			}
		}
	}
	if len(r.Headers[key]) > 0 {
		g.Header = map[string]Generator{key: {Type: "Uuid"}}
	}
	if g.Path != nil || len(g.Body) > 0 || len(g.Header) > 0 {
		r.Generators = &g
	}
	return r
}

// Filled is the path and the body of a request with a provider's own values.
func (r Request) Filled(values map[string]string) (path string, body []byte, err error) {
	fill := func(g Generator) string {
		text := g.Expression
		for name, value := range values {
			text = strings.ReplaceAll(text, "${"+name+"}", value)
		}
		return text
	}
	path = r.Path
	if r.Generators != nil && r.Generators.Path != nil {
		path = fill(*r.Generators.Path)
	}
	if r.Body == nil {
		return path, nil, nil
	}
	if r.Generators == nil || len(r.Generators.Body) == 0 {
		return path, r.Body.Content, nil
	}
	decoded, err := Decode(r.Body.Content)
	object, is := decoded.(map[string]any)
	if err != nil || !is {
		return "", nil, fmt.Errorf("the body of %s %s is no JSON object: %w", r.Method, r.Path, err)
	}
	for place, g := range r.Generators.Body {
		object[strings.TrimPrefix(place, "$.")] = fill(g)
	}
	body, err = json.Marshal(object)
	return path, body, err
}
