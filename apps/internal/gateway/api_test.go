package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ordersaga/contracts/gateway/api"
)

func TestGateway_AKeyHasOneAnswerForEver(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	var before []answer
	tokens := []string{"tok_visa", "tok_declined", "tok_wrong_amount", "tok_lost_response"}
	for _, token := range tokens {
		if token == "tok_lost_response" {
			g.client.attempt(t, time.Minute, "charge:"+token, "/v1/charges", chargeBody(token, 1000, token))
		}
		before = append(before, g.client.charge(t, token, token))
	}
	charge := decode[api.Charge](t, before[0])
	refund := g.client.must(t, http.MethodPost, "/v1/refunds", "refund:1", refundBody(charge.Id, 400))
	g.stop()

	again := start(t, g.ledgerFile, testTimes)
	for i, token := range tokens {
		after := again.client.charge(t, token, token)
		if after.body != before[i].body || after.status != before[i].status || !after.replayed() {
			t.Errorf("%s: first %d %s, after a restart %d %s", token, before[i].status, before[i].body, after.status, after.body)
		}
	}
	if after := again.client.must(t, http.MethodPost, "/v1/refunds", "refund:1", refundBody(charge.Id, 400)); after.body != refund.body || !after.replayed() {
		t.Errorf("refund: first %s, after a restart %s", refund.body, after.body)
	}
}

func TestGateway_TheSameBodyInOtherWordsIsTheSameBody(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	first := g.client.charge(t, "order", "tok_visa")
	second := g.client.must(t, http.MethodPost, "/v1/charges", "charge:order",
		`{ "payment_method": "tok_visa", "currency": "USD", "amount": 1000, "merchant_reference": "order" }`)
	if second.body != first.body {
		t.Errorf("got %d %s", second.status, second.body)
	}
}

func TestGateway_AnotherBodyUnderAKeyIsRefusedAndNothingHappens(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	charge := decode[api.Charge](t, g.client.charge(t, "order", "tok_visa"))
	for what, send := range map[string][2]string{
		"amount":    {"/v1/charges", chargeBody("order", 1001, "tok_visa")},
		"reference": {"/v1/charges", chargeBody("other", 1000, "tok_visa")},
		"card":      {"/v1/charges", chargeBody("order", 1000, "tok_declined")},
		"operation": {"/v1/refunds", refundBody(charge.Id, 1000)},
	} {
		if a := g.client.must(t, http.MethodPost, send[0], "charge:order", send[1]); a.status != http.StatusUnprocessableEntity {
			t.Errorf("another %s: %d %s", what, a.status, a.body)
		}
	}
	if entries := g.client.entries(t); len(entries) != 1 {
		t.Errorf("the ledger shows %v", entries)
	}
}

