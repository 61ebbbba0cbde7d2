package order

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/contracts/openapitest"
	batcher "example.com/ordersaga/internal/batch"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/order/api"
	"example.com/ordersaga/services/order/sagaview"
)

// shop is the API over a database, and a client of it.
type shop struct {
	t       *testing.T
	pool    *pgxpool.Pool
	url     string
	client  *api.ClientWithResponses
	backlog atomic.Int64 // what the outbox would report
	faults  *failpoint.Set
	others  *others // whom the order service asks
}

func open(t *testing.T) *shop {
	t.Helper()
	return openWith(t, database(t).Pool)
}

func openWith(t *testing.T, pool *pgxpool.Pool) *shop {
	t.Helper()
	s := &shop{t: t, pool: pool, faults: failpoint.NewSet(), others: &others{answers: map[string]string{}}}
	orders := batcher.New(maxBatch, intake{tx: in(s.pool), faults: s.faults, deadline: time.Hour}.commit)
	listener := httptest.NewServer(documented(t, server{
		db: s.pool, tx: in(s.pool), place: orders.Do, backlog: func() int { return int(s.backlog.Load()) }, limit: 10, faults: s.faults,
		clients: sagaview.NewClients(s.others.open(t), 3*time.Second),
	}))
	t.Cleanup(listener.Close)
	s.url = listener.URL
	var err error
	if s.client, err = api.NewClientWithResponses(s.url); err != nil {
		t.Fatal(err)
	}
	return s
}

// documented is the API, held against its two contracts.
func documented(t *testing.T, s server) http.Handler {
	t.Helper()
	return openapitest.Documented(t, negotiated, openapitest.Documented(t, api.GetSpec, routes(s)))
}

// negotiated is the contract of the addresses without a version.
func negotiated() (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	return loader.LoadFromFile("api/negotiated.yaml")
}

const body = `{"customer_id": "ada", "items": [{"sku": "widget", "quantity": 2}], "payment_method": "tok_visa",
	"ship_to": {"name": "Ada", "street": "Rue 1", "city": "Bern", "postal_code": "3000", "country": "CH"}}`

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request as it is given, good or bad. Header are names and values in turn.
func (s *shop) send(method, path, body string, header ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// place sends an order under a key.
func (s *shop) place(key, body string) answer {
	s.t.Helper()
	return s.send(http.MethodPost, "/v1/orders", body, "Content-Type", "application/json", "Idempotency-Key", key)
}

// placed places an order under a key, and wants it to be accepted.
func (s *shop) placed(key string) api.Order {
	s.t.Helper()
	got := s.place(key, body)
	if got.status != http.StatusAccepted {
		s.t.Fatalf("answered %d %s", got.status, got.body)
	}
	var order api.Order
	if err := json.Unmarshal([]byte(got.body), &order); err != nil {
		s.t.Fatal(err)
	}
	return order
}

// isProblem wants an answer to be a problem document of this status with nothing internal in it.
func isProblem(t *testing.T, got answer, status int) {
	t.Helper()
	var body api.Problem
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Errorf("%q is not a problem: %v", got.body, err)
	}
	if got.status != status || body.Status != status || body.Title == "" || body.Detail == nil ||
		got.header.Get("Content-Type") != problem.ContentType {
		t.Errorf("answered %d %s %s, want a %d", got.status, got.header.Get("Content-Type"), got.body, status)
	}
	for _, secret := range []string{"SQLSTATE", "pgx", "postgres", "goroutine"} {
		if strings.Contains(got.body, secret) {
			t.Errorf("the answer has %q in it: %s", secret, got.body)
		}
	}
}

// holdsNothing wants the database to have no trace of a request.
func (s *shop) holdsNothing(t *testing.T) {
	t.Helper()
	for _, table := range []string{"orders", "order_history", "outbox", "idempotency_key"} {
		same(t, "rows in "+table, count(t, s.pool, `SELECT count(*) FROM `+table), 0)
	}
}

