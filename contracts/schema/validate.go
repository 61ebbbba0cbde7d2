package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// checker is a compiled schema.
type checker = jsonschema.Schema

// compile makes a schema whose references were followed ready to check values, formats included.
func compile(schema any) (*checker, error) {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	const address = "schema:this"
	if err := compiler.AddResource(address, schema); err != nil {
		return nil, line(err)
	}
	compiled, err := compiler.Compile(address)
	if err != nil {
		return nil, line(err)
	}
	return compiled, nil
}

// Validate says in one line what is wrong with a payload: where, as a JSON pointer, and what was expected there. It
// does not repeat what the payload says, which may be nobody's business.
func (s *Schema) Validate(payload []byte) error {
	value, err := decodeJSON(payload)
	if err != nil {
		return err
	}
	compiled, err := s.root.compiled()
	if err != nil {
		return err
	}
	if err := compiled.Validate(value); err != nil {
		return line(err)
	}
	return nil
}

// line says the first thing that is wrong, by place, and how many more there are.
func line(err error) error {
	if schema, is := errors.AsType[*jsonschema.SchemaValidationError](err); is {
		err = schema.Err
	}
	invalid, is := errors.AsType[*jsonschema.ValidationError](err)
	if !is {
		return errors.New(oneLine(err.Error()))
	}
	causes := leaves(invalid)
	slices.Sort(causes)
	causes = slices.Compact(causes)
	if more := len(causes) - 1; more > 0 {
		return fmt.Errorf("%s (and %d more)", oneLine(causes[0]), more)
	}
	return errors.New(oneLine(causes[0]))
}

// longest is how many bytes a sentence may have.
const longest = 300

// flat is for what ends up in logs and answers: names and patterns may contain anything.
func flat(text string) string { return strings.Join(strings.FieldsFunc(text, unicode.IsControl), " ") }

func oneLine(text string) string {
	text = flat(text)
	if len(text) > longest { // where it is stands at the beginning, and what is wrong at the end
		text = strings.ToValidUTF8(text[:longest/2], "") + "…" + strings.ToValidUTF8(text[len(text)-longest/2:], "")
	}
	return text
}

func leaves(e *jsonschema.ValidationError) []string {
	if len(e.Causes) == 0 {
		return expected(e)
	}
	var all []string
	for _, cause := range e.Causes {
		if !otherType(e, cause) {
			all = append(all, leaves(cause)...)
		}
	}
	if len(all) == 0 {
		return expected(e)
	}
	return all
}

// otherType is whether an alternative was for values of another type, so that it says nothing about this one.
func otherType(e, alternative *jsonschema.ValidationError) bool {
	_, anyOf := e.ErrorKind.(*kind.AnyOf)
	_, typed := alternative.ErrorKind.(*kind.Type)
	return anyOf && typed && len(alternative.InstanceLocation) == len(e.InstanceLocation)
}

// expected says what should be where. The words of the library name what was found; these leave it out.
func expected(e *jsonschema.ValidationError) (all []string) {
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			all = append(all, pointer(e.InstanceLocation, name)+": it is required, and missing")
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			all = append(all, pointer(e.InstanceLocation, name)+": there is no such property")
		}
	default:
		all = []string{pointer(e.InstanceLocation) + ": " + wanted(k)}
	}
	return all
}

func wanted(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("it is %s, must be %s", k.Got, strings.Join(k.Want, " or "))
	case *kind.Pattern:
		return "it must match " + k.Want
	case *kind.Format:
		return "it must be of format " + k.Want
	case *kind.Minimum:
		return "it must be at least " + number(k.Want)
	case *kind.Maximum:
		return "it must be at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "it must be more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "it must be less than " + number(k.Want)
	case *kind.MultipleOf:
		return "it must be a multiple of " + number(k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("it must have at least %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("it must have at most %d characters", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("it must have at least %d items", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("it must have at most %d items", k.Want)
	}
	return k.LocalizedString(message.NewPrinter(language.English))
}

// pointer is the JSON pointer to a place.
func pointer(keys []string, more ...string) string {
	if len(keys)+len(more) == 0 {
		return "the document"
	}
	var b strings.Builder
	for _, key := range slices.Concat(keys, more) {
		b.WriteString("/" + escape(key))
	}
	return b.String()
}
