package schema

import (
	"fmt"

	"example.com/ordersaga/contracts/validator"
)

// What a schema may be at most. Those of the events have some 2 KB, 20 schemas inside each other and a depth of 4.
const (
	maxBytes = 256 << 10 // of one document
	maxDepth = 64        // of schemas inside each other, references followed
	maxNodes = 10_000    // schemas in all, references followed: a few lines of references can mean millions
)

// dialect is the only one.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// Schema is a JSON Schema with its references followed. It does not change and may be used by many at once.
type Schema struct {
	// Name is what verdicts call the schema, such as "version 3"; empty: they call it by its place.
	Name string

	root *node
}

// Parse reads a schema. Its references may lead to other documents: resolve is asked for the text of what stands
// before the # of a $ref, as it is written there; nil means that there are none.
func Parse(text []byte, resolve func(ref string) ([]byte, error)) (*Schema, error) {
	s, err := parse(text, resolve)
	if err != nil {
		return nil, refusal{fmt.Errorf("read the schema: %w", err)}
	}
	return s, nil
}

// refusal is an error in one line of bearable length, whatever names and references the schema made up.
type refusal struct{ error }

func (r refusal) Error() string { return validator.OneLine(r.error.Error()) }
func (r refusal) Unwrap() error { return r.error }

func parse(text []byte, resolve func(ref string) ([]byte, error)) (*Schema, error) {
	document, err := decode(text)
	if err != nil {
		return nil, err
	}
	f := follower{resolve: resolve, documents: map[string]any{"": document}, open: []string{"#"}}
	followed, err := f.schema(spot{}, document)
	if err != nil {
		return nil, err
	}
	compiled, err := compile(f.whole(followed))
	if err != nil {
		return nil, err
	}
	root := read(followed)
	root.compiled = func() (*validator.Validator, error) { return compiled, nil }
	return &Schema{root: root}, nil
}

// compile makes a schema whose references were followed ready to check values.
func compile(followed any) (*validator.Validator, error) {
	return validator.New("this", map[string]any{"this": followed})
}

// Validate returns in one line what is wrong with a payload, as [validator.Validator.Validate] does.
func (s *Schema) Validate(payload []byte) error {
	compiled, err := s.root.compiled()
	if err != nil {
		return err
	}
	return compiled.Validate(payload)
}
