package systemtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/pkg/testkit/poll"
)

// Order is what to order. The zero value is one widget, paid with an approved card, shipped to Berlin.
type Order struct {
	SKU      string
	Quantity int
	Token    string // the means of payment; "tok_visa" when empty
	Country  string // ISO 3166-1 alpha-2; "DE" when empty
	Email    string // where mails about it go; nowhere when empty
	Key      string // the Idempotency-Key; a new one when empty
}

// State is the order as the order service shows it.
type State struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	Reason     string `json:"reason"`
	ShipmentID string `json:"shipment_id"`
	Total      struct {
		Amount   int64  `json:"amount"` // minor units
		Currency string `json:"currency"`
	} `json:"total"`
}

const needsAttention = "NEEDS_ATTENTION"

// Ended reports whether the saga has come to its end.
func (s State) Ended() bool { return s.Status == "CONFIRMED" || s.Status == "CANCELLED" }

// Place places an order that must be accepted.
func (s *System) Place(t testing.TB, o Order) State {
	t.Helper()
	state, err := s.TryPlace(o)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// TryPlace places an order; the error says what the service answered.
func (s *System) TryPlace(o Order) (State, error) {
	request := map[string]any{
		"customer_id":    "customer-1",
		"items":          []map[string]any{{"sku": cmp.Or(o.SKU, "widget"), "quantity": max(1, o.Quantity)}},
		"payment_method": cmp.Or(o.Token, "tok_visa"),
		"ship_to": map[string]string{
			"name": "Ada Lovelace", "street": "Chausseestr. 1", "city": "Berlin", "postal_code": "10115",
			"country": cmp.Or(o.Country, "DE"),
		},
	}
	if o.Email != "" {
		request["contact_email"] = o.Email
	}
	body, err := json.Marshal(request)
	if err != nil {
		return State{}, err
	}
	var state State
	key := cmp.Or(o.Key, uuid.NewString())
	return state, s.call(http.MethodPost, s.URLs["order"]+"/v1/orders", key, body, http.StatusAccepted, &state)
}

// Get is the order as it is now.
func (s *System) Get(id string) (State, error) {
	var state State
	return state, s.call(http.MethodGet, s.URLs["order"]+"/v1/orders/"+id, "", nil, http.StatusOK, &state)
}

// Cancel asks for the order to be undone.
func (s *System) Cancel(t testing.TB, id string) {
	t.Helper()
	if err := s.TryCancel(id); err != nil {
		t.Fatal(err)
	}
}

// TryCancel asks for the order to be undone; the error says what the service answered.
func (s *System) TryCancel(id string) error {
	return s.call(http.MethodPost, s.URLs["order"]+"/v1/orders/"+id+"/cancel", "", nil, http.StatusAccepted, nil)
}

// AwaitEnd waits until the order is confirmed or cancelled. While a service is being started again its
// answers are errors; they are waited through. An order that needs a person's attention fails the test at once: await
// that with [System.Await] where it is expected.
func (s *System) AwaitEnd(t testing.TB, id string) State {
	t.Helper()
	end := s.Await(t, id, func(now State) bool { return now.Ended() || now.Status == needsAttention })
	if end.Status == needsAttention {
		t.Fatalf("order %s needs attention: %s; sagactl incidents list --order %s", id, end.Reason, id)
	}
	return end
}

// Await waits until the order is as wanted.
func (s *System) Await(t testing.TB, id string, wanted func(State) bool) State {
	t.Helper()
	var state State
	poll.Eventually(t, endLimit, "order "+id+" to be as wanted", func() (err error) {
		if state, err = s.Get(id); err == nil && !wanted(state) {
			err = fmt.Errorf("it is %+v", state)
		}
		return err
	})
	return state
}

// Money is what the card gateway captured or gave back; amounts are in minor units of the currency.
type Money struct {
	ID       string `json:"id"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Charges are what the card gateway has captured for an order, by its own ledger.
func (s *System) Charges(t testing.TB, orderID string) []Money {
	t.Helper()
	var charges []Money
	for _, c := range s.captured(t, orderID) {
		charges = append(charges, c.Money)
	}
	return charges
}

// Refunds are what the card gateway has given back of an order, by its own ledger.
func (s *System) Refunds(t testing.TB, orderID string) []Money {
	t.Helper()
	var refunds []Money
	for _, c := range s.captured(t, orderID) {
		refunds = append(refunds, c.Refunds...)
	}
	return refunds
}

type captured struct {
	Money

	Refunds []Money `json:"refunds"`
}

func (s *System) captured(t testing.TB, orderID string) []captured {
	t.Helper()
	var found struct {
		Charges []captured `json:"charges"`
	}
	url := s.URLs["gateway"] + "/v1/charges?merchant_reference=" + orderID
	if err := s.call(http.MethodGet, url, "", nil, http.StatusOK, &found); err != nil {
		t.Fatal(err)
	}
	return found.Charges
}

// Stock is how many pieces of a SKU there are.
type Stock struct {
	Available int64 `json:"available"`
	Reserved  int64 `json:"reserved"`
}

// Stock is what there is of a SKU now.
func (s *System) Stock(t testing.TB, sku string) Stock {
	t.Helper()
	var stock Stock
	if err := s.call(http.MethodGet, s.URLs["inventory"]+"/v1/stock/"+sku, "", nil, http.StatusOK, &stock); err != nil {
		t.Fatal(err)
	}
	return stock
}

// Arm arms a fault in a service; it fires once unless the fault says otherwise. It returns the fault's id.
func (s *System) Arm(t testing.TB, service string, f Fault) string {
	t.Helper()
	body, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var armed Fault
	if err := s.call(http.MethodPost, s.Admin[service]+"/faults", "", body, http.StatusCreated, &armed); err != nil {
		t.Fatalf("arm %s in %s: %v", f.Point, service, err)
	}
	return armed.ID
}

// Disarm takes all faults of a service back.
func (s *System) Disarm(t testing.TB, service string) {
	t.Helper()
	if err := s.call(http.MethodDelete, s.Admin[service]+"/faults", "", nil, http.StatusNoContent, nil); err != nil {
		t.Fatalf("disarm %s: %v", service, err)
	}
}

// Fault is what to make happen at a named point; `sagactl faults points` lists the points.
type Fault struct {
	ID    string `json:"id,omitempty"`
	Point string `json:"point"`
	Kind  string `json:"kind"`            // crash, error, delay, duplicate or hold
	Delay string `json:"delay,omitempty"` // a duration, for a delay
	Order string `json:"order,omitempty"` // only for this order
	Times *int   `json:"times,omitempty"` // how often; once when nil, always when 0
}

// call sends a request and reads the answer, which must have the wanted status.
func (s *System) call(method, url, key string, body []byte, want int, into any) error {
	request, err := http.NewRequest(method, url, bytes.NewReader(body)) //nolint:noctx // the client has a timeout
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	if s.isAdmin(url) {
		request.Header.Set("Authorization", "Bearer "+s.Token)
	}
	client := http.Client{Timeout: 15 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != want {
		return fmt.Errorf("%s %s answered %s: %s", method, url, response.Status, bytes.TrimSpace(answer))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// isAdmin reports whether the address is behind the token; the public API never sees it.
func (s *System) isAdmin(url string) bool {
	for _, admin := range s.Admin {
		if strings.HasPrefix(url, admin+"/") {
			return true
		}
	}
	return false
}
