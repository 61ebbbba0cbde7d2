package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	api "example.com/ordersaga/internal/schemaregistry"
)

// versionOf is the version in the address; 0 is the latest.
func versionOf(q *http.Request) (int, error) {
	text := q.PathValue("version")
	if text == "latest" || text == "-1" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, refuse(http.StatusUnprocessableEntity, api.InvalidVersion,
			"The specified version '%.20s' is not a valid version id. "+
				"Allowed values are between [1, 2^31-1] and the string \"latest\"", text)
	}
	return n, nil
}

// subjectOf is a name that may become a subject's.
func subjectOf(q *http.Request) (string, error) {
	name := q.PathValue("subject")
	if len(name) > 200 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", refuse(http.StatusUnprocessableEntity, api.InvalidSubject,
			"The specified subject is not a valid one: at most 200 bytes, no control characters")
	}
	return name, nil
}

// schemaOf reads the body. No type of schema means Avro there, which is refused later.
func schemaOf(q *http.Request) (given api.Schema, err error) {
	if err := read(q, &given); err != nil {
		return given, err
	}
	if given.Text == "" {
		return given, invalid("there is none")
	}
	return given, nil
}

func read(q *http.Request, value any) error {
	// A request may be written with more spaces than the entry; what is much longer is not even read.
	content, err := io.ReadAll(http.MaxBytesReader(nil, q.Body, 4*largest))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return invalid("the request has more than %d bytes; a schema may have %d", tooLarge.Limit, largest)
	case err != nil:
		return invalid("the request could not be read to its end")
	}
	if err := json.Unmarshal(content, value); err != nil {
		return invalid("the request is not the JSON that belongs here: %v", err)
	}
	return nil
}

// refuse is an error of the client's.
func refuse(status, code int, format string, args ...any) error {
	return &api.Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid is what is wrong with a schema.
func invalid(format string, args ...any) error {
	return refuse(http.StatusUnprocessableEntity, api.InvalidSchema, "Invalid schema: "+format, args...)
}
