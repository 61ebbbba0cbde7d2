package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

func TestConfig_IsReadFromTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  map[string]string
		fail string
	}{
		{"defaults run", nil, ""},
		{"faults with permission", map[string]string{"FAULTS": "relay.published=crash", "FAULTS_ENABLED": "true"}, ""},
		{"faults without permission", map[string]string{"FAULTS": "relay.published=crash"}, "FAULTS needs FAULTS_ENABLED"},
		{"an admin listener without a token", map[string]string{"ADMIN_ADDR": "127.0.0.1:0"}, "needs an ADMIN_TOKEN"},
		{"a level that is none", map[string]string{"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"},
		{"a pooler that cannot be", map[string]string{"DATABASE_POOLER": "session"}, "DATABASE_POOLER must be"},
		{"a flag that is none", map[string]string{"FAULTS_ENABLED": "perhaps"}, "FAULTS_ENABLED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := FromEnv(events.Inventory, func(key string) string { return c.env[key] })
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Fatalf("error is %v, want one with %q", err, c.fail)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.DatabaseURL != "postgres://inventory@127.0.0.1:5432/inventory" || got.MigrationsURL != got.DatabaseURL {
				t.Errorf("unexpected database defaults: %+v", got)
			}
		})
	}
}

func TestTraced_AnUnexpectedErrorIsLoggedAndNotShown(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	w := httptest.NewRecorder()
	traced(log, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, fmt.Errorf("relation %q does not exist", "orders"))
	})).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))

	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "relation") {
		t.Errorf("answered %d %s, want a 500 without internal text", w.Code, w.Body)
	}
	if !strings.Contains(logged.String(), "does not exist") {
		t.Errorf("the log does not have the cause: %s", logged.String())
	}
}

func TestFront_ShowsHealthAndReadinessFromTheFirstMoment(t *testing.T) {
	t.Parallel()
	f := newFront()
	ask := func(path string) int {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code
	}
	expect := func(when string, health, ready, api int) {
		t.Helper()
		if h, r, a := ask("/healthz"), ask("/readyz"), ask("/v1"); h != health || r != ready || a != api {
			t.Errorf("%s: healthz %d, readyz %d, api %d; want %d, %d, %d", when, h, r, a, health, ready, api)
		}
	}
	expect("while starting", 200, 503, 503)

	var broken error
	f.open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }),
		func(context.Context) error { return broken })
	expect("while serving", 200, 200, 202)
	broken = errors.New("no database")
	expect("while something is broken", 200, 503, 202)
	broken = nil
	f.waitFor(errors.New("shutting down"))
	expect("while ending", 200, 503, 202)
}

func TestFaults_DurationsAreBounded(t *testing.T) {
	t.Parallel()
	router := chi.NewRouter()
	breaking{}.routes(router) // what is refused reaches no broker, and kills nobody
	for request, longest := range map[string]string{"PUT /consumer/pause": "15m", "POST /process/kill": "1m"} {
		method, path, _ := strings.Cut(request, " ")
		for body, want := range map[string]int{
			"30s": 400, `{"until": "noon"}`: 400, `{"for": "1s", "for": "2s"}`: 400, `{"for": "long"}`: 422, `{"for": "0s"}`: 422, `{"for": "-1s"}`: 422, `{"for": "16m"}`: 422,
		} {
			w := httptest.NewRecorder()
			router.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
			if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s with %q: %d %s, want %d", request, body, w.Code, w.Body, want)
			}
			if want == 422 && !strings.Contains(w.Body.String(), longest+" at most") {
				t.Errorf("%s with %q: %s does not name %s", request, body, w.Body, longest)
			}
		}
	}
	w := httptest.NewRecorder()
	router.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/consumer/pause", http.NoBody))
	if w.Code != 400 {
		t.Errorf("a pause without a body: %d", w.Code)
	}
}
