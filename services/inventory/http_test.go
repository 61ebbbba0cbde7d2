package inventory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/contracts/openapitest"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/inventory/api"
)

// serve runs the API over a database and returns a client of it.
func serve(t *testing.T, pool *pgxpool.Pool) (*api.ClientWithResponses, string) {
	t.Helper()
	once := idempotency.Once{Do: func(ctx context.Context, fn func(pgx.Tx) error) error { return pgx.BeginFunc(ctx, pool, fn) }}
	listener := httptest.NewServer(openapitest.Documented(t, api.GetSpec, routes(server{pool, once})))
	t.Cleanup(listener.Close)
	client, err := api.NewClientWithResponses(listener.URL)
	if err != nil {
		t.Fatal(err)
	}
	return client, listener.URL
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

func TestStock_IsListedInSKUOrder(t *testing.T) {
	t.Parallel()
	client, _ := serve(t, database(t).Pool)
	answer, err := client.ListStockWithResponse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var skus []string
	for _, level := range answer.JSON200.Stock {
		skus = append(skus, level.Sku)
	}
	if got, want := strings.Join(skus, " "), "gadget gizmo last-one unobtainium widget"; got != want {
		t.Errorf("listed %s, want %s", got, want)
	}
}

func TestStock_IsSentAgainOnlyWhenItHasChanged(t *testing.T) {
	t.Parallel()
	client, url := serve(t, database(t).Pool)
	read := func(path, known string) (status int, tag string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("If-None-Match", known)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode, response.Header.Get("ETag")
	}
	for _, path := range []string{"/v1/stock", "/v1/stock/widget"} {
		_, before := read(path, "")
		if status, _ := read(path, before); status != http.StatusNotModified {
			t.Errorf("%s is answered %d to whoever has it", path, status)
		}
		adjustBy(t, client, "widget", "key"+path, 1, "delivery")
		if status, after := read(path, before); status != http.StatusOK || after == before {
			t.Errorf("%s is answered %d after a change", path, status)
		}
	}
}

func TestAdjustment_ChangesTheStockAndTheLedger(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	client, _ := serve(t, pool)
	answer := adjustBy(t, client, "widget", "key-1", -3, "water damage")
	if answer.JSON201 == nil {
		t.Fatalf("answered %s %s", answer.Status(), answer.Body)
	}
	if got, want := answer.JSON201.Stock, (api.Stock{Sku: "widget", Available: 999_997}); got != want {
		t.Errorf("the stock is %+v after it, want %+v", got, want)
	}
	level, err := client.GetStockWithResponse(t.Context(), "widget")
	if err != nil {
		t.Fatal(err)
	}
	if level.JSON200 == nil || *level.JSON200 != answer.JSON201.Stock {
		t.Errorf("read back as %s, want %+v", level.Body, answer.JSON201.Stock)
	}
	var delta int64
	var reason string
	err = pool.QueryRow(t.Context(), `SELECT delta, reason FROM stock_adjustment WHERE id = $1`, answer.JSON201.Id).Scan(&delta, &reason)
	if err != nil || delta != -3 || reason != "water damage" {
		t.Errorf("the ledger has %d, %q, %v", delta, reason, err)
	}
	checkStock(t, pool)
}

func TestAdjustment_SentTwiceIsMadeOnce(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	client, _ := serve(t, pool)
	first := adjustBy(t, client, "last-one", "key-1", 4, "delivery")
	again := adjustBy(t, client, "last-one", "key-1", 4, "delivery")
	if again.StatusCode() != http.StatusCreated || !bytes.Equal(first.Body, again.Body) {
		t.Errorf("answered %s %s, then %s %s", first.Status(), first.Body, again.Status(), again.Body)
	}
	if first.HTTPResponse.Header.Get(idempotency.Replayed) != "" || again.HTTPResponse.Header.Get(idempotency.Replayed) != "true" {
		t.Error("the second answer, and no other, is marked as a replay")
	}
	if other := adjustBy(t, client, "last-one", "key-1", 5, "delivery"); other.StatusCode() != http.StatusUnprocessableEntity {
		t.Errorf("another adjustment under the same key was answered by %s, want 422", other.Status())
	}
	if other := adjustBy(t, client, "widget", "key-1", 4, "delivery"); other.StatusCode() != http.StatusUnprocessableEntity {
		t.Errorf("the same adjustment of another SKU was answered by %s, want 422", other.Status())
	}
	checkAvailable(t, pool, "last-one", 5)
	checkStock(t, pool)
}

func TestAdjustment_RefusedStaysRefused(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	client, _ := serve(t, pool)
	first := adjustBy(t, client, "last-one", "key-1", -2, "theft")
	if first.StatusCode() != http.StatusConflict || first.ContentType() != problem.ContentType || first.HTTPResponse.Header.Get("Retry-After") != "" {
		t.Fatalf("answered %s %s %s, want a 409 that is for good", first.Status(), first.ContentType(), first.Body)
	}
	adjustBy(t, client, "last-one", "key-2", 10, "delivery")
	again := adjustBy(t, client, "last-one", "key-1", -2, "theft")
	if again.StatusCode() != http.StatusConflict || !bytes.Equal(first.Body, again.Body) {
		t.Errorf("answered %s, then %s %s", first.Body, again.Status(), again.Body)
	}
	checkAvailable(t, pool, "last-one", 11)
}

func TestAdjustment_AHundredAtOnceUnderOneKeyAreOne(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	client, _ := serve(t, pool)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			answer := adjustBy(t, client, "last-one", "key-1", 1, "delivery")
			if code := answer.StatusCode(); code != http.StatusCreated && code != http.StatusConflict {
				t.Errorf("answered %s %s, want 201, or 409 while another one is being made", answer.Status(), answer.Body)
			}
		})
	}
	wg.Wait()
	checkAvailable(t, pool, "last-one", 2)
	checkStock(t, pool)
}

