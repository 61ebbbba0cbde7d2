// Package validator checks JSON documents against JSON Schemas (2020-12), formats included. It is all of the contracts'
// machinery that services link.
package validator

import (
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Validator is a compiled schema. It does not change and may be used by many goroutines.
type Validator struct{ compiled *jsonschema.Schema }

// New compiles the schema of an id. The documents, made by [Decode], are that schema and those that it refers to, by
// their ids.
func New(id string, documents map[string]any) (*Validator, error) {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	for other, document := range documents {
		if err := compiler.AddResource(address+other, document); err != nil {
			return nil, line(err)
		}
	}
	compiled, err := compiler.Compile(address + id)
	if err != nil {
		return nil, line(err)
	}
	return &Validator{compiled}, nil
}

// address makes a URL of an id. Nothing is ever read from it.
const address = "schema:///"

// Accepts is whether the schema allows a value, made by [Decode].
func (v *Validator) Accepts(value any) bool { return v.compiled.Validate(value) == nil }

// Validate returns in one line what is wrong with a payload: where, as a JSON pointer, and what was expected there. It
// does not repeat the payload's values, which may be personal data.
func (v *Validator) Validate(payload []byte) error {
	value, err := Decode(payload)
	if err != nil {
		return err
	}
	if err := v.compiled.Validate(value); err != nil {
		return line(err)
	}
	return nil
}

// Errors are all things that are wrong with a payload, one line each as [Validator.Validate] has them.
func (v *Validator) Errors(payload []byte) []string {
	value, err := Decode(payload)
	if err == nil {
		err = v.compiled.Validate(value)
	}
	if err == nil {
		return nil
	}
	return causesOf(err)
}
