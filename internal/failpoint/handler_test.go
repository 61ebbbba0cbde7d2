package failpoint_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/ordersaga/internal/failpoint"
)

func ask(t *testing.T, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	return w
}

func TestHandler(t *testing.T) {
	t.Parallel()
	set := failpoint.NewSet()
	h := failpoint.Handler(set)

	w := ask(t, h, "POST", "/faults", `{"point":"relay.marked","kind":"error","text":"no luck","order":"o1","times":2}`)
	if w.Code != http.StatusCreated || w.Header().Get("Location") != "/faults/1" {
		t.Fatalf("arming answers %d %s", w.Code, w.Body)
	}
	if err := set.At(t.Context(), failpoint.RelayMarked, "o1"); err == nil {
		t.Error("what was armed does not fire")
	}

	var list struct{ Faults []failpoint.Armament }
	if w = ask(t, h, "GET", "/faults", ""); w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &list) != nil {
		t.Fatalf("listing answers %d %s", w.Code, w.Body)
	}
	if len(list.Faults) != 1 || list.Faults[0].Fired != 1 || *list.Faults[0].Times != 2 || list.Faults[0].Order != "o1" {
		t.Errorf("listed %+v", list.Faults)
	}

	var fired struct{ Fired []failpoint.Fired }
	if w = ask(t, h, "GET", "/faults/fired", ""); json.Unmarshal(w.Body.Bytes(), &fired) != nil || len(fired.Fired) != 1 || fired.Fired[0].Order != "o1" {
		t.Errorf("what has fired answers %d %s", w.Code, w.Body)
	}

	var points struct{ Points []failpoint.Described }
	if w = ask(t, h, "GET", "/faults/points", ""); json.Unmarshal(w.Body.Bytes(), &points) != nil || len(points.Points) != len(failpoint.Points()) {
		t.Errorf("points answers %d %s", w.Code, w.Body)
	}

	for path, method := range map[string]string{"/faults/1/release": "POST", "/faults/1": "DELETE", "/faults": "DELETE"} {
		set.Clear("")
		_, _ = set.Arm(failpoint.Fault{Point: failpoint.RelayMarked, Kind: failpoint.Hold})
		path = strings.Replace(path, "1", set.List()[0].ID, 1)
		if w = ask(t, h, method, path, ""); w.Code != http.StatusNoContent {
			t.Errorf("%s %s answers %d %s", method, path, w.Code, w.Body)
		}
		if method == "DELETE" && set.Armed() {
			t.Errorf("%s %s left something armed", method, path)
		}
	}
}

func TestHandler_TakesOneCharset(t *testing.T) {
	t.Parallel()
	set := failpoint.NewSet()
	for status, types := range map[int][]string{415: {"application/json; charset=latin1"}, 400: {"application/json", "application/json"}} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/faults", strings.NewReader(`{"point":"relay.marked","kind":"crash"}`))
		r.Header["Content-Type"] = types
		w := httptest.NewRecorder()
		failpoint.Handler(set).ServeHTTP(w, r)
		if w.Code != status || w.Header().Get("Content-Type") != "application/problem+json" || len(set.List()) > 0 {
			t.Errorf("%q: %d %s, and %v is armed", types, w.Code, w.Body, set.List())
		}
	}
}

func TestHandler_Refuses(t *testing.T) {
	t.Parallel()
	h := failpoint.Handler(failpoint.NewSet())
	for name, test := range map[string]struct {
		method, path, body string
		status             int
	}{
		"what is not JSON":                  {"POST", "/faults", `crash`, 400},
		"a field that it does not know":     {"POST", "/faults", `{"point":"relay.marked","kind":"crash","when":"now"}`, 400},
		"a point twice":                     {"POST", "/faults", `{"point":"relay.marked","point":"relay.read","kind":"crash"}`, 400},
		"a duration that is none":           {"POST", "/faults", `{"point":"relay.marked","kind":"delay","delay":"long"}`, 400},
		"a body without an end":             {"POST", "/faults", `{"text":"` + strings.Repeat("x", 5000) + `"}`, 400},
		"a point that there is not":         {"POST", "/faults", `{"point":"nowhere","kind":"crash"}`, 422},
		"a kind that there is not":          {"POST", "/faults", `{"point":"relay.marked","kind":"explode"}`, 422},
		"to disarm what is not armed":       {"DELETE", "/faults/7", ``, 404},
		"to release what is not armed":      {"POST", "/faults/7/release", ``, 404},
		"a method that it does not serve":   {"PUT", "/faults", ``, 405},
		"an address that it does not serve": {"GET", "/faults/1/2/3", ``, 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := ask(t, h, test.method, test.path, test.body)
			if w.Code != test.status {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("answered as %s", w.Header().Get("Content-Type"))
			}
		})
	}
}