func TestAPI_TheContractIsValid(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	written, err := openapi3.NewLoader().LoadFromData(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := written.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, item := range written.Paths.Map() { // the generator writes their names in its own way
		for _, operation := range item.Operations() {
			operation.OperationID = strings.ToUpper(operation.OperationID[:1]) + operation.OperationID[1:]
		}
	}
	want, err := json.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	generated, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(generated)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("api.gen.go is older than openapi.yaml: run go generate")
	}
}

func TestOrder_IsAcceptedAndCanBeRead(t *testing.T) {
	t.Parallel()
	s := open(t)
	first := s.place("k", body)
	same(t, "status", first.status, http.StatusAccepted)
	same(t, "content type", first.header.Get("Content-Type"), "application/json")
	same(t, "replayed", first.header.Get(idempotency.Replayed), "")
	again := s.send(http.MethodGet, first.header.Get("Location"), "")
	same(t, "status when read", again.status, http.StatusOK)
	same(t, "body when read", again.body, first.body)

	var order api.Order
	if err := json.Unmarshal([]byte(first.body), &order); err != nil {
		t.Fatal(err)
	}
	same(t, "location", first.header.Get("Location"), "/v1/orders/"+order.Id)
	same(t, "patience", order.Deadline.Sub(order.CreatedAt), time.Hour)
	same(t, "the rest", order, api.Order{
		Id: order.Id, CustomerId: "ada", Status: api.PENDING, Total: api.Money{Amount: 3998, Currency: "USD"},
		Items:  []api.Item{{Sku: "widget", Quantity: 2, UnitPrice: 1999}},
		ShipTo: api.Address{Name: "Ada", Street: "Rue 1", City: "Bern", PostalCode: "3000", Country: "CH"}, PaymentMethod: "tok_visa",
		CreatedAt: order.CreatedAt, UpdatedAt: order.CreatedAt, Deadline: order.Deadline, Incidents: []api.Incident{},
	})
	same(t, "published", published(t, s.pool, order.Id), []string{"OrderCreated"})
	same(t, "history", history(t, s.pool, order.Id), []string{"PENDING"})
}

func TestOrder_ShowsItsEnd(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.placed("k").Id
	get := func() api.Order {
		answer, err := s.client.GetOrderWithResponse(t.Context(), id)
		if err != nil || answer.JSON200 == nil {
			t.Fatalf("%v %s", err, answer.Body)
		}
		return *answer.JSON200
	}
	deliver(t, s.pool, opened(id, "i"))
	stuck := get()
	same(t, "status", stuck.Status, api.NEEDSATTENTION)
	same(t, "incident", stuck.Incidents[0].Kind+" "+stuck.Incidents[0].Service+" "+stuck.Incidents[0].Reason, "refund_refused payment closed account")
	cancel(t, s.pool, id)
	deliver(t, s.pool, resolved(id, "i"))
	asked := get()
	same(t, "status", asked.Status, api.CANCELLING)
	same(t, "reason", *asked.Reason, "customer")
	if asked.CancelRequestedAt == nil || asked.Incidents[0].ResolvedAt == nil || asked.UpdatedAt.Before(stuck.UpdatedAt) {
		t.Errorf("%+v does not show when", asked)
	}
	deliver(t, s.pool, shipment(id))
	late := get()
	same(t, "status", late.Status, api.CONFIRMED)
	same(t, "reason", *late.Reason, "cancel_too_late")
	same(t, "shipment", *late.ShipmentId, "shp_1")
}

