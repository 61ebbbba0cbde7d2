// Package openapitest holds what an HTTP API answers in its tests against its OpenAPI document.
package openapitest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Documented is the API, with every answer held against the document: its status must stand there for the operation, by
// its number (default is for other errors of the server alone), with this media type, and the body must follow its
// schema. Not looked at is what no operation of the document serves, and a body in a media type that Accept names.
func Documented(t testing.TB, document func() (*openapi3.T, error), api http.Handler) http.Handler {
	t.Helper()
	spec, err := document()
	if err != nil {
		t.Fatal(err)
	}
	// As in package httpserver: the schemas of a 3.1 document are compiled anew for every answer.
	spec.OpenAPI, spec.Info = "3.0.3", &openapi3.Info{Title: spec.Info.Title, Version: spec.Info.Version}
	router, err := gorillamux.NewRouter(spec)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := r.Clone(r.Context()) // the API reads the body, and may change the headers
		sent := &copied{ResponseWriter: w, status: http.StatusOK}
		api.ServeHTTP(sent, r)
		if asked.Method == http.MethodHead { // the same as GET, without a body
			return
		}
		route, parameters, err := router.FindRoute(asked)
		if err != nil {
			return
		}
		named := route.Operation.Responses.Status(sent.status) != nil
		if !named && (sent.status < 500 || sent.status == http.StatusServiceUnavailable) {
			t.Errorf("%s %s answers %d, which its document does not have: %s", route.Method, route.Path, sent.status, &sent.body)
			return
		}
		media := w.Header().Get("Content-Type")
		if media != "application/json" && strings.Contains(asked.Header.Get("Accept"), media) {
			return
		}
		err = openapi3filter.ValidateResponse(asked.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: parameters, Route: route},
			Status:                 sent.status, Header: w.Header(), Body: io.NopCloser(&sent.body),
		})
		if err != nil {
			t.Errorf("%s %s answers %d otherwise than its document has it: %v", route.Method, route.Path, sent.status, err)
		}
	})
}

// copied keeps a copy of an answer.
type copied struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *copied) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *copied) Write(content []byte) (int, error) {
	c.body.Write(content)
	return c.ResponseWriter.Write(content)
}
