package ambassador

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAmbassador_OneEndpointIsKilledAndTheOtherServes(t *testing.T) {
	t.Parallel()
	ledger := newLedger(t)
	killed, other := spawn(t, ledger), spawn(t, ledger)
	a := start(t, defaults(killed.url, other.url))
	const charges = 300
	var answered atomic.Int32
	var all sync.WaitGroup
	for worker := range 10 {
		all.Go(func() {
			for i := range charges / 10 {
				key := fmt.Sprintf("%d-%d", worker, i)
				got, err := a.send(t.Context(), http.MethodPost, "/v1/charges", key, chargeBody(key, "tok_visa"))
				if err != nil || got.status != http.StatusCreated && got.status != http.StatusConflict {
					t.Errorf("%+v %v", got, err)
				}
				if answered.Add(1) == charges/3 {
					if err := killed.cmd.Process.Kill(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	for reference, n := range a.charges(t) {
		if n != 1 {
			t.Errorf("%s was charged %d times", reference, n)
		}
	}
	n := len(a.charges(t))
	t.Logf("measured: %d of 300 charges made", n)
	if n != charges {
		t.Errorf("%d of %d were charged", n, charges)
	}
	eventually(t, "the killed one is seen to be sick", func() bool { return !a.states(t)[killed.url].Healthy })
	if !a.states(t)[other.url].Healthy {
		t.Error("the other is taken for sick")
	}
	// Nobody asks the dead one any more: one try is enough, without a key too.
	for range 10 {
		if got := a.must(t, http.MethodGet, "/v1/charges?merchant_reference=x", "", ""); got.status != http.StatusOK || got.attempts != "1" {
			t.Errorf("%+v", got)
		}
	}
}

func TestAmbassador_TheBreakerOpensAndCloses(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	var broken atomic.Bool
	broken.Store(true)
	c := defaults(upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		tries.Add(1)
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	c.BreakerDelay = 500 * time.Millisecond
	a := start(t, c)
	charge := func() answer { return a.must(t, http.MethodPost, "/v1/charges", "", "{}") }

	for range breakerTries {
		if got := charge(); got.status != http.StatusInternalServerError {
			t.Fatalf("%+v", got)
		}
	}
	got := charge()
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || got.attempts != "0" {
		t.Errorf("with an open breaker: %+v", got)
	}
	if n := tries.Load(); n != breakerTries {
		t.Errorf("the sick endpoint was asked %d times", n)
	}
	if state := a.states(t)[c.Gateways[0]]; state.Breaker != "open" || !state.Healthy {
		t.Errorf("%+v", state)
	}
	if metrics := a.must(t, http.MethodGet, "/metrics", "", "").body; !strings.Contains(metrics, `ambassador_breaker_open{endpoint="`+strings.TrimPrefix(c.Gateways[0], "http://")+`"} 1`) {
		t.Error("the metrics do not show it open")
	}

	eventually(t, "one try is let through", func() bool { return charge().status == http.StatusInternalServerError })
	if got := charge(); got.status != http.StatusServiceUnavailable {
		t.Errorf("after a failed proof: %+v", got)
	}
	broken.Store(false)
	eventually(t, "it works again", func() bool { return charge().status == http.StatusOK })
	eventually(t, "the breaker closes", func() bool { charge(); return a.states(t)[c.Gateways[0]].Breaker == "closed" })
}

func TestAmbassador_AnEndpointWithAnOpenBreakerIsPassedOver(t *testing.T) {
	t.Parallel()
	var tries atomic.Int32
	sick := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		tries.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	})
	well := upstream(t, func(http.ResponseWriter, *http.Request) {})
	c := defaults(sick, well)
	c.BreakerDelay = time.Hour
	a := start(t, c)
	for range 4 * breakerTries {
		a.must(t, http.MethodPost, "/v1/charges", "k", "{}")
	}
	if n := tries.Load(); n > breakerTries {
		t.Errorf("the sick endpoint was asked %d times", n)
	}
}

func TestAmbassador_AClientThatLeavesIsNotTheEndpointsFault(t *testing.T) {
	t.Parallel()
	c := defaults(upstream(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	a := start(t, c)
	for range 2 * breakerTries {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if got, err := a.send(ctx, http.MethodPost, "/v1/charges", "k", "{}"); err == nil {
			t.Fatalf("answered %+v", got)
		}
		cancel()
	}
	if state := a.states(t)[c.Gateways[0]]; state.Breaker != "closed" {
		t.Errorf("%+v", state)
	}
}

func TestAmbassador_ALeavingClientDoesNotBlockAHalfOpenBreaker(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("http://gateway")
	if err != nil {
		t.Fatal(err)
	}
	p := newPool(time.Nanosecond, discard())
	p.set([]*url.URL{u})
	e := p.all()[0]
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		e.breaker.HalfOpen()
		for range breakerProofs {
			if p.pick(nil) == nil {
				t.Fatal("a half-open breaker lets nothing through")
			}
		}
		e.note(gone, false)
	}
	eventually(t, "the breaker gives another chance", func() bool { return p.pick(nil) != nil })
}

func TestAmbassador_SickEndpointsComeLast(t *testing.T) {
	t.Parallel()
	type moody struct {
		sick  atomic.Bool
		asked atomic.Int32
	}
	var endpoints [2]moody
	var urls [2]string
	for i := range endpoints {
		e := &endpoints[i]
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path != "/readyz":
				e.asked.Add(1)
			case e.sick.Load():
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(server.Close)
		urls[i] = server.URL
	}
	a := start(t, defaults(urls[:]...))
	charge := func() int { return a.must(t, http.MethodPost, "/v1/charges", "", "{}").status }
	ready := func() int { return a.must(t, http.MethodGet, "/readyz", "", "").status }

	endpoints[0].sick.Store(true)
	eventually(t, "one is seen to be sick", func() bool { return !a.states(t)[urls[0]].Healthy })
	before := endpoints[0].asked.Load()
	for range 10 {
		charge()
	}
	if n := endpoints[0].asked.Load() - before; n != 0 {
		t.Errorf("the sick one was asked %d times beside a healthy one", n)
	}
	endpoints[1].sick.Store(true)
	eventually(t, "both are seen to be sick", func() bool { return ready() == http.StatusServiceUnavailable })
	if status := charge(); status != http.StatusOK {
		t.Errorf("when all seem sick they are asked all the same, and the answer was %d", status)
	}
	endpoints[0].sick.Store(false)
	eventually(t, "one is well again", func() bool { return ready() == http.StatusOK })
}

func TestAmbassador_ANameIsLookedUpAgainAndAgain(t *testing.T) {
	t.Parallel()
	p := newPool(time.Second, discard())
	d := newDiscovery(Config{Gateways: []string{"http://listed:80"}, GatewayDNS: "gateway:8080"}, p, discard())
	var addresses []string
	var broken error
	d.lookup = func(_ context.Context, host string) ([]string, error) {
		if host != "gateway" {
			t.Errorf("looked up %q", host)
		}
		return slices.Clone(addresses), broken
	}
	hosts := func() string {
		var hosts []string
		for _, e := range p.all() {
			hosts = append(hosts, e.url.Host)
		}
		return strings.Join(hosts, " ")
	}
	d.update(nil)
	addresses = []string{"10.0.0.2", "10.0.0.1"}
	if err := d.lookUp(t.Context()); err != nil || hosts() != "listed:80 10.0.0.1:8080 10.0.0.2:8080" {
		t.Errorf("found %s (%v)", hosts(), err)
	}
	kept := p.all()[2]
	kept.sick.Store(true)
	addresses = []string{"10.0.0.2", "fd00::1"}
	if err := d.lookUp(t.Context()); err != nil || hosts() != "listed:80 10.0.0.2:8080 [fd00::1]:8080" {
		t.Errorf("found %s (%v)", hosts(), err)
	}
	if p.all()[1] != kept {
		t.Error("an endpoint that was known has lost its health and its breaker")
	}
	broken = errors.New("no such host")
	if err := d.lookUp(t.Context()); err == nil || hosts() != "listed:80 10.0.0.2:8080 [fd00::1]:8080" {
		t.Errorf("after a failed look-up: %s (%v)", hosts(), err)
	}
}

func TestAmbassador_ARealNameLeadsToTheGateway(t *testing.T) {
	t.Parallel()
	works := upstream(t, func(http.ResponseWriter, *http.Request) {})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(works, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	c := defaults()
	c.GatewayDNS = "localhost:" + port
	a := start(t, c)
	eventually(t, "an answer", func() bool { return a.must(t, http.MethodGet, "/v1/x", "", "").status == http.StatusOK })
}

func TestAmbassador_TheAdminListenerNeedsItsToken(t *testing.T) {
	t.Parallel()
	a := start(t, defaults("http://127.0.0.1:1"))
	response, err := a.client.Get("http://" + a.AdminAddr + "/breaker")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", response.StatusCode)
	}
}

func TestFaults_Configuration(t *testing.T) {
	t.Parallel()
	for what, env := range map[string]map[string]string{
		"nowhere to go":                     {},
		"not a URL":                         {"GATEWAY_URLS": "gateway:8080"},
		"a path":                            {"GATEWAY_URLS": "http://gateway/v1"},
		"an admin listener without a token": {"GATEWAY_URLS": "http://g", "ADMIN_ADDR": "127.0.0.1:0"},
		"a negative number of retries":      {"GATEWAY_URLS": "http://g", "MAX_RETRIES": "-1"},
		"no reserve":                        {"GATEWAY_URLS": "http://g", "RETRY_RESERVE": "0"},
		"a ratio above one":                 {"GATEWAY_URLS": "http://g", "RETRY_RATIO": "2"},
		"no duration":                       {"GATEWAY_URLS": "http://g", "TRY_TIMEOUT": "soon"},
	} {
		if _, err := FromEnv(func(key string) string { return env[key] }); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	env := map[string]string{"GATEWAY_URLS": " http://a:1/ , http://b:2"}
	c, err := FromEnv(func(key string) string { return env[key] })
	if err != nil || !slices.Equal(c.Gateways, []string{"http://a:1", "http://b:2"}) {
		t.Errorf("%+v %v", c, err)
	}
}
