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

	"github.com/go-json-experiment/json/jsontext"

	"example.com/ordersaga/internal/ijson"
	api "example.com/ordersaga/internal/schemaregistry"
	"example.com/ordersaga/pkg/problem"
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

// isSet is whether a parameter of the address is true.
func isSet(q *http.Request, name string) bool {
	is, _ := strconv.ParseBool(q.URL.Query().Get(name))
	return is
}

// sightOf is which versions are asked for.
func sightOf(q *http.Request) sight {
	switch {
	case isSet(q, "deletedOnly"):
		return onlyDeleted
	case isSet(q, "deleted"):
		return deleted
	}
	return live
}

// request is a schema as a client sends it.
type request struct {
	api.Schema
	normalize bool
}

// schemaOf reads the body. No type of schema means Avro there, which is refused later. What other registries store
// beside a schema is refused: a rule that says that a field is to be encrypted must not be lost in silence.
func schemaOf(q *http.Request) (given request, err error) {
	var body struct {
		api.Schema
		ID       int `json:"id"`
		Metadata any `json:"metadata"`
		RuleSet  any `json:"ruleSet"`
	}
	if err := read(q, &body); err != nil {
		return given, err
	}
	given = request{body.Schema, isSet(q, "normalize")}
	switch text := jsontext.Value(given.Text); {
	case given.Text == "":
		return given, invalid("there is none")
	case json.Valid(text) && !text.IsValid():
		return given, invalid("it must be UTF-8, and no object may have two members with one name")
	case body.Metadata != nil || body.RuleSet != nil:
		return given, refuse(http.StatusUnprocessableEntity, api.InvalidRules,
			"A schema has no metadata and no ruleSet here; register it without")
	case body.ID > 0:
		return given, refuse(http.StatusUnprocessableEntity, api.NotPermitted,
			"A schema's id is given here and cannot be chosen")
	}
	if given.normalize {
		given.Schema = normal(given.Schema)
	}
	return given, nil
}

func read(q *http.Request, value any) error {
	if refused, is := errors.AsType[*problem.Error](ijson.Encoded(q.Header)); is {
		return refuse(refused.Status, refused.Status, "%s", refused.Detail)
	}
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
	if !jsontext.Value(content).IsValid() {
		return invalid("the request must be UTF-8, and no object may have two members with one name")
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
