package validator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
)

// Decode reads one value, its numbers as they are written.
func Decode(text []byte) (any, error) {
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