func TestAdjustment_ManyAtOnceNeverTakeMoreThanThereIs(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	client, _ := serve(t, pool)
	restock(t, pool, "last-one", 9)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			answer := adjustBy(t, client, "last-one", uuid.NewString(), -1, "counted")
			if code := answer.StatusCode(); code != http.StatusCreated && code != http.StatusConflict {
				t.Errorf("answered %s %s, want 201 or 409", answer.Status(), answer.Body)
			}
		})
	}
	wg.Wait()
	checkAvailable(t, pool, "last-one", 0)
	checkStock(t, pool)
}

// However much is taken meanwhile, after a count there is what was counted.
func TestAdjustment_ACountIsWhatIsAvailableAfterwards(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	client, _ := serve(t, pool)
	ctx, stop := context.WithCancel(t.Context())
	var taking sync.WaitGroup
	for taker := range 4 {
		taking.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				adjustBy(t, client, "widget", fmt.Sprintf("take-%d-%d", taker, n), -1, "sold elsewhere")
			}
		})
	}
	for n := range 50 {
		counted := int64(5000)
		answer, err := client.AdjustStockWithResponse(t.Context(), "widget",
			&api.AdjustStockParams{IdempotencyKey: fmt.Sprint("count-", n)}, api.NewAdjustment{Available: &counted, Reason: "stocktaking"})
		if err != nil {
			t.Fatal(err)
		}
		if answer.JSON201 == nil || answer.JSON201.Stock.Available != counted {
			t.Fatalf("the %dth count: %s %s", n, answer.Status(), answer.Body)
		}
	}
	stop()
	taking.Wait()
	counted := int64(7)
	for _, want := range []int64{7, 7} { // the second finds what is known
		answer, err := client.AdjustStockWithResponse(t.Context(), "widget",
			&api.AdjustStockParams{IdempotencyKey: uuid.NewString()}, api.NewAdjustment{Available: &counted, Reason: "stocktaking"})
		if err != nil || answer.JSON201 == nil || answer.JSON201.Stock.Available != want {
			t.Fatalf("%v %s", err, answer.Body)
		}
	}
	checkAvailable(t, pool, "widget", 7)
}