// TestPlaceOrder_BadInputIsRefused sends everything that a client can get wrong, and wants nothing of it to be stored.
func TestPlaceOrder_BadInputIsRefused(t *testing.T) {
	s := open(t)
	with := func(old, new string) string {
		if !strings.Contains(body, old) {
			t.Fatalf("the body has no %q", old)
		}
		return strings.Replace(body, old, new, 1)
	}
	item := `{"sku": "widget", "quantity": 2}`
	lines := func(n int) string {
		return with(item, strings.TrimSuffix(strings.Repeat(item+",", n), ","))
	}
	tests := []struct {
		name, body string
		status     int
	}{
		{"nothing", ``, 400},
		{"not JSON", `customer_id=ada`, 400},
		{"half of it", body[:len(body)/2], 400},
		{"two bodies", body + body, 400},
		{"a list", `[` + body + `]`, 422},
		{"null", `null`, 422},
		{"an unknown field", with(`"customer_id"`, `"coupon": "x", "customer_id"`), 422},
		{"an unknown field inside", with(`"sku"`, `"price": 1, "sku"`), 422},
		{"no customer", with(`"customer_id": "ada",`, ``), 422},
		{"an empty customer", with(`"ada"`, `""`), 422},
		{"a long customer", with(`"ada"`, `"`+strings.Repeat("a", 101)+`"`), 422},
		{"a customer with a NUL", with(`"ada"`, `"a\u0000da"`), 422},
		{"a customer with a line break", with(`"ada"`, `"a\nda"`), 422},
		{"a number for a customer", with(`"ada"`, `1`), 422},
		{"no items", with(item, ``), 422},
		{"fifty-one lines", lines(51), 422},
		{"the same SKU twice", lines(2), 422},
		{"an unknown SKU", with(`widget`, `perpetuum-mobile`), 422},
		{"a SKU that is none", with(`widget`, `<script>`), 422},
		{"a quantity of zero", with(`"quantity": 2`, `"quantity": 0`), 422},
		{"a quantity below zero", with(`"quantity": 2`, `"quantity": -1`), 422},
		{"a quantity of a thousand and one", with(`"quantity": 2`, `"quantity": 1001`), 422},
		{"a quantity beyond every integer", with(`"quantity": 2`, `"quantity": 1e30`), 422},
		{"a quantity beyond 64 bits", with(`"quantity": 2`, `"quantity": 18446744073709551617`), 422},
		{"half a widget", with(`"quantity": 2`, `"quantity": 0.5`), 422},
		{"a quantity in quotes", with(`"quantity": 2`, `"quantity": "2"`), 422},
		{"no quantity", with(`, "quantity": 2`, ``), 422},
		{"a whole number in a form that is none here", with(`"quantity": 2`, `"quantity": 2.0`), 400},
		{"a card number for a token", with(`tok_visa`, `4242424242424242`), 422},
		{"no token", with(`"payment_method": "tok_visa",`, ``), 422},
		{"a country by name", with(`"CH"`, `"Switzerland"`), 422},
		{"a country in small letters", with(`"CH"`, `"ch"`), 422},
		{"no city", with(`"city": "Bern",`, ``), 422},
		{"an empty street", with(`"Rue 1"`, `""`), 422},
		{"a total that is wrong", with(`"customer_id"`, `"expected_total": {"amount": 1, "currency": "USD"}, "customer_id"`), 422},
		{"a total in another currency", with(`"customer_id"`, `"expected_total": {"amount": 3998, "currency": "EUR"}, "customer_id"`), 422},
		{"a total below zero", with(`"customer_id"`, `"expected_total": {"amount": -1, "currency": "USD"}, "customer_id"`), 422},
		{"a total beyond 64 bits", with(`"customer_id"`, `"expected_total": {"amount": 1e30, "currency": "USD"}, "customer_id"`), 422},
		{"more than 16 KiB", with(`"ada"`, `"`+strings.Repeat("a", 16<<10)+`"`), 413},
		{"more than 16 KiB of white space", body + strings.Repeat(" ", 16<<10), 413},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			isProblem(t, s.place(fmt.Sprint("bad", i), test.body), test.status)
			s.holdsNothing(t)
		})
	}
}

