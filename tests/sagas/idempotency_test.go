package sagas

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/apps/system/verify"
)

// impatient is an order whose customer can be counted.
const impatient = `{"customer_id": "the impatient one", "items": [{"sku": "widget", "quantity": 1}], "payment_method": "tok_visa",
	"ship_to": {"name": "Ada", "street": "Rue 1", "city": "Bern", "postal_code": "3000", "country": "CH"}}`

// oneKey: a thousand parallel requests with one key place one order. Who was answered 202 got the same bytes
// as everybody else; the others were told that the first one is still being worked on.
func oneKey(t *testing.T, w *system) {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	key := uuid.NewString()
	send := func(body string) answer {
		return request(t, client, http.MethodPost, w.At.URLs["order"]+"/v1/orders", body,
			http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {key}})
	}
	var mu sync.Mutex
	answers := map[int]map[string]int{} // how many got these bytes with this status
	var clients sync.WaitGroup
	for range 1000 {
		clients.Go(func() {
			got := send(impatient)
			mu.Lock()
			defer mu.Unlock()
			if answers[got.status] == nil {
				answers[got.status] = map[string]int{}
			}
			answers[got.status][got.body]++
			if got.status == http.StatusConflict && got.header.Get("Retry-After") == "" {
				t.Error("a 409 without Retry-After")
			}
		})
	}
	clients.Wait()
	for status := range answers {
		if status != http.StatusAccepted && status != http.StatusConflict {
			t.Errorf("answered %d: %v", status, answers[status])
		}
	}
	if len(answers[http.StatusAccepted]) != 1 {
		t.Errorf("%d different bodies of a 202: %v", len(answers[http.StatusAccepted]), answers[http.StatusAccepted])
	}
	again := send(impatient)
	if again.status != http.StatusAccepted || again.header.Get("Idempotency-Replayed") != "true" || answers[http.StatusAccepted][again.body] == 0 {
		t.Errorf("afterwards: %d %v %s", again.status, again.header, again.body)
	}
	if other := send(strings.Replace(impatient, `"quantity": 1`, `"quantity": 2`, 1)); other.status != http.StatusUnprocessableEntity {
		t.Errorf("another body under the key: %d %s", other.status, other.body)
	}
	if n := w.Count(t, "order", `SELECT count(*)::int FROM orders WHERE customer_id = 'the impatient one'`); n != 1 {
		t.Errorf("%d orders, want one", n)
	}
	var placed struct{ ID string }
	if err := json.Unmarshal([]byte(again.body), &placed); err != nil {
		t.Fatal(err)
	}
	w.Promised(verify.Acknowledged{OrderID: placed.ID, Key: key, Body: []byte(again.body)})
	w.Ends(t, placed.ID)
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// request sends a request as it is given, good or bad.
func request(t *testing.T, client *http.Client, method, url, body string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return answer{}
	}
	r.Header = header
	response, err := client.Do(r)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}
