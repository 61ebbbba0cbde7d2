package ambassador

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
)

// till is a payment provider that knows no keys: every request is a charge. The first answers get lost.
type till struct {
	charges atomic.Int32
	lose    int32
}

func (s *till) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if s.charges.Add(1) <= s.lose {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
}

// This is what an ambassador does that asks again without thinking: the library's own policy retries a POST.
// The customer pays twice, and neither side has done anything that looks wrong.
func TestAmbassador_ARetryWithoutAKeyChargesTwice(t *testing.T) {
	t.Parallel()
	provider := &till{lose: 1}
	careless := &http.Client{Transport: failsafehttp.NewRoundTripper(&http.Transport{DisableKeepAlives: true}, failsafehttp.NewRetryPolicyBuilder().Build())}
	response, err := careless.Post(upstream(t, provider.ServeHTTP), "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated || provider.charges.Load() != 2 {
		t.Errorf("answered %d after %d charges; the example is to show 2", response.StatusCode, provider.charges.Load())
	}
}

func TestAmbassador_WithoutAKeyNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	provider := &till{lose: 1}
	a := start(t, defaults(upstream(t, provider.ServeHTTP)))
	got := a.must(t, http.MethodPost, "/v1/charges", "", "{}")
	if got.status != http.StatusBadGateway || got.attempts != "1" || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %+v", got)
	}
	if n := provider.charges.Load(); n != 1 {
		t.Errorf("%d charges", n)
	}
}

func TestAmbassador_WithAKeyALostAnswerIsAskedForAgainAndChargedOnce(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"tok_lost_response", "tok_error_after_charge", "tok_hang_after_charge", "tok_reset_mid_answer", "tok_error_before_charge"} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			ledger := newLedger(t)
			c := defaults(spawn(t, ledger).url, spawn(t, ledger).url)
			if token == "tok_hang_after_charge" {
				c.TryTimeout = 2 * time.Second
			}
			a := start(t, c)
			got := a.must(t, http.MethodPost, "/v1/charges", "key", chargeBody("order", token))
			if got.status != http.StatusCreated {
				t.Errorf("answered %+v", got)
			}
			if n, err := strconv.Atoi(got.attempts); err != nil || n < 2 {
				t.Errorf("after %s attempts", got.attempts)
			}
			if n := a.charges(t)["order"]; n != 1 {
				t.Errorf("%d charges", n)
			}
		})
	}
}

func TestAmbassador_WhatIsRetriedAndHowOften(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		method, key string
		status      int // of every answer
		tries       int32
	}{
		"a look-up":                    {http.MethodGet, "", 500, 3},
		"a charge with a key":          {http.MethodPost, "k", 500, 3},
		"a charge without a key":       {http.MethodPost, "", 500, 1},
		"bad gateway":                  {http.MethodPost, "k", 502, 3},
		"unavailable":                  {http.MethodPost, "k", 503, 3},
		"timed out behind the gateway": {http.MethodPost, "k", 504, 3},
		"not implemented":              {http.MethodPost, "k", 501, 1},
		"in progress":                  {http.MethodPost, "k", 409, 1},
		"too many":                     {http.MethodPost, "k", 429, 1},
		"declined":                     {http.MethodPost, "k", 402, 1},
		"a mistake":                    {http.MethodPost, "k", 422, 1},
		"a success":                    {http.MethodPost, "k", 201, 1},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			var bodies sync.Map
			a := start(t, defaults(upstream(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				bodies.Store(string(body)+r.Header.Get("Traceparent")+r.URL.RawQuery, true)
				tries.Add(1)
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(test.status)
				fmt.Fprint(w, "the gateway's own words")
			})))
			got := a.must(t, test.method, "/v1/charges?x=1", test.key, "the body")
			if got.status != test.status || got.body != "the gateway's own words" || got.header.Get("Retry-After") != "7" {
				t.Errorf("the last answer came through as %+v", got)
			}
			if tries.Load() != test.tries || got.attempts != fmt.Sprint(test.tries) {
				t.Errorf("%d tries, and says %s; want %d", tries.Load(), got.attempts, test.tries)
			}
			bodies.Range(func(key, _ any) bool {
				if key != "the bodyx=1" {
					t.Errorf("a try was sent as %q", key)
				}
				return true
			})
		})
	}
}