func TestAPI_BadRequestsAreRefused(t *testing.T) {
	s := open(t)
	json, key := []string{"Content-Type", "application/json"}, []string{"Idempotency-Key", "k"}
	headers := func(lists ...[]string) (all []string) {
		for _, list := range lists {
			all = append(all, list...)
		}
		return all
	}
	tests := []struct {
		name, method, path string
		header             []string
		status             int
	}{
		{"no idempotency key", "POST", "/v1/orders", json, 400},
		{"an empty idempotency key", "POST", "/v1/orders", headers(json, []string{"Idempotency-Key", ""}), 400},
		{"two idempotency keys", "POST", "/v1/orders", headers(json, key, key), 400},
		{"two limits", "GET", "/v1/orders?limit=1&limit=2", nil, 400},
		{"an idempotency key with a space", "POST", "/v1/orders", headers(json, []string{"Idempotency-Key", "a b"}), 400},
		{"an idempotency key of 256 characters", "POST", "/v1/orders", headers(json, []string{"Idempotency-Key", strings.Repeat("k", 256)}), 400},
		{"an idempotency key that is not ASCII", "POST", "/v1/orders", headers(json, []string{"Idempotency-Key", "clé"}), 400},
		{"a form", "POST", "/v1/orders", headers(key, []string{"Content-Type", "application/x-www-form-urlencoded"}), 415},
		{"text", "POST", "/v1/orders", headers(key, []string{"Content-Type", "text/plain"}), 415},
		{"no content type", "POST", "/v1/orders", key, 415},
		{"an order deleted", "DELETE", "/v1/orders", nil, 405},
		{"an order replaced", "PUT", "/v1/orders/0190a5d2-7c1e-7b3a-9c57-3a1f6b2d4e8f", json, 405},
		{"a cancel read", "GET", "/v1/orders/0190a5d2-7c1e-7b3a-9c57-3a1f6b2d4e8f/cancel", nil, 405},
		{"an unknown address", "GET", "/v1/order", nil, 404},
		{"an unknown order", "GET", "/v1/orders/0190a5d2-7c1e-7b3a-9c57-3a1f6b2d4e8f", nil, 404},
		{"an id that is none", "GET", "/v1/orders/17", nil, 404},
		{"an id with a quote", "GET", "/v1/orders/'", nil, 404},
		{"the cancel of an unknown order", "POST", "/v1/orders/0190a5d2-7c1e-7b3a-9c57-3a1f6b2d4e8f/cancel", nil, 404},
		{"the cancel of an id that is none", "POST", "/v1/orders/17/cancel", nil, 404},
		{"a page of nothing", "GET", "/v1/orders?limit=0", nil, 400},
		{"a page that is too long", "GET", "/v1/orders?limit=201", nil, 400},
		{"a page of no number", "GET", "/v1/orders?limit=many", nil, 400},
		{"a status that is none", "GET", "/v1/orders?status=LOST", nil, 400},
		{"a cursor that is none", "GET", "/v1/orders?cursor=abc", nil, 400},
		{"a cursor with a quote", "GET", "/v1/orders?cursor='", nil, 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sent := ""
			if test.method != "GET" {
				sent = body
			}
			got := s.send(test.method, test.path, sent, test.header...)
			isProblem(t, got, test.status)
			if test.status == http.StatusMethodNotAllowed && got.header.Get("Allow") == "" {
				t.Error("the answer does not list which methods are allowed")
			}
			s.holdsNothing(t)
		})
	}
}

func TestAPI_WhatIsThereTwiceIsNamed(t *testing.T) {
	s := open(t)
	for want, got := range map[string]answer{
		"Idempotency-Key": s.send("POST", "/v1/orders", body, "Content-Type", "application/json", "Idempotency-Key", "a", "Idempotency-Key", "b"),
		"limit":           s.send("GET", "/v1/orders?limit=1&limit=2", ""),
	} {
		isProblem(t, got, http.StatusBadRequest)
		if !strings.Contains(got.body, want) {
			t.Errorf("%s is not named: %s", want, got.body)
		}
	}
}

