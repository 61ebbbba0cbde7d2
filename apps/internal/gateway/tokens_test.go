package gateway

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/contracts/gateway/api"
)

// lost is the status of an answer that never came.
const lost = 0

// impatient is how long a client waits for an answer that will not come.
const impatient = time.Second

// attempt sends a request and takes a lost answer for an answer.
func (c *client) attempt(t *testing.T, patience time.Duration, key, path, body string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := c.send(ctx, http.MethodPost, path, key, body)
	if err != nil {
		return answer{status: lost}
	}
	return a
}

// patience with a request: a second when no answer is expected, else as long as a busy machine takes.
func patience(want int) time.Duration {
	if want == lost {
		return impatient
	}
	return time.Minute
}

func TestTokens_Tokens(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answers  []int // to the same request, sent again and again
		captured int64 // in the end; 0: nothing
		early    bool  // the money has moved although the first answer did not say so
	}{
		"tok_visa":                 {answers: []int{201, 201}, captured: 1000},
		"tok_declined":             {answers: []int{402, 402}},
		"tok_insufficient_funds":   {answers: []int{402, 402}},
		"tok_fraud":                {answers: []int{402, 402}},
		"tok_lost_response":        {answers: []int{lost, 201, 201}, captured: 1000, early: true},
		"tok_error_after_charge":   {answers: []int{500, 201, 201}, captured: 1000, early: true},
		"tok_hang_after_charge":    {answers: []int{lost, 201, 201}, captured: 1000, early: true},
		"tok_malformed_answer":     {answers: []int{201, 201}, captured: 1000, early: true},
		"tok_reset_mid_answer":     {answers: []int{lost, 201, 201}, captured: 1000, early: true},
		"tok_wrong_amount":         {answers: []int{201, 201}, captured: 1100, early: true},
		"tok_rate_limited":         {answers: []int{429, 429, 201, 201}, captured: 1000},
		"tok_in_progress":          {answers: []int{409, 201, 201}, captured: 1000},
		"tok_error_before_charge":  {answers: []int{500, 201, 201}, captured: 1000},
		"tok_error_always":         {answers: []int{500, 500, 500, 500}},
		"tok_slow":                 {answers: []int{201, 201}, captured: 1000},
		"tok_settles_late":         {answers: []int{504, 409}},
		"tok_refund_refused":       {answers: []int{201}, captured: 1000},
		"tok_refund_fails_twice":   {answers: []int{201}, captured: 1000},
		"tok_refund_lost_response": {answers: []int{201}, captured: 1000},
		"tok_refund_hangs":         {answers: []int{201}, captured: 1000},
	}
	for _, token := range Tokens() {
		test, known := tests[token.Name]
		if !known {
			t.Errorf("%s has no test", token.Name)
		}
		t.Run(token.Name, func(t *testing.T) {
			t.Parallel()
			times := testTimes
			times.SettleDelay = 20 * time.Second // not while anybody looks
			g := start(t, "", times)
			for i, want := range test.answers {
				got := g.client.attempt(t, patience(want), "key", "/v1/charges", chargeBody("order", 1000, token.Name))
				if got.status != want {
					t.Fatalf("answer %d is %d, want %d: %s", i+1, got.status, want, got.body)
				}
				if charged := g.client.found(t, "order"); i == 0 && test.early && len(charged) != 1 {
					t.Error("nothing was captured before the first answer")
				}
			}
			assertCaptured(t, g, test.captured)
		})
	}
}

func assertCaptured(t *testing.T, g *running, want int64) {
	t.Helper()
	found, entries := g.client.found(t, "order"), g.client.entries(t)
	if want == 0 {
		if len(found)+len(entries) != 0 {
			t.Errorf("something was captured: %v %v", found, entries)
		}
		return
	}
	if len(found) != 1 || found[0].Amount != want || len(entries) != 1 || entries[0].Amount != want {
		t.Errorf("captured %v, ledger %v, want %d once", found, entries, want)
	}
}

func TestDecline_HasItsReason(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	for token, code := range map[string]string{
		"tok_declined": "card_declined", "tok_insufficient_funds": "insufficient_funds", "tok_fraud": "fraudulent",
	} {
		d := decode[api.Decline](t, g.client.charge(t, token, token))
		if d.DeclineCode != code || d.Status != api.Declined || d.MerchantReference != token || d.Amount != 1000 || d.Currency != "USD" {
			t.Errorf("%s: %+v", token, d)
		}
	}
}

func TestTokens_AMalformedAnswerIsNotJSONAndItsRetryIs(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	first := g.client.attempt(t, time.Minute, "key", "/v1/charges", chargeBody("order", 1000, "tok_malformed_answer"))
	if strings.HasSuffix(first.body, "}") {
		t.Errorf("the first answer can be read: %s", first.body)
	}
	second := g.client.must(t, http.MethodPost, "/v1/charges", "key", chargeBody("order", 1000, "tok_malformed_answer"))
	if c := decode[api.Charge](t, second); c.Amount != 1000 || !second.replayed() {
		t.Errorf("the retry got %+v", second)
	}
}

