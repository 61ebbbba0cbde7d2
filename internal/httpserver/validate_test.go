package httpserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/ordersaga/pkg/problem"
)

const contract = `
openapi: 3.1.0
info: {title: test, version: "1"}
paths:
  /v1/things/{id}:
    get:
      parameters:
        - {name: id, in: path, required: true, schema: {type: string, maxLength: 3}}
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 200}}
      responses: {"200": {description: ok}}
  /v1/things:
    post:
      parameters:
        - {name: Idempotency-Key, in: header, required: true, schema: {type: string}}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [name]
              properties: {name: {type: string, minLength: 1}}
      responses: {"200": {description: ok}}
`

func TestValidateRequests_RequestsOutsideTheContractAreRefused(t *testing.T) {
	t.Parallel()
	spec, err := openapi3.NewLoader().LoadFromData([]byte(contract))
	if err != nil {
		t.Fatal(err)
	}
	api := ValidateRequests(spec)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))

	keyed := map[string]string{"Content-Type": "application/json", "Idempotency-Key": "k"}
	for _, c := range []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
		detail                   string
	}{
		{"what the contract allows passes", "POST", "/v1/things", `{"name":"a"}`, keyed, 200, ""},
		{"a parameter in range passes", "GET", "/v1/things/abc?limit=200", "", nil, 200, ""},
		{"malformed JSON", "POST", "/v1/things", `{"name":`, keyed, 400, "cannot be read as JSON"},
		{"something after the JSON", "POST", "/v1/things", `{"name":"a"}{"name":"b"}`, keyed, 400, "cannot be read as JSON"},
		{"white space after the JSON passes", "POST", "/v1/things", "{\"name\":\"a\"}\r\n", keyed, 200, ""},
		{"bytes that are not UTF-8", "POST", "/v1/things", "{\"name\":\"a\xff\"}", keyed, 400, "UTF-8"},
		{"a member whose name is not UTF-8", "POST", "/v1/things", "{\"name\":\"a\",\"n\xc3\":1}", keyed, 422, "n"},
		{"an overlong encoding", "POST", "/v1/things", "{\"name\":\"\xc0\xaf\"}", keyed, 400, "UTF-8"},
		{"half a surrogate pair", "POST", "/v1/things", `{"name":"a\ud83d"}`, keyed, 400, "surrogate"},
		{"the other half alone", "POST", "/v1/things", `{"name":"\udc00a"}`, keyed, 400, "surrogate"},
		{"a whole surrogate pair passes", "POST", "/v1/things", `{"name":"\ud83d\ude00"}`, keyed, 200, ""},
		{"one member twice", "POST", "/v1/things", `{"name":"a","name":"b"}`, keyed, 400, "two members"},
		{"one member twice, once escaped", "POST", "/v1/things", `{"name":"a","n\u0061me":"b"}`, keyed, 400, "two members"},
		{"UTF-8 by its name passes", "POST", "/v1/things", `{"name":"a"}`, typed("application/json; charset=UTF-8"), 200, ""},
		{"another charset", "POST", "/v1/things", `{"name":"a"}`, typed("application/json; charset=iso-8859-1"), 415, "UTF-8"},
		{"another charset, quoted", "POST", "/v1/things", `{"name":"a"}`, typed(`application/json;charset="utf-16"`), 415, "UTF-8"},
		{"a compressed body", "POST", "/v1/things", `{"name":"a"}`, map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip", "Idempotency-Key": "k"}, 415, "compressed"},
		{"HEAD where there is GET passes", "HEAD", "/v1/things/abc", "", nil, 200, ""},
		{"HEAD where there is none", "HEAD", "/v1/things", "", nil, 405, "does not take this method"},
		{"no body", "POST", "/v1/things", ``, keyed, 400, "the body is missing"},
		{"no idempotency key", "POST", "/v1/things", `{"name":"a"}`, map[string]string{"Content-Type": "application/json"}, 400, "Idempotency-Key: is required"},
		{"a parameter out of range", "GET", "/v1/things/abc?limit=201", "", nil, 400, "limit"},
		{"a parameter that is no number", "GET", "/v1/things/abc?limit=many", "", nil, 400, "limit"},
		{"an unknown path", "GET", "/v2/things", "", nil, 404, "nothing at this address"},
		{"a wrong method", "DELETE", "/v1/things/abc", "", nil, 405, "does not take this method"},
		{"a body that is too large", "POST", "/v1/things", `{"name":"` + strings.Repeat("a", MaxBody) + `"}`, keyed, 413, "larger than"},
		{"a body that is too large where none is wanted", "GET", "/v1/things/abc", strings.Repeat("a", MaxBody+1), nil, 413, "larger than"},
		{"another content type", "POST", "/v1/things", `name=a`, map[string]string{"Content-Type": "text/plain", "Idempotency-Key": "k"}, 415, "application/json"},
		{"an unknown field", "POST", "/v1/things", `{"name":"a","nome":"b"}`, keyed, 422, "nome"},
		{"an empty name", "POST", "/v1/things", `{"name":""}`, keyed, 422, "/name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
			for key, value := range c.header {
				r.Header.Set(key, value)
			}
			w := httptest.NewRecorder()
			New(api).Handler.ServeHTTP(w, r) // HEAD is the server's
			body, err := io.ReadAll(w.Result().Body)
			if err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || !strings.Contains(string(body), c.detail) {
				t.Fatalf("answered %d %s, want %d with %q", w.Code, body, c.status, c.detail)
			}
			if c.status >= 400 && w.Header().Get("Content-Type") != problem.ContentType {
				t.Errorf("content type is %q, want %q", w.Header().Get("Content-Type"), problem.ContentType)
			}
			if allow := map[string]string{"DELETE": "GET, HEAD", "HEAD": "POST"}[c.method]; c.status == 405 && w.Header().Get("Allow") != allow {
				t.Errorf("Allow is %q, want %q", w.Header().Get("Allow"), allow)
			}
		})
	}
}

func typed(contentType string) map[string]string {
	return map[string]string{"Content-Type": contentType, "Idempotency-Key": "k"}
}

func TestValidateRequests_AContractThatCannotBeEnforcedIsNotServed(t *testing.T) {
	t.Parallel()
	spec, err := openapi3.NewLoader().LoadFromData([]byte(strings.Replace(contract, "minLength: 1", "const: a", 1)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a contract with a keyword that would be ignored was accepted")
		}
	}()
	ValidateRequests(spec)
}