func TestAPI_ABodyIsOfOneTypeInUTF8(t *testing.T) {
	s := open(t)
	const v2 = "application/vnd.ordersaga.v2+json"
	for _, test := range []struct {
		sentence, path string
		types          []string
		status         int
	}{
		{"two headers", "/v1/orders", []string{plainJSON, plainJSON}, 400},
		{"two headers, of which one names a version", "/orders", []string{v2, plainJSON}, 400},
		{"two charsets", "/v1/orders", []string{plainJSON + "; charset=utf-8; charset=latin1"}, 415},
		{"another charset", "/v1/orders", []string{plainJSON + "; charset=latin1"}, 415},
		{"another charset of a version's own type", "/orders", []string{v2 + "; charset=latin1"}, 415},
		{"two charsets of a version's own type", "/v2/orders", []string{v2 + "; charset=utf-8; charset=utf-8"}, 415},
	} {
		header := []string{"Idempotency-Key", "k"}
		for _, name := range test.types {
			header = append(header, "Content-Type", name)
		}
		text := body
		if strings.Contains(test.types[0], v2) {
			text = bodyV2
		}
		got := s.send("POST", test.path, text, header...)
		isProblem(t, got, test.status)
		if !strings.Contains(got.body, "Content-Type") {
			t.Errorf("%s: the header is not named: %s", test.sentence, got.body)
		}
	}
	s.holdsNothing(t)
}

func TestOrder_IsSentAgainOnlyWhenItHasChanged(t *testing.T) {
	s := open(t)
	order := s.placed("k")
	for _, path := range []string{"/v1/orders/" + order.Id, "/v2/orders/" + order.Id, "/v1/orders", "/orders/" + order.Id} {
		first := s.send("GET", path, "")
		tag := first.header.Get("ETag")
		if again := s.send("GET", path, "", "If-None-Match", tag); first.status != 200 || again.status != http.StatusNotModified ||
			again.body != "" || again.header.Get("ETag") != tag || again.header.Get("Vary") != first.header.Get("Vary") {
			t.Errorf("%s: %d %v, then %d %v %s", path, first.status, first.header, again.status, again.header, again.body)
		}
		if other := s.send("GET", path, "", "If-None-Match", `"other"`); other.status != 200 || other.body != first.body {
			t.Errorf("%s: another tag is answered %d %s", path, other.status, other.body)
		}
	}
	one, two := s.send("GET", "/v1/orders/"+order.Id, ""), s.send("GET", "/v2/orders/"+order.Id, "")
	if one.header.Get("ETag") == two.header.Get("ETag") {
		t.Error("both versions have one tag")
	}
	s.send("POST", "/v1/orders/"+order.Id+"/cancel", "")
	if after := s.send("GET", "/v1/orders/"+order.Id, "", "If-None-Match", one.header.Get("ETag")); after.status != 200 {
		t.Errorf("after the cancel the order is answered %d", after.status)
	}
}

func TestKey_TheSameRequestTwiceIsOneOrder(t *testing.T) {
	t.Parallel()
	s := open(t)
	first := s.place("k", body)
	var tidy bytes.Buffer
	if err := json.Compact(&tidy, []byte(body)); err != nil {
		t.Fatal(err)
	}
	deliver(t, s.pool, rejected(strings.TrimPrefix(first.header.Get("Location"), "/v1/orders/")))
	for name, again := range map[string]answer{
		"the same bytes": s.place("k", body), "other white space": s.place("k", tidy.String()), "a quoted key": s.place(`"k"`, body),
	} {
		if again.status != first.status || again.body != first.body || again.header.Get("Location") != first.header.Get("Location") ||
			again.header.Get("Content-Type") != first.header.Get("Content-Type") || again.header.Get(idempotency.Replayed) != "true" {
			t.Errorf("%s: %+v, want a replay of %+v", name, again, first)
		}
	}
	same(t, "orders", count(t, s.pool, `SELECT count(*) FROM orders`), 1)
}

func TestKey_AnotherBodyIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.placed("k")
	isProblem(t, s.place("k", strings.Replace(body, "2}", "3}", 1)), http.StatusUnprocessableEntity)
	same(t, "orders", count(t, s.pool, `SELECT count(*) FROM orders`), 1)
}

