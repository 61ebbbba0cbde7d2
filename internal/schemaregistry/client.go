// Package schemaregistry is the client of the schema registry (apps/internal/registry): its bodies as types, a call for
// each path, and what a service does when it starts: it registers the schemas of the events that it publishes
// ([Client.RegisterPublications]). It knows no pacts and compares nothing; the server does both.
package schemaregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// MediaType is that of all bodies, as in Confluent's registry.
const MediaType = "application/vnd.schemaregistry.v1+json"

// JSON is the only type of schemas that the registry accepts.
const JSON = "JSON"

// The codes of errors, as in Confluent's registry.
const (
	NotFound           = 404
	NoSubject          = 40401
	NoVersion          = 40402
	NoSchema           = 40403
	SubjectDeleted     = 40404
	SubjectNotDeleted  = 40405
	VersionDeleted     = 40406
	VersionNotDeleted  = 40407
	NoSubjectConfig    = 40408
	NoSubjectMode      = 40409
	IncompatibleSchema = 409
	InvalidSchema      = 42201
	InvalidVersion     = 42202
	InvalidMode        = 42203
	NotPermitted       = 42205
	ReferenceExists    = 42206
	InvalidSubject     = 42208
	InvalidRules       = 42210
	StorageUnavailable = 50001
)

const (
	maxBody = 1 << 20         // many times the largest schema that the broker stores (64 KiB)
	timeout = 5 * time.Second // of one request; the registry answers in milliseconds
)

// Schema is what is registered: its text, and the versions of other subjects that it refers to.
type Schema struct {
	Type       string      `json:"schemaType,omitempty"`
	Text       string      `json:"schema"`
	References []Reference `json:"references,omitempty"`
}

// Reference is the version of a subject that a $ref leads to. Name is the $ref up to its #.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Version is a schema with its place. A schema has the same id under every subject.
type Version struct {
	Subject string `json:"subject"`
	ID      int    `json:"id"`
	Version int    `json:"version"`
	Schema
}

// Compatibility is whether a schema may be registered, and why not.
type Compatibility struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages,omitempty"`
}

// Error is an error that the registry answers with.
type Error struct {
	Status  int    `json:"-"`
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

// Error is the registry's message.
func (e *Error) Error() string { return e.Message }

// IsCode is whether an error is the registry's with this code.
func IsCode(err error, code int) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// Client is a client of the registry at a URL.
type Client struct {
	URL string
}

// Subjects lists them all.
func (c Client) Subjects(ctx context.Context) (names []string, err error) {
	return names, c.ask(ctx, http.MethodGet, "/subjects", nil, &names)
}

// Version is one version of a subject, by its number or "latest".
func (c Client) Version(ctx context.Context, subject, version string) (v Version, err error) {
	return v, c.ask(ctx, http.MethodGet, at(subject)+"/versions/"+url.PathEscape(version), nil, &v)
}

// Register adds a version and returns the schema's id. A schema that is registered already is no new version.
func (c Client) Register(ctx context.Context, subject string, schema Schema) (id int, err error) {
	var answer struct {
		ID int `json:"id"`
	}
	return answer.ID, c.ask(ctx, http.MethodPost, at(subject)+"/versions", schema, &answer)
}

// LookUp is the version of the subject that the schema is.
func (c Client) LookUp(ctx context.Context, subject string, schema Schema) (v Version, err error) {
	return v, c.ask(ctx, http.MethodPost, at(subject), schema, &v)
}

// Check is whether the schema could be registered. It registers nothing.
func (c Client) Check(ctx context.Context, subject string, schema Schema) (answer Compatibility, err error) {
	path := "/compatibility" + at(subject) + "/versions/latest?verbose=true"
	return answer, c.ask(ctx, http.MethodPost, path, schema, &answer)
}

// Mode is the compatibility mode of a subject, or the one of all that have none ("").
func (c Client) Mode(ctx context.Context, subject string) (string, error) {
	var answer struct {
		Level string `json:"compatibilityLevel"`
	}
	err := c.ask(ctx, http.MethodGet, config(subject)+"?defaultToGlobal=true", nil, &answer)
	return answer.Level, err
}

// SetMode changes it.
func (c Client) SetMode(ctx context.Context, subject, mode string) error {
	return c.ask(ctx, http.MethodPut, config(subject), map[string]string{"compatibility": mode}, &struct{}{})
}

func at(subject string) string { return "/subjects/" + url.PathEscape(subject) }

func config(subject string) string {
	if subject == "" {
		return "/config"
	}
	return "/config/" + url.PathEscape(subject)
}

func (c Client) ask(ctx context.Context, method, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		content = nil
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", MediaType)
	request.Header.Set("Accept", MediaType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the schema registry: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	switch {
	case err != nil:
		return fmt.Errorf("read the schema registry's answer: %w", err)
	case response.StatusCode < http.StatusBadRequest:
		if err := json.Unmarshal(text, answer); err != nil {
			return fmt.Errorf("the schema registry's answer is not its own: %w", err)
		}
		return nil
	}
	refused := &Error{Status: response.StatusCode}
	if json.Unmarshal(text, refused) != nil || refused.Code == 0 {
		return fmt.Errorf("the schema registry answers %s", response.Status)
	}
	return refused
}
