package apiversion

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func TestNegotiate_AListIsReadAsRFC9110WritesIt(t *testing.T) {
	t.Parallel()
	const json = PlainJSON
	for accept, want := range map[string]string{
		`text/html;level="1,2", ` + json:                               json,
		`text/html;note="a\", ` + json + `, "` + `, ` + V1.MediaType(): V1.MediaType(),
		`application/json;profile="a,b;q=0"`:                           json,
		`text/html;note="never closed, ` + json:                        "",
		` , ,` + json + `,, `:                                          json,
		V2.MediaType() + ";q=0.1\t,\t" + V1.MediaType() + "\t;\tq=0.2": V1.MediaType(),
		`APPLICATION/JSON; Q=1`:                                        json,
		V2.MediaType() + `;q="0.5", ` + json + `;q=0.4`:                V2.MediaType(),
	} {
		_, media, err := negotiate("", http.Header{"Accept": {accept}})
		if (err != nil) != (want == "") || media != want {
			t.Errorf("%s is answered as %q, %v; want %q", accept, media, err, want)
		}
	}
}

func TestChoose_TheLinkIsAnAddress(t *testing.T) {
	t.Parallel()
	spec := &openapi3.T{Paths: openapi3.NewPaths(openapi3.WithPath("/v1/orders", &openapi3.PathItem{Post: &openapi3.Operation{
		Extensions: map[string]any{"x-deprecated-at": "2026-01-01", "x-sunset": "2027-01-01"},
	}}))}
	handler := Choose(spec, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }))
	for path, want := range map[string]string{
		"/v1/orders/1":                      `</v2/orders/1>; rel="successor-version"`,
		"/v1/orders/a%3E%22b/cancel":        `</v2/orders/a%3E%22b/cancel>; rel="successor-version"`,
		"/v1/orders/a%20%2C%0Ab":            `</v2/orders/a%20,%0Ab>; rel="successor-version"`,
		"/v1/orders/x%3E;%20rel=%22next%22": `</v2/orders/x%3E;%20rel=%22next%22>; rel="successor-version"`,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if got := w.Header().Get("Link"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// FuzzNegotiate: whatever clients send, the answer is in a version that there is, and in a type that they named or
// that is plain.
func FuzzNegotiate(f *testing.F) {
	for _, accept := range []string{"", "*/*", V1.MediaType(), V2.MediaType() + ";q=0.5, */*", "application/json;q=0", "a/b;q=2, ,;;", V2.MediaType() + ", text/*;q=NaN"} {
		f.Add("", "", "", accept)
		f.Add("2", "1", "", accept)
		f.Add("", "2", V2.MediaType(), accept)
	}
	f.Fuzz(func(t *testing.T, inAddress, header, body, accept string) {
		h := http.Header{"Accept": {accept}}
		if header != "" {
			h.Set("API-Version", header)
		}
		if body != "" {
			h.Set("Content-Type", body)
		}
		chosen, media, err := negotiate(inAddress, h)
		if err != nil {
			return
		}
		if chosen != 1 && chosen != 2 || media != PlainJSON && media != chosen.MediaType() {
			t.Fatalf("version %d as %q", chosen, media)
		}
		for by, named := range map[string]string{"the address": inAddress, "the header": header} {
			if named != "" && named != fmt.Sprint(int(chosen)) {
				t.Fatalf("%s names %q, and is answered in %d", by, named, chosen)
			}
		}
		if media != PlainJSON && !strings.Contains(strings.ToLower(accept), media) {
			t.Fatalf("%q is answered as %q", accept, media)
		}
	})
}
