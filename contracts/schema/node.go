package schema

import (
	"maps"
	"slices"
	"sync"

	"example.com/ordersaga/contracts/validator"
)

// node is a schema as the comparison sees it.
type node struct {
	raw      any // what was read; equal if the schemas are
	compiled func() (*validator.Validator, error)

	kinds  kinds // that it allows and that there are: a string of at least 5 and at most 3 characters there is not
	listed bool  // values are all that it allows
	values []any

	length, number, count bounds
	pattern, format       string
	items                 *node
	properties            map[string]*node
	required              []string
	others                *node // the properties that are not among them; nil: anything
	free                  bool  // no properties are declared at all
	anyOf, allOf          []*node
	strange               []string // keywords that are not judged
}

// read makes a tree of a schema whose references were followed, and which is a correct one.
func read(raw any) *node {
	n := &node{raw: raw, compiled: sync.OnceValues(func() (*validator.Validator, error) { return compile(raw) })}
	schema, is := raw.(map[string]any)
	if !is {
		return n // false: no kind of value
	}
	n.length, n.count = countsOf(schema, "minLength", "maxLength"), countsOf(schema, "minItems", "maxItems")
	n.number = numbersOf(schema)
	n.pattern, _ = schema["pattern"].(string)
	n.format, _ = schema["format"].(string)
	n.readValues(schema)
	n.readParts(schema)
	n.kinds = n.allowed(schema) & n.possible()
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		if !judged[keyword] {
			n.strange = append(n.strange, keyword)
		}
	}
	n.readOneOf(schema)
	return n
}

func (n *node) readValues(schema map[string]any) {
	n.values, n.listed = schema["enum"].([]any)
	if value, is := schema["const"]; is {
		n.values, n.listed = []any{value}, true
	}
}

func (n *node) readParts(schema map[string]any) {
	// With a prefix, items are what is behind it; with patterns, additional is what none of them names.
	if items, has := schema["items"]; has && schema["prefixItems"] == nil {
		n.items = read(items)
	}
	if others, has := schema["additionalProperties"]; has && schema["patternProperties"] == nil {
		if n.others = read(others); n.others.anything() {
			n.others = nil
		}
	}
	n.properties = map[string]*node{}
	properties, declares := schema["properties"].(map[string]any)
	n.free = !declares
	for name, property := range properties {
		n.properties[name] = read(property)
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		n.required = append(n.required, name.(string))
	}
	n.anyOf, n.allOf = readList(schema["anyOf"]), readList(schema["allOf"])
}

func readList(schemas any) (nodes []*node) {
	list, _ := schemas.([]any)
	for _, schema := range list {
		nodes = append(nodes, read(schema))
	}
	return nodes
}

// readOneOf takes a oneOf for an anyOf if no value can be of two of its schemas; else it is not judged.
func (n *node) readOneOf(schema map[string]any) {
	if _, has := schema["oneOf"]; !has {
		return
	}
	branches, seen := readList(schema["oneOf"]), kinds(0)
	for _, branch := range branches {
		if seen&branch.kinds != 0 {
			n.strange = append(n.strange, "oneOf")
			return
		}
		seen |= branch.kinds
	}
	if n.kinds &= seen; n.anyOf == nil {
		n.anyOf = branches
		return
	}
	n.allOf = append(n.allOf, read(map[string]any{"anyOf": schema["oneOf"]}))
}

// anything is whether every value is allowed.
func (n *node) anything() bool {
	schema, is := n.raw.(map[string]any)
	return is && len(schema) == 0
}

// takes is whether a value is allowed.
func (n *node) takes(value any) bool {
	compiled, err := n.compiled()
	return err == nil && compiled.Accepts(value)
}

// alone is the same schema without those that it is combined with.
func (n *node) alone() *node {
	schema := maps.Clone(n.raw.(map[string]any))
	for _, keyword := range []string{"anyOf", "oneOf", "allOf"} {
		delete(schema, keyword)
	}
	rest := *n
	rest.raw, rest.anyOf, rest.allOf = schema, nil, nil
	rest.compiled = sync.OnceValues(func() (*validator.Validator, error) { return compile(schema) })
	return &rest
}

// property is the schema of one, by its name or as one of the others; nil: anything.
func (n *node) property(name string) *node {
	if property, has := n.properties[name]; has {
		return property
	}
	return n.others
}