func TestGateway_AThousandRequestsWithOneKeyChargeOnce(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	var bodies sync.Map
	var conflicts atomic.Int32
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			a, err := g.client.send(t.Context(), http.MethodPost, "/v1/charges", "key", chargeBody("order", 1000, "tok_visa"))
			switch {
			case err != nil:
				t.Error(err)
			case a.status == http.StatusCreated:
				bodies.Store(a.body, true)
			case a.status == http.StatusConflict && a.header.Get("Retry-After") != "":
				conflicts.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	different := 0
	bodies.Range(func(_, _ any) bool { different++; return true })
	if different != 1 {
		t.Errorf("%d different answers (and %d conflicts)", different, conflicts.Load())
	}
	assertCaptured(t, g, 1000)
}

func TestGateway_TwoKeysChargeTwice(t *testing.T) {
	t.Parallel() // what a client that makes up a new key for every retry gets
	g := start(t, "", testTimes)
	for _, key := range []string{"first", "second"} {
		g.client.must(t, http.MethodPost, "/v1/charges", key, chargeBody("order", 1000, "tok_visa"))
	}
	if found := g.client.found(t, "order"); len(found) != 2 {
		t.Errorf("%d charges", len(found))
	}
}

func TestGateway_RefundsAreNeverMoreThanWasCaptured(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	charge := decode[api.Charge](t, g.client.charge(t, "order", "tok_visa"))
	var refunded atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			a, err := g.client.send(t.Context(), http.MethodPost, "/v1/refunds", fmt.Sprint("refund:", i), refundBody(charge.Id, 300))
			if err != nil {
				t.Error(err)
				return
			}
			switch a.status {
			case http.StatusCreated:
				refunded.Add(300)
			case http.StatusPaymentRequired:
				if code := decode[api.Refusal](t, a).RefusalCode; code != "more_than_captured" {
					t.Errorf("refused with %s", code)
				}
			default:
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	all.Wait()
	if refunded.Load() != 900 {
		t.Errorf("refunded %d of 1000 in parts of 300", refunded.Load())
	}
	if a := g.client.must(t, http.MethodPost, "/v1/refunds", "rest", refundBody(charge.Id, 100)); a.status != http.StatusCreated {
		t.Errorf("the rest: %d %s", a.status, a.body)
	}
	byID := decode[api.Charge](t, g.client.must(t, http.MethodGet, "/v1/charges/"+charge.Id, "", ""))
	if len(byID.Refunds) != 4 {
		t.Errorf("the charge shows %d refunds", len(byID.Refunds))
	}
}

func TestGateway_TheLedgerCanBeReadInParts(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	for i := range 5 {
		g.client.charge(t, fmt.Sprint("order-", i), "tok_visa")
	}
	g.client.charge(t, "order-x", "tok_declined")
	var seen []string
	after := 0
	for {
		page := decode[api.Ledger](t, g.client.must(t, http.MethodGet, fmt.Sprintf("/ledger?limit=2&after=%d", after), "", ""))
		if len(page.Entries) == 0 {
			break
		}
		for _, entry := range page.Entries {
			seen = append(seen, entry.MerchantReference)
		}
		after = page.Next
	}
	if got := strings.Join(seen, " "); got != "order-0 order-1 order-2 order-3 order-4" {
		t.Errorf("in parts: %s", got)
	}
	beyond := decode[api.Ledger](t, g.client.must(t, http.MethodGet, fmt.Sprintf("/ledger?after=%d", math.MaxInt32), "", ""))
	if len(beyond.Entries) != 0 || beyond.Next != 5 {
		t.Errorf("beyond the end: %+v", beyond)
	}
}

func TestGateway_ARequestThatWaitedBeyondTheHorizonMovesNoMoney(t *testing.T) {
	t.Parallel()
	times := testTimes
	times.InFlightHorizon = 100 * time.Millisecond
	g := start(t, "", times)
	other, err := openFile(g.ledgerFile) // another endpoint that does not get on
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.close() }()
	if err := other.lock(); err != nil {
		t.Fatal(err)
	}
	got := make(chan answer, 1)
	go func() {
		a, err := g.client.send(t.Context(), http.MethodPost, "/v1/charges", "key", chargeBody("order", 1000, "tok_visa"))
		if err != nil {
			t.Error(err)
		}
		got <- a
	}()
	waiting := time.Now()
	eventually(t, "the horizon to pass", func() bool { return time.Since(waiting) > 3*times.InFlightHorizon })
	if err := other.unlock(); err != nil {
		t.Fatal(err)
	}
	if a := <-got; a.status != http.StatusServiceUnavailable {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if found := g.client.found(t, "order"); len(found) != 0 {
		t.Errorf("captured after the horizon: %v", found)
	}
}

func TestGateway_BadRequestsGetAProblemAndLeaveNothing(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	good := chargeBody("order", 1000, "tok_visa")
	tests := map[string]struct {
		method, path, key, body string
		status                  int
	}{
		"no key":              {http.MethodPost, "/v1/charges", "", good, 400},
		"a key with a space":  {http.MethodPost, "/v1/charges", "a b", good, 400},
		"a long key":          {http.MethodPost, "/v1/charges", strings.Repeat("k", 256), good, 400},
		"not JSON":            {http.MethodPost, "/v1/charges", "k", `{"amount":`, 400},
		"no body":             {http.MethodPost, "/v1/charges", "k", ``, 400},
		"an unknown field":    {http.MethodPost, "/v1/charges", "k", strings.Replace(good, "{", `{"x":1,`, 1), 422},
		"a missing field":     {http.MethodPost, "/v1/charges", "k", `{"amount":1}`, 422},
		"no amount":           {http.MethodPost, "/v1/charges", "k", chargeBody("order", 0, "tok_visa"), 422},
		"a negative amount":   {http.MethodPost, "/v1/charges", "k", chargeBody("order", -1, "tok_visa"), 422},
		"a huge amount":       {http.MethodPost, "/v1/charges", "k", chargeBody("order", math.MaxInt64, "tok_visa"), 422},
		"half a cent":         {http.MethodPost, "/v1/charges", "k", strings.Replace(good, "1000", "1000.5", 1), 422},
		"an unknown card":     {http.MethodPost, "/v1/charges", "k", chargeBody("order", 1000, "tok_unknown"), 422},
		"a card number":       {http.MethodPost, "/v1/charges", "k", chargeBody("order", 1000, "4242424242424242"), 422},
		"not a currency":      {http.MethodPost, "/v1/charges", "k", strings.Replace(good, "USD", "XXX", 1), 422},
		"a strange reference": {http.MethodPost, "/v1/charges", "k", chargeBody("a b", 1000, "tok_visa"), 422},
		"a large body":        {http.MethodPost, "/v1/charges", "k", strings.Repeat(" ", 20<<10) + good, 413},
		"another method":      {http.MethodDelete, "/v1/charges", "k", "", 405},
		"another address":     {http.MethodGet, "/v1/cards", "", "", 404},
		"no reference":        {http.MethodGet, "/v1/charges", "", "", 400},
		"an unknown charge":   {http.MethodGet, "/v1/charges/ch_00", "", "", 404},
		"a strange charge":    {http.MethodGet, "/v1/charges/../..", "", "", 404},
		"a refund of nothing": {http.MethodPost, "/v1/refunds", "k", refundBody("ch_00", 1), 404},
		"a negative limit":    {http.MethodGet, "/ledger?limit=-1", "", "", 400},
	}
	for what, test := range tests {
		a := g.client.must(t, test.method, test.path, test.key, test.body)
		assertProblem(t, what, a, test.status)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.client.url+"/v1/charges", strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "text/plain")
	request.Header.Set("Idempotency-Key", "k")
	response, err := g.client.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", response.StatusCode)
	}
	if info, err := os.Stat(g.ledgerFile); err != nil || info.Size() != 0 {
		t.Errorf("the ledger has %d bytes (%v)", info.Size(), err)
	}
}

func assertProblem(t *testing.T, what string, a answer, status int) {
	t.Helper()
	var p struct {
		Type, Title, Detail string
		Status              int
	}
	err := json.Unmarshal([]byte(a.body), &p)
	if a.status != status || err != nil || p.Status != status || p.Title == "" || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %d %s %s, want a problem with %d", what, a.status, a.header.Get("Content-Type"), a.body, status)
	}
	for _, internal := range []string{"goroutine", ".go:", "json:", "strconv", "ledger_", "EOF"} {
		if strings.Contains(a.body, internal) {
			t.Errorf("%s: the answer shows the inside: %s", what, a.body)
		}
	}
}

func TestGateway_HealthAndMetrics(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	g.client.charge(t, "order", "tok_visa")
	for _, path := range []string{"/healthz", "/readyz", "/ledger"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if a := g.client.must(t, method, path, "", ""); a.status != http.StatusOK {
				t.Errorf("%s %s: %d", method, path, a.status)
			}
		}
	}
	metrics := g.client.must(t, http.MethodGet, "/metrics", "", "").body
	if want := `gateway_operations_total{operation="charge",replayed="false",status="201"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("metrics have no line %s", want)
	}
}

func BenchmarkCharges(b *testing.B) {
	g := start(b, "", testTimes)
	g.client.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 512
	var n atomic.Int64
	b.SetParallelism(128)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			reference := fmt.Sprint("order-", n.Add(1))
			a, err := g.client.send(b.Context(), http.MethodPost, "/v1/charges", reference, chargeBody(reference, 1000, "tok_visa"))
			if err != nil || a.status != http.StatusCreated {
				b.Error(a, err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "charges/s")
}