func TestReservation_IsShown(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	client, _ := serve(t, pool)
	held, tombstone := newOrderID(t), newOrderID(t)
	if _, err := batch(t.Context(), pool, orderFor(held, "widget", 2),
		events.PaymentVoided{Subject: events.Subject{OrderID: tombstone}, Reason: "cancelled"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, orderID, want string
	}{
		{"what is held", held, `"lines":[{"quantity":2,"sku":"widget"}],"order_id":"` + held + `","state":"RESERVED"`},
		{"a tombstone", tombstone, `"lines":[],"order_id":"` + tombstone + `","reason":"cancelled","state":"RELEASED"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answer, err := client.GetReservationWithResponse(t.Context(), uuid.MustParse(c.orderID))
			if err != nil {
				t.Fatal(err)
			}
			if answer.JSON200 == nil || !strings.Contains(string(answer.Body), c.want) {
				t.Errorf("answered %s %s, want %s", answer.Status(), answer.Body, c.want)
			}
		})
	}
}

func TestAPI_BadRequestsAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	_, url := serve(t, pool)
	const path = "/v1/stock/widget/adjustments"
	good := map[string]string{"Content-Type": "application/json", idempotency.Header: "key-1"}
	for _, c := range []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
	}{
		{"malformed JSON", "POST", path, `{"delta":`, good, 400},
		{"no body", "POST", path, ``, good, 400},
		{"a number that is an integer only to JSON", "POST", path, `{"delta":1.0,"reason":"r"}`, good, 400},
		{"no key", "POST", path, `{"delta":1,"reason":"r"}`, map[string]string{"Content-Type": "application/json"}, 400},
		{"a malformed key", "POST", path, `{"delta":1,"reason":"r"}`, map[string]string{"Content-Type": "application/json", idempotency.Header: "a b"}, 400},
		{"a key that is too long", "POST", path, `{"delta":1,"reason":"r"}`, map[string]string{"Content-Type": "application/json", idempotency.Header: strings.Repeat("k", 256)}, 400},
		{"another content type", "POST", path, `delta=1`, map[string]string{"Content-Type": "text/plain", idempotency.Header: "key-1"}, 415},
		{"a large body", "POST", path, `{"delta":1,"reason":"` + strings.Repeat("r", httpserver.MaxBody) + `"}`, good, 413},
		{"an unknown field", "POST", path, `{"delta":1,"reason":"r","sku":"gizmo"}`, good, 422},
		{"no delta", "POST", path, `{"reason":"r"}`, good, 422},
		{"a delta and a count", "POST", path, `{"delta":1,"available":1,"reason":"r"}`, good, 422},
		{"a delta without a reason", "POST", path, `{"delta":1,"available":1}`, good, 422},
		{"a count below zero", "POST", path, `{"available":-1,"reason":"r"}`, good, 422},
		{"a huge count", "POST", path, `{"available":1000000001,"reason":"r"}`, good, 422},
		{"a delta of zero", "POST", path, `{"delta":0,"reason":"r"}`, good, 422},
		{"a fraction", "POST", path, `{"delta":0.5,"reason":"r"}`, good, 422},
		{"a huge delta", "POST", path, `{"delta":1000000001,"reason":"r"}`, good, 422},
		{"a delta beyond 64 bits", "POST", path, `{"delta":9223372036854775808,"reason":"r"}`, good, 422},
		{"a delta that is text", "POST", path, `{"delta":"1","reason":"r"}`, good, 422},
		{"no reason", "POST", path, `{"delta":1,"reason":""}`, good, 422},
		{"a reason of three blanks", "POST", path, `{"delta":1,"reason":"   "}`, good, 422},
		{"a reason of blanks that break no line", "POST", path, `{"delta":1,"reason":"\u00a0\u2003"}`, good, 422},
		{"a reason with a zero byte", "POST", path, `{"delta":1,"reason":"a\u0000b"}`, good, 422},
		{"a long reason", "POST", path, `{"delta":1,"reason":"` + strings.Repeat("r", 201) + `"}`, good, 422},
		{"an unknown SKU", "POST", "/v1/stock/nothing/adjustments", `{"delta":1,"reason":"r"}`, good, 404},
		{"the stock of an unknown SKU", "GET", "/v1/stock/nothing", ``, nil, 404},
		{"a SKU that cannot be one", "GET", "/v1/stock/Big%20Widget", ``, nil, 400},
		{"an unknown order", "GET", "/v1/reservations/019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42", ``, nil, 404},
		{"an order id that is none", "GET", "/v1/reservations/42", ``, nil, 400},
		{"an unknown path", "GET", "/v1/stocks", ``, nil, 404},
		{"a wrong method", "DELETE", "/v1/stock/widget", ``, nil, 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range c.header {
				request.Header.Set(name, value)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != c.status || response.Header.Get("Content-Type") != problem.ContentType {
				t.Errorf("answered %s %s %s, want a problem with status %d", response.Status, response.Header.Get("Content-Type"), body, c.status)
			}
			checkAvailable(t, pool, "widget", 1_000_000)
		})
	}
}

func adjustBy(t *testing.T, client *api.ClientWithResponses, sku, key string, delta int64, reason string) *api.AdjustStockResponse {
	t.Helper()
	answer, err := client.AdjustStockWithResponse(t.Context(), sku, &api.AdjustStockParams{IdempotencyKey: key},
		api.NewAdjustment{Delta: &delta, Reason: reason})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func checkAvailable(t *testing.T, pool *pgxpool.Pool, sku string, want int64) {
	t.Helper()
	level, err := stockOf(t.Context(), pool, sku)
	if err != nil || level.Available != want {
		t.Errorf("%d of %s are available, %v; want %d", level.Available, sku, err, want)
	}
}

func TestAPI_ADatabaseThatIsAwayIsA503(t *testing.T) {
	t.Parallel()
	_, url := serve(t, testkit.NoDatabase(t))
	for _, r := range [][3]string{
		{"GET", "/v1/stock", ""}, {"GET", "/v1/stock/widget", ""}, {"GET", "/v1/reservations/" + uuid.NewString(), ""},
		{"POST", "/v1/stock/widget/adjustments", `{"delta": 1, "reason": "counted"}`},
	} {
		request, err := http.NewRequestWithContext(t.Context(), r[0], url+r[1], strings.NewReader(r[2]))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"k"}}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || answer.Header.Get("Content-Type") != problem.ContentType {
			t.Errorf("%s %s: %d %v", r[0], r[1], answer.StatusCode, answer.Header)
		}
	}
}
