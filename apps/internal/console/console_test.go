package console_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/internal/console"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/testkit"
)

// open starts a console of a system that does not run. Close ends it, and returns how long that took.
func open(t *testing.T) (addr string, closeIt func() time.Duration) {
	t.Helper()
	const nobody = "http://127.0.0.1:1"
	system := endpoints.Description{
		NATS: "nats://console:secret@127.0.0.1:1", URLs: map[string]string{"order": nobody, "inventory": nobody},
	}
	ctx, stop := context.WithCancel(t.Context())
	c, err := console.Open(ctx, console.Config{Addr: "127.0.0.1:0", System: system}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Serve(ctx) }()
	closeIt = sync.OnceValue(func() time.Duration {
		began := time.Now()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return time.Since(began)
	})
	t.Cleanup(func() { closeIt() })
	return c.Addr, closeIt
}

func TestConsole_RefusesInvalidRequests(t *testing.T) {
	t.Parallel()
	addr, _ := open(t)
	for _, test := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
	}{
		{"a page is served without the system", "GET", "/simulator", "", nil, http.StatusOK},
		{"the flow, too", "GET", "/api/flow", "", nil, http.StatusOK},
		{"the quality scenarios, too", "GET", "/quality", "", nil, http.StatusOK},
		{"an asset, too", "GET", "/assets/frame.js", "", nil, http.StatusOK},
		{"an address that is not there", "GET", "/api/nothing", "", nil, http.StatusNotFound},
		{"the name of another site", "GET", "/simulator", "", func(r *http.Request) { r.Host = "rebound.example" }, http.StatusMisdirectedRequest},
		{"a change from another site's page", "POST", "/api/simulator/orders", "{}", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		{"a repair from another site's page", "POST", "/api/operate/incidents/payment/" + uuid.NewString() + "/retry", "{}", func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") }, http.StatusForbidden},
		{"spans in JSON", "POST", "/otlp/v1/traces", "{}", nil, http.StatusUnsupportedMediaType},
		{"spans from another site's page", "POST", "/otlp/v1/traces", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		{"a trace before there is any", "GET", "/api/orders/" + uuid.NewString() + "/trace", "", nil, http.StatusNotFound},
		{"the traces of a state that is none", "GET", "/api/traces?state=quick", "", nil, http.StatusUnprocessableEntity},
		{"no JSON", "POST", "/api/simulator/orders", "no", nil, http.StatusBadRequest},
		{"an unknown field", "POST", "/api/simulator/orders", `{"end": "declined"}`, nil, http.StatusBadRequest},
		{"a member twice", "POST", "/api/simulator/orders", `{"ending": "declined", "ending": "confirmed"}`, nil, http.StatusBadRequest},
		{"another charset", "POST", "/api/simulator/orders", "{}", typed("application/json; charset=latin1"), http.StatusUnsupportedMediaType},
		{"a repair in another charset", "POST", "/api/operate/incidents/payment/" + uuid.NewString() + "/retry", "{}", typed("text/plain; charset=latin1"), http.StatusUnsupportedMediaType},
		{"two types", "POST", "/api/simulator/orders", "{}", typed("application/json", "application/json"), http.StatusBadRequest},
		{"an unknown ending", "POST", "/api/simulator/orders", `{"ending": "happy"}`, nil, http.StatusUnprocessableEntity},
		{"an unknown service", "POST", "/api/simulator/orders/1/step", `{"service": "mail"}`, nil, http.StatusUnprocessableEntity},
		{"something is broken from another site's page", "POST", "/api/break/processes/order/kill", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		{"something is broken where faults are not enabled", "GET", "/api/break", "", nil, http.StatusNotFound},
		{"the gateway, too", "PUT", "/api/break/gateway", "{}", nil, http.StatusNotFound},
		{"a process that does not exist is killed", "POST", "/api/break/processes/gateway/kill", "", nil, http.StatusNotFound},
		{"a consumer that does not exist is paused", "PUT", "/api/break/consumers/mail", `{"for": "1m"}`, nil, http.StatusUnprocessableEntity},
		{"a fault is armed in an unknown service", "POST", "/api/break/faults", `{"service": "mail", "fault": {}}`, nil, http.StatusUnprocessableEntity},
		{"an order of the wrong type", "POST", "/api/place/orders", `{"sku": 7}`, nil, http.StatusBadRequest},
		{"an order while the order service is away", "POST", "/api/place/orders", `{"sku": "widget", "quantity": 1, "card": "tok_visa", "country": "DE"}`, nil, http.StatusServiceUnavailable},
		{"a load of nothing", "POST", "/api/place/load", `{"rate": 0, "seconds": 5}`, nil, http.StatusUnprocessableEntity},
		{"a load of too much", "POST", "/api/place/load", `{"rate": 201, "seconds": 5}`, nil, http.StatusUnprocessableEntity},
		{"a load for too long", "POST", "/api/place/load", `{"rate": 1, "seconds": 61}`, nil, http.StatusUnprocessableEntity},
		{"a load of more declined cards than cards", "POST", "/api/place/load", `{"rate": 1, "seconds": 1, "declined": 101}`, nil, http.StatusUnprocessableEntity},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), test.method, "http://"+addr+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(request)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != test.status {
				t.Errorf("answered with %s, want %d", response.Status, test.status)
			}
			problem := strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json")
			if problem != (test.status >= http.StatusBadRequest) {
				t.Errorf("the answer is %s", response.Header.Get("Content-Type"))
			}
			if policy := response.Header.Get("Content-Security-Policy"); test.status == http.StatusOK && !strings.Contains(policy, "script-src 'self';") {
				t.Errorf("the policy is %q", policy)
			}
		})
	}
}

func typed(types ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Content-Type"] = types }
}

func TestConsole_RunsOneLoadAtATimeWhichEndsWithIt(t *testing.T) {
	t.Parallel()
	addr, _ := open(t)
	ask := func(method, body string) int {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/api/place/load", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	const load = `{"rate": 1, "seconds": 60}`
	if first, second := ask("POST", load), ask("POST", load); first != http.StatusNoContent || second != http.StatusConflict {
		t.Errorf("two loads are answered with %d and %d", first, second)
	}
	if stopped := ask("DELETE", ""); stopped != http.StatusNoContent {
		t.Errorf("stopping is answered with %d", stopped)
	}
	next := 0
	testkit.Eventually(t, time.Minute, "the stopped load to make room", func() bool {
		next = ask("POST", load)
		return next != http.StatusConflict
	})
	if next != http.StatusNoContent {
		t.Errorf("another load is answered with %d", next)
	} // it runs for a minute, and the console ends before
}

// A stream lasts as long as its page; a console that waited for one would end only after the 8 s that requests get.
func TestConsole_EndsStreamsWhenItEnds(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/sagas/watch", "/api/place/load/watch"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			addr, closeIt := open(t)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if took := closeIt(); took > 5*time.Second {
				t.Errorf("the console ended after %v", took)
			}
			if _, err := io.Copy(io.Discard, response.Body); err != nil {
				t.Errorf("the stream ended with %v", err)
			}
		})
	}
}

// In containers the processes know the console by a name, and not by an address.
func TestConsole_TakesSpansUnderAnyName(t *testing.T) {
	t.Parallel()
	addr, _ := open(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/otlp/v1/traces", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "console:8080"
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("answered with %s", response.Status)
	}
}