func TestKey_ARequestInProgressIsToBeRetried(t *testing.T) {
	t.Parallel()
	s := open(t)
	// Somebody executes the request and takes his time.
	held, err := idempotency.ForOperation("POST /v1/orders", "orders", "k", json.RawMessage(body))
	if err != nil {
		t.Fatal(err)
	}
	err = pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error {
		if _, err := idempotency.Begin(t.Context(), tx, []idempotency.Request{held}); err != nil {
			return err
		}
		got := s.place("k", body)
		isProblem(t, got, http.StatusConflict)
		same(t, "retry after", got.header.Get("Retry-After"), "1")
		same(t, "another key meanwhile", s.place("other", body).status, http.StatusAccepted)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "afterwards", s.place("k", body).status, http.StatusAccepted)
}

func TestKey_MayBeUsedAnewOnceItHasExpired(t *testing.T) {
	t.Parallel()
	s := open(t)
	first := s.placed("k")
	exec(t, s.pool, `UPDATE idempotency_key SET expires_at = now()`)
	if second := s.placed("k"); second.Id == first.Id {
		t.Error("the expired answer was replayed")
	}
	same(t, "orders", count(t, s.pool, `SELECT count(*) FROM orders`), 2)
}

func TestKey_ARefusedOrderMayBeCorrected(t *testing.T) {
	t.Parallel()
	s := open(t)
	isProblem(t, s.place("k", strings.Replace(body, "widget", "nothing", 1)), http.StatusUnprocessableEntity)
	same(t, "corrected", s.place("k", body).status, http.StatusAccepted)
}

func TestPlaceOrder_AnExpectedTotalThatIsRightIsAccepted(t *testing.T) {
	t.Parallel()
	s := open(t)
	order := strings.Replace(body, `"customer_id"`, `"expected_total": {"amount": 3998, "currency": "USD"}, "customer_id"`, 1)
	same(t, "status", s.place("k", order).status, http.StatusAccepted)
}

func TestPlaceOrder_IsRefusedWhileTheBacklogIsFull(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.backlog.Store(10)
	got := s.place("k", body)
	isProblem(t, got, http.StatusServiceUnavailable)
	if got.header.Get("Retry-After") == "" {
		t.Error("the answer has no Retry-After")
	}
	s.holdsNothing(t)
	same(t, "reading meanwhile", s.send("GET", "/v1/orders", "").status, http.StatusOK)
	s.backlog.Store(9)
	same(t, "drained", s.place("k", body).status, http.StatusAccepted)
}

func TestPlaceOrder_IsRefusedWhenItWouldWaitTooLong(t *testing.T) {
	t.Parallel()
	full := func(context.Context, placement) (placed, error) { return placed{}, batcher.ErrBusy }
	listener := httptest.NewServer(documented(t, server{place: full, backlog: func() int { return 0 }, limit: 1}))
	t.Cleanup(listener.Close)
	s := &shop{t: t, url: listener.URL}
	got := s.place("k", body)
	isProblem(t, got, http.StatusServiceUnavailable)
	same(t, "retry after", got.header.Get("Retry-After"), "5")
}

func TestCancel_IsRequestedOnceAndShownLater(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.placed("k").Id
	for range 2 {
		got, err := s.client.CancelOrderWithResponse(t.Context(), id)
		if err != nil || got.JSON202 == nil || got.JSON202.Status != api.CANCELLING || *got.JSON202.Reason != "customer" {
			t.Fatalf("%v %s", err, got.Body)
		}
	}
	same(t, "published", published(t, s.pool, id), []string{"OrderCreated", "OrderCancelRequested customer"})
	deliver(t, s.pool, released(id, "cancelled"))
	isProblem(t, s.send("POST", "/v1/orders/"+id+"/cancel", ""), http.StatusConflict)
	same(t, "status", read(t, s.pool, id).Status, Cancelled)

	confirmed := s.placed("other").Id
	deliver(t, s.pool, shipment(confirmed))
	isProblem(t, s.send("POST", "/v1/orders/"+confirmed+"/cancel", ""), http.StatusConflict)
	same(t, "published", published(t, s.pool, confirmed), []string{"OrderCreated"})
}

