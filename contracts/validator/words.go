package validator

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// line is the first thing that is wrong, by place, and how many more there are.
func line(err error) error {
	causes := causesOf(err)
	if more := len(causes) - 1; more > 0 {
		return fmt.Errorf("%s (and %d more)", causes[0], more)
	}
	return errors.New(causes[0])
}

// causesOf are the things that are wrong, sorted by place, one line each.
func causesOf(err error) []string {
	if schema, is := errors.AsType[*jsonschema.SchemaValidationError](err); is {
		err = schema.Err
	}
	invalid, is := errors.AsType[*jsonschema.ValidationError](err)
	if !is {
		return []string{OneLine(err.Error())}
	}
	causes := leaves(invalid)
	for i := range causes {
		causes[i] = OneLine(causes[i])
	}
	slices.Sort(causes)
	return slices.Compact(causes)
}

// longest is how many bytes a sentence may have.
const longest = 300

// Flat is for what ends up in logs and answers: names and patterns may contain anything.
func Flat(text string) string { return strings.Join(strings.FieldsFunc(text, unicode.IsControl), " ") }

// OneLine is a text without control characters and of a bearable length: names in schemas and payloads may be anything.
func OneLine(text string) string {
	text = Flat(text)
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

// otherType is whether an alternative is for values of another type, so that it is no cause.
func otherType(e, alternative *jsonschema.ValidationError) bool {
	_, anyOf := e.ErrorKind.(*kind.AnyOf)
	_, typed := alternative.ErrorKind.(*kind.Type)
	return anyOf && typed && len(alternative.InstanceLocation) == len(e.InstanceLocation)
}

// expected is what should be where. The library's messages contain the value that was found; these do not.
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
		return "it must be at least " + Number(k.Want)
	case *kind.Maximum:
		return "it must be at most " + Number(k.Want)
	case *kind.ExclusiveMinimum:
		return "it must be more than " + Number(k.Want)
	case *kind.ExclusiveMaximum:
		return "it must be less than " + Number(k.Want)
	case *kind.MultipleOf:
		return "it must be a multiple of " + Number(k.Want)
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
		b.WriteString("/" + Escape(key))
	}
	return b.String()
}

// Escape is a key as JSON pointers write it.
func Escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// Number is a number as a decimal.
func Number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(maxDigits), "0")
}
