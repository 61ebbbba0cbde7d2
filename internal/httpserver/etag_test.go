package httpserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTagged_AnAnswerThatIsKnownIsNotSentAgain(t *testing.T) {
	t.Parallel()
	body, status := "one", http.StatusOK
	api := Tagged(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "private, no-cache")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	ask := func(method string, known ...string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
		r.Header["If-None-Match"] = known
		api.ServeHTTP(w, r)
		return w
	}
	first := ask(http.MethodGet).Header().Get("ETag")
	for _, c := range []struct {
		what, method string
		known        []string
		status       int
	}{
		{"nothing is known", http.MethodGet, nil, 200},
		{"it is known", http.MethodGet, []string{first}, 304},
		{"it is known to a proxy that has changed its encoding", http.MethodGet, []string{"W/" + first}, 304},
		{"it is among what is known", http.MethodGet, []string{`"other", ` + first}, 304},
		{"it is in the second header", http.MethodGet, []string{`"other"`, first}, 304},
		{"any is known", http.MethodGet, []string{"*"}, 304},
		{"another is known", http.MethodGet, []string{`"other"`}, 200},
		{"only the head is wanted", http.MethodHead, []string{first}, 304},
		{"it is no read", http.MethodPost, []string{first}, 200},
	} {
		got := ask(c.method, c.known...)
		if got.Code != c.status || (c.status == 304) != (got.Body.Len() == 0) || got.Header().Get("Cache-Control") == "" {
			t.Errorf("%s: %d %v %s", c.what, got.Code, got.Header(), got.Body)
		}
	}
	body = "two"
	if got := ask(http.MethodGet, first); got.Code != 200 || got.Header().Get("ETag") == first {
		t.Errorf("another answer: %d %v", got.Code, got.Header())
	}
	status = http.StatusNotFound
	if got := ask(http.MethodGet, "*"); got.Code != 404 || got.Header().Get("ETag") != "" {
		t.Errorf("a refusal: %d %v", got.Code, got.Header())
	}
}