func TestCancel_OfAStuckOrderByItsCustomer(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.placed("k").Id
	deliver(t, s.pool, opened(id, "i"))
	same(t, "answer", s.send("POST", "/v1/orders/"+id+"/cancel", "").status, http.StatusAccepted)
	same(t, "published", published(t, s.pool, id), []string{"OrderCreated", "OrderCancelRequested customer"})
}

// pages reads all orders with a status, so many at a time; after each page more is called.
func (s *shop) pages(status *api.Status, limit int, more func()) (pages [][]string) {
	s.t.Helper()
	params := &api.ListOrdersParams{Status: status, Limit: &limit}
	for {
		got, err := s.client.ListOrdersWithResponse(s.t.Context(), params)
		if err != nil || got.JSON200 == nil {
			s.t.Fatalf("%v %s", err, got.Body)
		}
		ids := []string{}
		for _, order := range got.JSON200.Orders {
			ids = append(ids, order.Id)
		}
		pages = append(pages, ids)
		if got.JSON200.NextCursor == nil {
			return pages
		}
		params.Cursor = got.JSON200.NextCursor
		more()
	}
}

func TestPages_DoNotShiftWhenOrdersComeIn(t *testing.T) {
	t.Parallel()
	s := open(t)
	var placed []string
	for i := range 7 {
		placed = append([]string{s.placed(fmt.Sprint(i)).Id}, placed...)
	}
	came := 0
	got := s.pages(nil, 3, func() { came++; s.placed(fmt.Sprint("later", came)) })
	same(t, "pages", got, [][]string{placed[:3], placed[3:6], placed[6:]})
}

func TestPages_AFullLastPageHasNoNext(t *testing.T) {
	t.Parallel()
	s := open(t)
	same(t, "no orders", s.pages(nil, 2, func() {}), [][]string{{}})
	s.placed("1")
	s.placed("2")
	same(t, "pages", len(s.pages(nil, 2, func() {})), 1)
	same(t, "pages of one", len(s.pages(nil, 1, func() {})), 2)
}

func TestPages_HaveFiftyOrdersUnlessAskedOtherwise(t *testing.T) {
	t.Parallel()
	s := open(t)
	orders(t, s.pool, 201, time.Hour)
	for path, want := range map[string]int{"/v1/orders": 50, "/v1/orders?limit=200": 200, "/v1/orders?limit=1": 1} {
		var list api.OrderList
		if err := json.Unmarshal([]byte(s.send("GET", path, "").body), &list); err != nil {
			t.Fatal(err)
		}
		same(t, path, len(list.Orders), want)
	}
}

func TestPages_ListByThePublicStatus(t *testing.T) {
	t.Parallel()
	s := open(t)
	pending, confirmed, cancelled, cancelling, stuck, stuckToo := s.placed("1").Id, s.placed("2").Id, s.placed("3").Id, s.placed("4").Id, s.placed("5").Id, s.placed("6").Id
	cancel(t, s.pool, cancelling)
	cancel(t, s.pool, stuckToo)
	deliver(t, s.pool, shipment(confirmed), rejected(cancelled), opened(stuck, "i"), opened(stuckToo, "i"), opened(confirmed, "late"),
		opened(pending, "over"), resolved(pending, "over"))
	want := map[api.Status][]string{
		api.PENDING: {pending}, api.CONFIRMED: {confirmed}, api.CANCELLED: {cancelled}, api.CANCELLING: {cancelling},
		api.NEEDSATTENTION: {stuckToo, stuck},
	}
	for status, ids := range want {
		if got := s.pages(&status, 10, func() {}); !reflect.DeepEqual(got, [][]string{ids}) {
			t.Errorf("%s: %v, want %v", status, got, ids)
		}
	}
}

