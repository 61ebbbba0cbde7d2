// Package ijson reads what a client sends as RFC 7493 wants it, so that what takes effect is what was sent.
package ijson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"example.com/ordersaga/pkg/problem"
)

// Encoded refuses a body in another encoding than JSON's (RFC 8259, 8.1), by what its header names: 415, or 400 where
// Content-Type is there twice. The error is a *[problem.Error]. Nothing here is decompressed.
func Encoded(h http.Header) error {
	if len(h.Values("Content-Type")) > 1 {
		return problem.New(http.StatusBadRequest, "header Content-Type: is there more than once")
	}
	if given := h.Get("Content-Type"); given != "" {
		_, parameters, err := mime.ParseMediaType(given)
		charset, named := parameters["charset"]
		// mime lets two charsets pass where they are the same, or one is in parts (RFC 2231).
		twice := strings.Count(strings.ToLower(given), "charset") > 1
		if err != nil || twice || named && !strings.EqualFold(charset, "utf-8") {
			return problem.New(http.StatusUnsupportedMediaType,
				"the body must be UTF-8, and Content-Type one media type with one charset at most")
		}
	}
	encoding := strings.Join(h.Values("Content-Encoding"), ", ")
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return problem.New(http.StatusUnsupportedMediaType, "the body must not be compressed")
	}
	return nil
}

// ReadBody is [Read] of a request's body of at most limit bytes, in the encoding that [Encoded] wants. The error is a
// *[problem.Error]: that of Encoded, or a 400 with the detail.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64, into any, detail string) error {
	if err := Encoded(r.Header); err != nil {
		return err
	}
	if err := Read(http.MaxBytesReader(w, r.Body, limit), into); err != nil {
		return problem.New(http.StatusBadRequest, detail)
	}
	return nil
}

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
