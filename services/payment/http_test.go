package payment

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/contracts/openapitest"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/api"
	"example.com/ordersaga/services/payment/charge"
	"example.com/ordersaga/services/payment/direct"
)

// reply is an answer of payment's own API.
type reply struct {
	status int
	header http.Header
	body   string
}

// api is payment's API over this shop.
func (s *shop) api() http.Handler {
	return openapitest.Documented(s.t, api.GetSpec, routes(server{direct.New(s.db.Pool, s.workers, s.app.Faults), s.db.Pool}))
}

func ask(t *testing.T, h http.Handler, method, path, key, body string) reply {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	return serve(h, request)
}

func serve(h http.Handler, request *http.Request) reply {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, request)
	return reply{answer.Code, answer.Result().Header, answer.Body.String()}
}

func TestAPI_TheContractIsValid(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAPI_ShowsAPaymentAtEveryState(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	for _, state := range allStates() {
		id := s.put(state)
		if _, err := s.db.Pool.Exec(t.Context(), `UPDATE payment SET problem = 'no answer' WHERE order_id = $1`, id); err != nil {
			t.Fatal(err)
		}
		answer := ask(t, h, http.MethodGet, "/v1/payments/"+id, "", "")
		var shown api.Payment
		if err := json.Unmarshal([]byte(answer.body), &shown); err != nil || answer.status != http.StatusOK {
			t.Fatalf("%s: %d %s", state, answer.status, answer.body)
		}
		open := slices.Contains([]charge.State{charge.Intent, charge.Unknown, charge.Refunding, charge.LateCaptured}, state)
		if charge.State(shown.State) != state || shown.OrderId.String() != id || shown.Amount.Amount != 1999 || (shown.NextAttemptAt != nil) != open {
			t.Errorf("%s: %s", state, answer.body)
		}
		if there := shown.Problem != nil; there != (open || state == charge.RefundRefused) {
			t.Errorf("%s: a problem is shown: %v", state, there)
		}
	}
	tombstone := newID(t)
	s.handle(cancelled(tombstone))
	answer := ask(t, h, http.MethodGet, "/v1/payments/"+tombstone, "", "")
	if answer.status != http.StatusOK || strings.Contains(answer.body, "amount") || !strings.Contains(answer.body, `"reason":"cancelled"`) {
		t.Errorf("a tombstone: %d %s", answer.status, answer.body)
	}
}

func TestAPI_BadRequestsAreRefusedAndLeaveNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	h := s.api()
	const charge = `{"reference":"r-1","amount":1999,"currency":"USD","payment_method":"tok_visa"}`
	const refund = `{"charge_id":"ch_1","amount":1999,"currency":"USD"}`
	with := func(body, old, replacement string) string { return strings.Replace(body, old, replacement, 1) }
	tests := []struct {
		sentence, method, path, key, body string
		status                            int
	}{
		{"no such address", "GET", "/v1/nothing", "", "", 404},
		{"a payment nobody knows", "GET", "/v1/payments/019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42", "", "", 404},
		{"an id that is none", "GET", "/v1/payments/x", "", "", 400},
		{"a charge nobody knows", "GET", "/v1/charges/r-9", "", "", 404},
		{"a reference that is none", "GET", "/v1/charges/" + strings.Repeat("r", 65), "", "", 400},
		{"a method that a payment does not take", "POST", "/v1/payments/019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42", "k", "{}", 405},
		{"a method that charges do not take", "PUT", "/v1/charges", "k", charge, 405},
		{"no key", "POST", "/v1/charges", "", charge, 400},
		{"a key with a space", "POST", "/v1/charges", "k k", charge, 400},
		{"a key that is too long", "POST", "/v1/charges", strings.Repeat("k", 256), charge, 400},
		{"half a quoted key", "POST", "/v1/charges", `"k`, charge, 400},
		{"no body", "POST", "/v1/charges", "k", "", 400},
		{"not JSON", "POST", "/v1/charges", "k", "{", 400},
		{"an unknown field", "POST", "/v1/charges", "k", with(charge, `{`, `{"x":1,`), 422},
		{"no reference", "POST", "/v1/charges", "k", with(charge, `"reference":"r-1",`, ``), 422},
		{"a reference with a colon, which could be mistaken for another's", "POST", "/v1/charges", "k", with(charge, "r-1", "a:b"), 422},
		{"an amount of nothing", "POST", "/v1/charges", "k", with(charge, "1999", "0"), 422},
		{"a negative amount", "POST", "/v1/charges", "k", with(charge, "1999", "-1"), 422},
		{"a huge amount", "POST", "/v1/charges", "k", with(charge, "1999", "100000000001"), 422},
		{"an amount beyond 64 bits", "POST", "/v1/charges", "k", with(charge, "1999", "99999999999999999999"), 422},
		{"a broken amount", "POST", "/v1/charges", "k", with(charge, "1999", "19.99"), 422},
		{"an amount in words", "POST", "/v1/charges", "k", with(charge, "1999", `"many"`), 422},
		{"a currency that is none", "POST", "/v1/charges", "k", with(charge, "USD", "usd"), 422},
		{"a card number instead of a token", "POST", "/v1/charges", "k", with(charge, "tok_visa", "4242424242424242"), 422},
		{"a body that is too large", "POST", "/v1/charges", "k", with(charge, "r-1", strings.Repeat("r", 17<<10)), 413},
		{"no key for a refund", "POST", "/v1/refunds", "", refund, 400},
		{"an unknown field of a refund", "POST", "/v1/refunds", "k", with(refund, `{`, `{"x":1,`), 422},
		{"a refund of nothing", "POST", "/v1/refunds", "k", with(refund, "1999", "0"), 422},
		{"a refund of a charge that nobody knows", "POST", "/v1/refunds", "k", refund, 404},
		{"a charge id that is none", "POST", "/v1/refunds", "k", with(refund, "ch_1", "' OR 1=1"), 422},
	}
	for _, test := range tests {
		answer := ask(t, h, test.method, test.path, test.key, test.body)
		var body api.Problem
		err := json.Unmarshal([]byte(answer.body), &body)
		if answer.status != test.status || answer.header.Get("Content-Type") != problem.ContentType || err != nil || body.Status != test.status || body.Title == "" {
			t.Errorf("%s: %d %s %s, want %d", test.sentence, answer.status, answer.header.Get("Content-Type"), answer.body, test.status)
		}
		for _, internal := range []string{"SQLSTATE", "pgx", "sql", "goroutine", ".go:"} {
			if strings.Contains(answer.body, internal) {
				t.Errorf("%s: the answer shows the inside: %s", test.sentence, answer.body)
			}
		}
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/charges", strings.NewReader(charge))
	request.Header.Set("Idempotency-Key", "k")
	request.Header.Set("Content-Type", "text/plain")
	if answer := serve(h, request); answer.status != http.StatusUnsupportedMediaType {
		t.Errorf("text: %d %s", answer.status, answer.body)
	}
	for _, table := range []string{"payment", "idempotency_key", "ledger_entry", "outbox"} {
		if n := count(t, s.db.Pool, `SELECT count(*) FROM `+table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
	if s.gate.wire.seen.Load() != 0 {
		t.Error("the gateway was asked")
	}
}

func TestAPI_AFailureInsideShowsNothingOfTheInside(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.db.Pool.Close()
	answer := ask(t, s.api(), http.MethodPost, "/v1/charges", "k", `{"reference":"r-1","amount":1,"currency":"USD","payment_method":"tok_visa"}`)
	if answer.status != http.StatusInternalServerError || strings.Contains(answer.body, "pool") || answer.header.Get("Content-Type") != problem.ContentType {
		t.Errorf("%d %s", answer.status, answer.body)
	}
}

// The handlers read no more than the server lets through.
func TestAPI_TheBodyIsReadOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	reader := io.MultiReader(strings.NewReader(`{"reference":"r-1",`), strings.NewReader(`"amount":1999,"currency":"USD","payment_method":"tok_visa"}`))
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/charges", reader)
	request.Header.Set("Idempotency-Key", "k")
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	if answer := serve(s.api(), request); answer.status != http.StatusCreated {
		t.Errorf("%d %s", answer.status, answer.body)
	}
}

func TestAPI_ADatabaseThatIsAwayIsA503(t *testing.T) {
	t.Parallel()
	gate := newGate(t)
	settings := quick()
	settings.GatewayURL = gate.wire.URL
	s := openShop(t, &testkit.DB{Pool: testkit.NoDatabase(t)}, gate, settings)
	for _, r := range [][3]string{
		{"POST", "/v1/charges", chargeBody("r-1", "tok_visa")}, {"POST", "/v1/refunds", refundBody("ch_1", 1)}, {"GET", "/v1/payments/" + uuid.NewString(), ""},
	} {
		answer := ask(t, s.api(), r[0], r[1], "k", r[2])
		if answer.status != http.StatusServiceUnavailable || answer.header.Get("Retry-After") == "" || answer.header.Get("Content-Type") != problem.ContentType {
			t.Errorf("%s %s: %d %s", r[0], r[1], answer.status, answer.body)
		}
	}
}