// A connection dies after the request and before the answer, as when the gateway is killed.
func TestAmbassador_EveryRequestThatTheGatewayGotIsCounted(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct{ method, key, body string }{
		"a look-up":              {http.MethodGet, "", ""},
		"only the header":        {http.MethodHead, "", ""},
		"an empty keyed request": {http.MethodPost, "k", ""},
		"a keyed charge":         {http.MethodPost, "k", "the body"},
		"a charge without a key": {http.MethodPost, "", "the body"},
		"an empty request":       {http.MethodPost, "", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			var got atomic.Int32
			a := start(t, defaults(upstream(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery != "dies" {
					return // the first request, which leaves its connection to the next one
				}
				if n := got.Add(1); r.ContentLength != int64(len(test.body)) {
					t.Errorf("request %d has %d bytes", n, r.ContentLength)
				} else if n == 1 {
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						t.Error(err)
						return
					}
					conn.Close()
				}
			})))
			a.must(t, http.MethodGet, "/v1/charges", "", "")
			answer := a.must(t, test.method, "/v1/charges?dies", test.key, test.body)
			if answer.attempts != fmt.Sprint(got.Load()) {
				t.Errorf("the gateway got %d requests, the answer has %s attempts", got.Load(), answer.attempts)
			}
			if again := test.key != "" || test.method != http.MethodPost; again != (answer.status == http.StatusOK) {
				t.Errorf("answered %d after %s attempts", answer.status, answer.attempts)
			}
		})
	}
}

func TestAmbassador_ATryEndsInTimeAndTheNextOneGoesElsewhere(t *testing.T) {
	t.Parallel()
	hang := upstream(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	works := upstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	c := defaults(hang, works)
	c.TryTimeout = 2 * time.Second
	a := start(t, c)
	for i := range 4 { // so that each is first
		if got := a.must(t, http.MethodPost, "/v1/charges", fmt.Sprint(i), "{}"); got.status != http.StatusCreated {
			t.Errorf("answered %+v", got)
		}
	}
	c.Gateways = []string{hang}
	alone := start(t, c)
	for key, attempts := range map[string]string{"": "1", "k": "3"} {
		started := time.Now()
		got := alone.must(t, http.MethodPost, "/v1/charges", key, "{}")
		if got.status != http.StatusGatewayTimeout || got.attempts != attempts {
			t.Errorf("with key %q: %+v", key, got)
		}
		if took := time.Since(started); took > 30*time.Second {
			t.Errorf("with key %q: took %v", key, took)
		}
	}
}

func TestAmbassador_TheBudgetKeepsRetriesFromBecomingTheLoad(t *testing.T) {
	t.Parallel()
	const requests = 100
	var tries atomic.Int32
	everyone := make(chan struct{}) // closed when all first tries are in: no breaker has seen a failure before
	c := defaults(upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) == requests {
			close(everyone)
		}
		select {
		case <-everyone:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	c.RetryReserve = 10
	a := start(t, c)
	a.pool.all()[0].breaker = circuitbreaker.NewBuilder[any]().WithFailureThreshold(100 * requests).Build() // this is about the budget alone
	var all sync.WaitGroup
	for i := range requests {
		all.Go(func() {
			got, err := a.send(t.Context(), http.MethodPost, "/v1/charges", fmt.Sprint(i), "{}")
			if err != nil || got.status != http.StatusServiceUnavailable {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
	all.Wait()
	if n := tries.Load(); n != requests+10 { // a full reserve cannot earn more; without a budget it would be 300
		t.Errorf("%d requests became %d tries, want %d", requests, n, requests+10)
	}
	if metrics := a.must(t, http.MethodGet, "/metrics", "", "").body; !strings.Contains(metrics, "ambassador_retries_total 10\n") ||
		strings.Contains(metrics, "ambassador_retry_budget_exceeded_total 0\n") {
		t.Error("the metrics do not show 10 retries, and that others were refused")
	}
}

func TestAmbassador_RetriesAreEarnedByRequests(t *testing.T) {
	t.Parallel()
	b := newBudget(0.2, 2)
	spent := func() (n int) {
		for b.spend() {
			n++
		}
		return n
	}
	if n := spent(); n != 2 {
		t.Errorf("the reserve paid for %d retries", n)
	}
	for range 6 {
		b.earn()
	}
	if n := spent(); n != 1 {
		t.Errorf("6 requests earned %d retries", n)
	}
	for range 1000 {
		b.earn()
	}
	if n := spent(); n != 2 {
		t.Errorf("%d retries could be saved", n)
	}
}

func TestAmbassador_ABodyThatCannotBeKeptIsRefused(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	a := start(t, defaults(upstream(t, func(http.ResponseWriter, *http.Request) { tries.Add(1) })))
	got := a.must(t, http.MethodPost, "/v1/charges", "k", strings.Repeat("x", maxBody+1))
	if got.status != http.StatusRequestEntityTooLarge || tries.Load() != 0 {
		t.Errorf("answered %+v after %d tries", got, tries.Load())
	}
}

func TestAmbassador_ALongAnswerComesThroughWhole(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", 3*maxBuffered/16)
	a := start(t, defaults(upstream(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, long) })))
	if got := a.must(t, http.MethodGet, "/ledger", "", ""); got.body != long {
		t.Errorf("%d bytes of %d", len(got.body), len(long))
	}
}
