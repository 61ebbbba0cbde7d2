package problem

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestWrite_SaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	Write(w, r, fmt.Errorf("place order: %w", &Error{Status: 503, Detail: "busy", RetryAfter: 1100 * time.Millisecond}))

	var got body
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if want := (body{"about:blank", "Service Unavailable", 503, "busy", ""}); got != want {
		t.Errorf("body is %+v, want %+v", got, want)
	}
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After is %q, want whole seconds rounded up: 2", got)
	}
}