func TestTokens_ALateChargeIsCapturedWithoutBeingAskedAgain(t *testing.T) {
	t.Parallel()
	times := testTimes
	times.SettleDelay = 2 * time.Second
	g := start(t, "", times)
	if a := g.client.charge(t, "order", "tok_settles_late"); a.status != http.StatusGatewayTimeout {
		t.Fatalf("the first answer is %d", a.status)
	}
	if found := g.client.found(t, "order"); len(found) != 0 {
		t.Error("captured at once")
	}
	eventually(t, "the capture", func() bool { return len(g.client.found(t, "order")) == 1 })
	if a := g.client.charge(t, "order", "tok_settles_late"); a.status != http.StatusCreated || !a.replayed() {
		t.Errorf("afterwards the answer is %d", a.status)
	}
}

func TestTokens_ASlowChargeIsInProgressUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	times := testTimes
	times.SlowDelay = 2 * time.Second
	g := start(t, "", times)
	first := make(chan answer, 1)
	go func() {
		a, err := g.client.send(t.Context(), http.MethodPost, "/v1/charges", "charge:order", chargeBody("order", 1000, "tok_slow"))
		if err != nil {
			t.Error(err)
		}
		first <- a
	}()
	eventually(t, "a 409 while the first request is being worked on", func() bool {
		_, taken := g.payments.running.Load("charge:order")
		return taken
	})
	second := g.client.charge(t, "order", "tok_slow")
	if second.status != http.StatusConflict || second.header.Get("Retry-After") == "" {
		t.Errorf("a second request meanwhile got %d %v", second.status, second.header)
	}
	if a := <-first; a.status != http.StatusCreated {
		t.Errorf("the first got %d %s", a.status, a.body)
	}
}

func TestTokens_ASlowChargeGoesOnWhenItsClientLeaves(t *testing.T) {
	t.Parallel()
	times := testTimes
	times.SlowDelay = 2 * time.Second
	g := start(t, "", times)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	left := make(chan error, 1)
	go func() {
		_, err := g.client.send(ctx, http.MethodPost, "/v1/charges", "key", chargeBody("order", 1000, "tok_slow"))
		left <- err
	}()
	eventually(t, "the request is being worked on", func() bool {
		_, taken := g.payments.running.Load("key")
		return taken
	})
	leave()
	if err := <-left; err == nil {
		t.Fatal("answered before the client could leave")
	}
	eventually(t, "the capture", func() bool { return len(g.client.found(t, "order")) == 1 })
}

// A client that has left before anything was decided is no reason not to carry its request out.
func TestTokens_ACardIsChargedForAClientThatHasLeft(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for n := range 20 {
		reference := fmt.Sprint("order-", n)
		body := api.ChargeRequest{Amount: 1000, Currency: "USD", MerchantReference: reference, PaymentMethod: "tok_slow"}
		_, _ = g.payments.charge(gone, name("charge", reference, body, time.Now()), body) // nobody reads the answer
	}
	eventually(t, "all captures", func() bool {
		for n := range 20 {
			if len(g.client.found(t, fmt.Sprint("order-", n))) != 1 {
				return false
			}
		}
		return true
	})
}

func TestTokens_RefundTokens(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answers  []int
		refunded bool
	}{
		"tok_visa":                 {answers: []int{201, 201}, refunded: true},
		"tok_refund_refused":       {answers: []int{402, 402}},
		"tok_refund_fails_twice":   {answers: []int{500, 500, 201, 201}, refunded: true},
		"tok_refund_lost_response": {answers: []int{lost, 201, 201}, refunded: true},
		"tok_refund_hangs":         {answers: []int{lost, 201, 201}, refunded: true},
	}
	for token, test := range tests {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			g := start(t, "", testTimes)
			charge := decode[api.Charge](t, g.client.charge(t, "order", token))
			for i, want := range test.answers {
				got := g.client.attempt(t, patience(want), "refund", "/v1/refunds", refundBody(charge.Id, 1000))
				if got.status != want {
					t.Fatalf("answer %d is %d, want %d: %s", i+1, got.status, want, got.body)
				}
			}
			refunds := g.client.found(t, "order")[0].Refunds
			if refunded := len(refunds) == 1 && refunds[0].Amount == 1000; refunded != test.refunded {
				t.Errorf("refunds in the end: %v", refunds)
			}
		})
	}
}

func TestTokens_ARefusedRefundWorksUnderANewKeyOnceTheGatewayRecovers(t *testing.T) {
	t.Parallel()
	g := start(t, "", testTimes)
	charge := decode[api.Charge](t, g.client.charge(t, "order", "tok_refund_refused"))
	refund := func(key string) answer {
		return g.client.must(t, http.MethodPost, "/v1/refunds", key, refundBody(charge.Id, 1000))
	}
	if a := refund("1"); decode[api.Refusal](t, a).RefusalCode != "refund_refused" || a.status != http.StatusPaymentRequired {
		t.Errorf("got %d %s", a.status, a.body)
	}
	if a := g.admin(t, http.MethodPut, "/faults", "secret", `{"refund_refusals":"never"}`); a.status != http.StatusOK {
		t.Fatal(a)
	}
	if a := refund("1"); a.status != http.StatusPaymentRequired || !a.replayed() {
		t.Errorf("the refused key got another answer: %d %s", a.status, a.body)
	}
	if a := refund("2"); a.status != http.StatusCreated {
		t.Errorf("a new key got %d %s", a.status, a.body)
	}
}

func TestTokens_ThePagesListTheTokens(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"README.md", "../../../docs/reference/payment.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), TokenTable()) {
			t.Errorf("%s does not contain this table:\n%s", page, TokenTable())
		}
	}
}
