package httpserver

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAuthorized_TheAdminListenerAsksForItsToken(t *testing.T) {
	t.Parallel()
	h := Authorized("secret", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for header, want := range map[string]int{"": 401, "Bearer wrong": 401, "secret": 401, "Bearer secret": 200} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", header)
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("with %q: %d, want %d", header, w.Code, want)
		}
	}
}
