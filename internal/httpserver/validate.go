package httpserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-json-experiment/json/jsontext"
	nethttpmiddleware "github.com/oapi-codegen/nethttp-middleware"

	"example.com/ordersaga/internal/ijson"
	"example.com/ordersaga/pkg/problem"
)

// MaxBody is how many bytes the body of a request may have.
const MaxBody = 16 << 10

// ValidateRequests refuses every request that the contract does not allow, before any handler sees it:
// 400 for what cannot be read and for bad parameters, 404, 405 with Allow, 413, 415, and 422 for a body
// that can be read but breaks the schema.
func ValidateRequests(spec *openapi3.T) func(http.Handler) http.Handler {
	return ValidateWithCode(spec, "")
}

// ValidateWithCode is [ValidateRequests] of an API whose contract has a code for requests that break it. An address or
// a method that the contract does not have gets none: what answers there may not be the API that was asked for.
func ValidateWithCode(spec *openapi3.T, code string) func(http.Handler) http.Handler {
	refuse := func(w http.ResponseWriter, r *http.Request, err error) {
		if known, ok := errors.AsType[*problem.Error](err); ok && known.Status != http.StatusNotFound &&
			known.Status != http.StatusMethodNotAllowed {
			known.Code = code
		}
		problem.Write(w, r, err)
	}
	find := templates(spec)
	// The library compiles the schemas of a 3.1 document anew for every request, which is half the CPU that a
	// request costs. Our contracts use nothing that 3.0 does not have, so they are read as 3.0; one that
	// does (const, a list of types, …) is a mistake of ours and ends the process at its start.
	spec.OpenAPI = "3.0.3"
	// the rest of it is newer, and for people
	spec.Info = &openapi3.Info{Title: spec.Info.Title, Version: spec.Info.Version}
	if err := spec.Validate(context.Background()); err != nil {
		panic(fmt.Errorf("the contract cannot be enforced: %w", err))
	}
	validate := nethttpmiddleware.OapiRequestValidatorWithOptions(spec, &nethttpmiddleware.Options{
		DoNotValidateServers: true,
		Options:              openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		ErrorHandlerWithOpts: func(_ context.Context, err error, w http.ResponseWriter, r *http.Request,
			_ nethttpmiddleware.ErrorHandlerOpts) {
			if errors.Is(err, routers.ErrMethodNotAllowed) {
				_, item := find(r.URL.Path)
				w.Header().Set("Allow", allowed(item))
			}
			refuse(w, r, refusal(err))
		},
	})
	return func(next http.Handler) http.Handler {
		checked := validate(oneValue(next, refuse))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			route, _ := find(r.URL.Path)
			noteRoute(r, route)
			if err := ijson.Encoded(r.Header); err != nil {
				refuse(w, r, err)
				return
			}
			if r.Body != nil {
				r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
			}
			checked.ServeHTTP(w, r)
		})
	}
}

