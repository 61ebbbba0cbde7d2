package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/ordersaga/contracts/validator"
)

// decode reads one document that is a schema.
func decode(text []byte) (any, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(text), maxBytes)
	}
	document, err := validator.Decode(text)
	if err != nil {
		return nil, err
	}
	switch document := document.(type) {
	case bool:
		return document, nil
	case map[string]any:
		if name, has := document["$schema"]; has && name != dialect && name != dialect+"#" {
			return nil, fmt.Errorf("its dialect is %v, and the only one here is %s", name, dialect)
		}
		return document, nil
	}
	return nil, errors.New("a JSON Schema is an object, or true or false")
}

// countable is how many digits a length or a number of items may have.
const countable = 9

// ordered puts those lists in order whose order means nothing, so that equal schemas are equal.
func ordered(at spot, keyword string, content any) (any, error) {
	switch keyword {
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains":
		if number, is := content.(json.Number); is && len(number) > countable {
			return nil, fmt.Errorf("%s: %.20s is more than can be counted", at, number)
		}
	case "type", "required", "enum":
		if items, is := content.([]any); is {
			items = slices.Clone(items)
			slices.SortFunc(items, func(a, b any) int { return strings.Compare(text(a), text(b)) })
			return items, nil
		}
	}
	return content, nil
}

// text is a value as JSON.
func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}
