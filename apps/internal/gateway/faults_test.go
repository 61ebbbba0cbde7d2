package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/contracts/gateway/api"
)

func TestFaults_SwitchedFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		faults   string
		status   int
		captured int64
	}{
		"rate limited":    {`{"rate_limited":100}`, 429, 0},
		"error before":    {`{"error_before":100}`, 500, 0},
		"error after":     {`{"error_after":100}`, 500, 1000},
		"drop after":      {`{"drop_after":100}`, lost, 1000},
		"hang after":      {`{"hang_after":100}`, lost, 1000},
		"latency":         {`{"latency_ms":10}`, 201, 1000},
		"beyond patience": {`{"latency_ms":9000}`, lost, 0},
		"none":            {`{}`, 201, 1000},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			g := start(t, "", testTimes)
			if a := g.admin(t, http.MethodPut, "/faults", "secret", test.faults); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if a := g.client.attempt(t, patience(test.status), "charge:order", "/v1/charges", chargeBody("order", 1000, "tok_visa")); a.status != test.status {
				t.Errorf("answered %d %s", a.status, a.body)
			}
			entries := g.client.entries(t) // the oracle is never disturbed
			if captured := len(entries) == 1 && entries[0].Amount == test.captured; captured != (test.captured > 0) {
				t.Errorf("the ledger shows %v", entries)
			}
			g.admin(t, http.MethodPut, "/faults", "secret", `{}`)
			if a := g.client.charge(t, "order", "tok_visa"); test.captured > 0 && a.status != http.StatusConflict && !a.replayed() {
				t.Errorf("in good health again, the retry got %d %s", a.status, a.body)
			}
		})
	}
}

func TestFaults_EveryNewRefundCanBeRefused(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	charge := decode[api.Charge](t, g.client.charge(t, "order", "tok_visa"))
	g.admin(t, http.MethodPut, "/faults", "secret", `{"refund_refusals":"always"}`)
	if a := g.client.must(t, http.MethodPost, "/v1/refunds", "1", refundBody(charge.Id, 1000)); a.status != http.StatusPaymentRequired {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestFaults_RatesAreShares(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	g.admin(t, http.MethodPut, "/faults", "secret", `{"rate_limited":30,"error_before":30}`)
	seen := map[int]int{}
	for range 400 {
		a, err := g.client.send(t.Context(), http.MethodGet, "/v1/charges?merchant_reference=x", "", "")
		if err != nil {
			t.Fatal(err)
		}
		seen[a.status]++
	}
	// 30 % of 400 is 120; 60 to 180 is more than six standard deviations to each side.
	for _, status := range []int{429, 500} {
		if n := seen[status]; n < 60 || n > 180 {
			t.Errorf("%d of 400 requests got %d", n, status)
		}
	}
	if seen[200] < 80 {
		t.Errorf("%v", seen)
	}
}

func TestFaults_TheAdminListener(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	tests := map[string]struct {
		method, path, token, body string
		status                    int
	}{
		"no token":              {http.MethodGet, "/faults", "", "", 401},
		"another token":         {http.MethodPut, "/faults", "guess", `{}`, 401},
		"not JSON":              {http.MethodPut, "/faults", "secret", `{`, 400},
		"an unknown fault":      {http.MethodPut, "/faults", "secret", `{"explode":1}`, 400},
		"a fault twice":         {http.MethodPut, "/faults", "secret", `{"drop_after":1,"drop_after":2}`, 400},
		"a capture's sum twice": {http.MethodPost, "/captures", "secret", `{"merchant_reference":"x","amount":1,"amount":2,"currency":"USD"}`, 400},
		"more than all":         {http.MethodPut, "/faults", "secret", `{"drop_after":101}`, 422},
		"more than all in sum":  {http.MethodPut, "/faults", "secret", `{"drop_after":60,"hang_after":60}`, 422},
		"negative":              {http.MethodPut, "/faults", "secret", `{"drop_after":-1}`, 422},
		"too slow":              {http.MethodPut, "/faults", "secret", `{"latency_ms":60000}`, 422},
		"a strange refusal":     {http.MethodPut, "/faults", "secret", `{"refund_refusals":"perhaps"}`, 422},
		"another address":       {http.MethodGet, "/ledger", "secret", "", 404},
		"another method":        {http.MethodPost, "/faults", "secret", `{}`, 405},
		"a capture of less":     {http.MethodPost, "/captures", "secret", `{"merchant_reference":"x","amount":0,"currency":"USD"}`, 422},
		"not a capture":         {http.MethodPost, "/captures", "secret", `[]`, 400},
	}
	for what, test := range tests {
		assertProblem(t, what, g.admin(t, test.method, test.path, test.token, test.body), test.status)
	}
	for path, method := range map[string]string{"/faults": http.MethodPut, "/captures": http.MethodPost} {
		for status, types := range map[int][]string{415: {"application/json; charset=latin1"}, 400: {"text/plain", "application/json"}} {
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}"))
			r.Header["Content-Type"] = types
			w := httptest.NewRecorder()
			g.adminRoutes().ServeHTTP(w, r)
			if w.Code != status || !strings.Contains(w.Body.String(), "Content-Type") {
				t.Errorf("%s as %q: %d %s", path, types, w.Code, w.Body)
			}
		}
	}
	if a := g.admin(t, http.MethodGet, "/faults", "secret", ""); a.status != http.StatusOK || *g.faults.Load() != (Faults{}) {
		t.Errorf("after refused settings: %d %s", a.status, a.body)
	}
}

func TestFaults_MoneyCanMoveBehindTheMerchantsBack(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	a := g.admin(t, http.MethodPost, "/captures", "secret", `{"merchant_reference":"order","amount":500,"currency":"USD"}`)
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	charge := decode[api.Charge](t, a)
	if found := g.client.found(t, "order"); len(found) != 1 || found[0].Id != charge.Id {
		t.Errorf("the look-up shows %v", found)
	}
	if a := g.client.must(t, http.MethodPost, "/v1/refunds", "r", refundBody(charge.Id, 500)); a.status != http.StatusCreated {
		t.Errorf("its refund: %d %s", a.status, a.body)
	}
}

func TestFaults_Configuration(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]string{
		"an admin listener without a token": {"ADMIN_ADDR": "127.0.0.1:0"},
		"a delay beyond the horizon":        {"SETTLE_DELAY": "31s"},
		"not a duration":                    {"SLOW_DELAY": "soon"},
	}
	for what, env := range tests {
		if _, err := FromEnv(func(key string) string { return env[key] }); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	c, err := FromEnv(func(string) string { return "" })
	if err != nil || c.Times.InFlightHorizon != 30*time.Second {
		t.Errorf("%+v %v", c, err)
	}
}
