// Package ijson reads what a client sends as RFC 7493 wants it, so that what takes effect is what was sent.
package ijson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Read reads one value. An error is a value that is not the one that is wanted, a member that nobody knows or that is
// there twice, bytes that are not UTF-8, and anything behind the value.
func Read(from io.Reader, into any) error {
	text, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if !jsontext.Value(text).IsValid() {
		return errors.New("it must be one value in UTF-8, and no object may have two members with one name")
	}
	return nil
}