// oneValue refuses a body that is not one JSON value as RFC 7493 wants it: the decoders would stop behind the first
// value, replace what is not UTF-8 or half a surrogate pair, and take the last of two members with one name, so that
// what is stored would not be what was sent.
func oneValue(next http.Handler, refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			refuse(w, r, refusal(err)) // of an operation that takes no body; the validator reads the others
			return
		}
		if len(body) > 0 && strings.HasSuffix(mediaType(r), "json") && !jsontext.Value(body).IsValid() {
			refuse(w, r, problem.New(http.StatusBadRequest, "the body cannot be read as JSON: it must be one value, "+
				"in UTF-8, without half a surrogate pair, and no object may have two members with one name"))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func mediaType(r *http.Request) string {
	name, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // the validator refuses what cannot be parsed
	return name
}

// named finds the parameter in an error of the generated code, whose types are each service's own.
var named = regexp.MustCompile(`^(?:Expected one value for|Invalid format for parameter) ([A-Za-z0-9_-]+)`)

// Unreadable answers 400 where the generated code cannot read what the contract allows: 1.0 or 1e2 is an
// integer in JSON Schema but not in Go, and a header or a parameter can be there twice.
func Unreadable(w http.ResponseWriter, r *http.Request, err error) {
	what := "a number in the body cannot be read"
	if found := named.FindStringSubmatch(err.Error()); found != nil {
		what = "parameter " + found[1] + ": cannot be read, or is there more than once"
	}
	problem.Write(w, r, problem.New(http.StatusBadRequest, what))
}

// refusal is, in the client's terms, what the validator found.
func refusal(err error) error {
	var tooLarge *http.MaxBytesError
	var request *openapi3filter.RequestError
	switch {
	case errors.Is(err, routers.ErrPathNotFound):
		return problem.New(http.StatusNotFound, "there is nothing at this address")
	case errors.Is(err, routers.ErrMethodNotAllowed):
		return problem.New(http.StatusMethodNotAllowed, "this address does not take this method")
	case errors.As(err, &tooLarge):
		return problem.New(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit))
	case errors.As(err, &request) && request.Parameter != nil:
		return problem.New(http.StatusBadRequest, fmt.Sprintf("parameter %s: %s", request.Parameter.Name, reason(err)))
	case errors.As(err, &request) && request.RequestBody != nil:
		return bodyRefusal(request)
	}
	return err
}

func bodyRefusal(request *openapi3filter.RequestError) error {
	var schema *openapi3.SchemaError
	switch {
	case errors.As(request.Err, &schema):
		return problem.New(http.StatusUnprocessableEntity, reason(request.Err))
	case strings.Contains(request.Reason, "Content-Type"):
		return problem.New(http.StatusUnsupportedMediaType, "the body must be "+strings.Join(mediaTypes(request.RequestBody),
			" or "))
	case errors.Is(request.Err, openapi3filter.ErrInvalidRequired):
		return problem.New(http.StatusBadRequest, "the body is missing")
	}
	return problem.New(http.StatusBadRequest, "the body cannot be read as JSON")
}

func mediaTypes(body *openapi3.RequestBody) []string {
	types := make([]string, 0, len(body.Content))
	for name := range body.Content {
		types = append(types, name)
	}
	return types
}

// reason is the sentence of a schema violation and where in the body it is.
func reason(err error) string {
	var schema *openapi3.SchemaError
	if !errors.As(err, &schema) {
		if errors.Is(err, openapi3filter.ErrInvalidRequired) {
			return "is required"
		}
		return "has a value that cannot be read"
	}
	if at := schema.JSONPointer(); len(at) > 0 {
		return fmt.Sprintf("/%s: %s", strings.Join(at, "/"), schema.Reason)
	}
	return schema.Reason
}

// templates finds the path of a contract, with its parameters in braces, that a request's path is one of; nil: none.
func templates(spec *openapi3.T) func(path string) (template string, item *openapi3.PathItem) {
	parts := map[string][]string{}
	for template := range spec.Paths.Map() {
		parts[template] = strings.Split(template, "/")
	}
	return func(path string) (string, *openapi3.PathItem) {
		if item := spec.Paths.Value(path); item != nil {
			return path, item
		}
		want := strings.Split(path, "/")
		for template, have := range parts {
			if slices.EqualFunc(have, want, func(a, b string) bool { return a == b || strings.HasPrefix(a, "{") }) {
				return template, spec.Paths.Value(template)
			}
		}
		return "", nil
	}
}

// allowed are the methods that a path takes, for the Allow header.
func allowed(item *openapi3.PathItem) string {
	if item == nil {
		return ""
	}
	methods := make([]string, 0, 5)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if item.GetOperation(method) != nil || method == http.MethodHead && item.Get != nil {
			methods = append(methods, method)
		}
	}
	return strings.Join(methods, ", ")
}
