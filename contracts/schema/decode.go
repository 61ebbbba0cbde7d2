package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// decode reads one document that is a schema.
func decode(text []byte) (any, error) {
	if len(text) > maxBytes {
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(text), maxBytes)
	}
	document, err := decodeJSON(text)
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

// decodeJSON reads one value, its numbers as they are written.
func decodeJSON(text []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind the JSON")
	}
	return plain(document)
}

// plain writes whole numbers in one way (1.0 and 1e0 are 1), so that equal values are equal. A number that would
// fill the memory when it is written out is refused.
func plain(value any) (_ any, err error) {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			if value[name], err = plain(inner); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, inner := range value {
			if value[i], err = plain(inner); err != nil {
				return nil, err
			}
		}
	case json.Number:
		return plainNumber(string(value))
	}
	return value, nil
}

// maxDigits is how many a number may have, more than any double needs.
const maxDigits = 400

func plainNumber(text string) (any, error) {
	if len(text) < 10 && strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }) < 0 {
		return json.Number(text), nil // what most of them are
	}
	mantissa, exponent, has := strings.Cut(strings.ToLower(text), "e")
	power := 0
	var err error
	if has {
		power, err = strconv.Atoi(exponent)
	}
	if err != nil || len(mantissa) > maxDigits || power > maxDigits || power < -maxDigits {
		return nil, fmt.Errorf("the number %.20s… is too long", text)
	}
	if number, ok := new(big.Rat).SetString(text); ok && number.IsInt() {
		return json.Number(number.Num().String()), nil
	}
	return json.Number(text), nil
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