// While the database is away a client learns when to come again, and nothing of the inside.
func TestAPI_ADatabaseThatIsAwayIsA503(t *testing.T) {
	t.Parallel()
	s := openWith(t, testkit.NoDatabase(t))
	for _, r := range [][3]string{
		{"POST", "/v1/orders", body}, {"POST", "/v2/orders", bodyV2}, {"GET", "/v1/orders", ""}, {"GET", "/v2/orders", ""},
		{"GET", "/v1/orders/" + uuid.NewString(), ""}, {"GET", "/v1/orders/" + uuid.NewString() + "/saga", ""}, {"POST", "/v1/orders/" + uuid.NewString() + "/cancel", ""},
	} {
		answer := s.send(r[0], r[1], r[2], "Idempotency-Key", "k", "Content-Type", plainJSON)
		isProblem(t, answer, http.StatusServiceUnavailable)
		if answer.header.Get("Retry-After") == "" || strings.Contains(answer.body, "127.0.0.1") {
			t.Errorf("%s %s: %v %s", r[0], r[1], answer.header, answer.body)
		}
	}
}

// What is nothing but blanks names nobody, and no place: the field is named, however the version is chosen. A name may
// have blanks, of every kind, beside something that can be seen.
func TestPlaceOrder_ABlankTextIsRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	bodies := map[string]struct{ body, header string }{
		"/v1/orders": {body, "1"}, "/v2/orders": {bodyV2, "2"}, "/orders": {bodyV2, "2"},
	}
	for path, c := range bodies {
		for field, value := range map[string]string{
			"customer_id": "ada", "name": "Ada", "recipient": "Ada", "street": "Rue 1", "city": "Bern", "postal_code": "3000",
		} {
			old := fmt.Sprintf("%q: %q", field, value)
			if !strings.Contains(c.body, old) { // the other version's
				continue
			}
			send := func(value string) answer {
				return s.send(http.MethodPost, path, strings.Replace(c.body, old, fmt.Sprintf(`"%s": "%s"`, field, value), 1),
					"Content-Type", plainJSON, "API-Version", c.header, "Idempotency-Key", path+field+value)
			}
			for _, blank := range []string{" ", "   ", `\u00a0\u00a0\u00a0`, `\u2003 \u3000`, `\u200b`, `\u2028`} {
				refused := send(blank)
				isProblem(t, refused, http.StatusUnprocessableEntity)
				if !strings.Contains(refused.body, "/"+field) {
					t.Errorf("%s: a %s of %q is refused with %s", path, field, blank, refused.body)
				}
			}
			s.holdsNothing(t)
		}
	}
	for path, c := range bodies {
		for i, name := range []string{"O", " Ada ", "李", `A\u00a0B`, `\u3000ב\u200f`, `👩\u200d🚀`, "-", "ə́"} {
			placed := s.send(http.MethodPost, path, strings.NewReplacer(`"Ada"`, `"`+name+`"`, `"Bern"`, `"`+name+`"`).Replace(c.body),
				"Content-Type", plainJSON, "API-Version", c.header, "Idempotency-Key", fmt.Sprint(path, i))
			same(t, path+" for "+name, placed.status, http.StatusAccepted)
		}
	}
}

func TestContact_IsOneMailAddressAndNothingElse(t *testing.T) {
	t.Parallel()
	s := open(t)
	with := func(contact string) string { return strings.Replace(body, "{", `{"contact_email": "`+contact+`", `, 1) }
	for i, contact := range []string{
		"", "   ", " ada@customers.example", "ada", "ada@", "@customers.example", "ada@customers", "ada@customers.example\\r\\nBcc: all@customers.example", "a@b.example,c@d.example",
		"Ada <ada@customers.example>", "ada lovelace@customers.example", "ada@-.example", strings.Repeat("a", 250) + "@b.example",
	} {
		isProblem(t, s.place(fmt.Sprint(i), with(contact)), http.StatusUnprocessableEntity)
	}
	s.holdsNothing(t)
	same(t, "a good one", s.place("good", with("ada+orders@mail.customers.example")).status, http.StatusAccepted)
}
