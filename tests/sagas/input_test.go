package sagas

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

// bad is a request that must be refused, and how.
type bad struct {
	name    string
	service string
	method  string
	path    string
	body    string
	header  []string // names and values in turn, on top of or instead of the usual ones; an empty value takes one away
	status  int
}

const (
	wanted = `{"customer_id": "ada", "items": [{"sku": "widget", "quantity": 1}], "payment_method": "tok_visa",
		"ship_to": {"name": "Ada", "street": "Rue 1", "city": "Bern", "postal_code": "3000", "country": "CH"}}`
	adjustment = `{"delta": 1, "reason": "found one"}`
	charge     = `{"reference": "invoice-1", "amount": 100, "currency": "USD", "payment_method": "tok_visa"}`
	refund     = `{"charge_id": "ch_1", "amount": 100, "currency": "USD"}`
	nobody     = "019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42" // no order's id
)

// posts are the requests with a body, each with a good one.
var posts = []bad{
	{service: "order", path: "/v1/orders", body: wanted},
	{service: "inventory", path: "/v1/stock/widget/adjustments", body: adjustment},
	{service: "payment", path: "/v1/charges", body: charge},
	{service: "payment", path: "/v1/refunds", body: refund},
}

// badPosts is what is wrong with any of them in the same way.
func badPosts() []bad {
	var all []bad
	for _, good := range posts {
		for _, b := range []bad{
			{name: "no body", body: "", status: http.StatusBadRequest},
			{name: "malformed JSON", body: `{"customer_id": `, status: http.StatusBadRequest},
			{name: "two JSON values", body: good.body + good.body, status: http.StatusBadRequest},
			{name: "not JSON by its type", body: good.body, header: []string{"Content-Type", "text/plain"}, status: http.StatusUnsupportedMediaType},
			{name: "no type", body: good.body, header: []string{"Content-Type", ""}, status: http.StatusUnsupportedMediaType},
			{name: "an array", body: "[" + good.body + "]", status: http.StatusUnprocessableEntity},
			{name: "null", body: "null", status: http.StatusUnprocessableEntity},
			{name: "empty object", body: "{}", status: http.StatusUnprocessableEntity},
			{name: "unknown field", body: `{"surprise": 1, ` + good.body[1:], status: http.StatusUnprocessableEntity},
			{name: "too large", body: strings.TrimSuffix(good.body, "}") + `, "surprise": "` + strings.Repeat("x", 17<<10) + `"}`, status: http.StatusRequestEntityTooLarge},
			{name: "no idempotency key", body: good.body, header: []string{"Idempotency-Key", ""}, status: http.StatusBadRequest},
			{name: "key with a space", body: good.body, header: []string{"Idempotency-Key", "a b"}, status: http.StatusBadRequest},
			{name: "key that is too long", body: good.body, header: []string{"Idempotency-Key", strings.Repeat("k", 256)}, status: http.StatusBadRequest},
			{name: "key that is not ASCII", body: good.body, header: []string{"Idempotency-Key", "schlüssel"}, status: http.StatusBadRequest},
			{name: "wrong method", body: good.body, method: http.MethodDelete, status: http.StatusMethodNotAllowed},
		} {
			b.service, b.path = good.service, good.path
			all = append(all, b)
		}
	}
	return all
}

// badOrders, and the others below, is what is wrong with one of them only.
func badOrders() []bad {
	var all []bad
	for name, change := range map[string][2]string{
		"unknown SKU":               {`"widget"`, `"perpetuum-mobile"`},
		"empty SKU":                 {`"widget"`, `""`},
		"zero quantity":             {`"quantity": 1`, `"quantity": 0`},
		"negative quantity":         {`"quantity": 1`, `"quantity": -1`},
		"huge quantity":             {`"quantity": 1`, `"quantity": 1000001`},
		"quantity beyond 64 bits":   {`"quantity": 1`, `"quantity": 92233720368547758080`},
		"half a piece":              {`"quantity": 1`, `"quantity": 0.5`},
		"quantity in words":         {`"quantity": 1`, `"quantity": "one"`},
		"no items":                  {`[{"sku": "widget", "quantity": 1}]`, `[]`},
		"too many lines":            {`[{"sku": "widget", "quantity": 1}]`, `[` + strings.Repeat(`{"sku": "widget", "quantity": 1},`, 50) + `{"sku": "gizmo", "quantity": 1}]`},
		"the same SKU twice":        {`{"sku": "widget", "quantity": 1}`, `{"sku": "widget", "quantity": 1}, {"sku": "widget", "quantity": 1}`},
		"unknown field in a line":   {`"quantity": 1`, `"quantity": 1, "unit_price": 1`},
		"a card number":             {`tok_visa`, `4242424242424242`},
		"no payment method":         {`"tok_visa"`, `""`},
		"country in lower case":     {`"CH"`, `"ch"`},
		"country of three letters":  {`"CH"`, `"CHE"`},
		"no customer":               {`"ada"`, `""`},
		"NUL in a name":             {`"Ada"`, `"A\u0000da"`},
		"a contact that is none":    {`{"customer_id"`, `{"contact_email": "ada", "customer_id"`},
		"a contact with a header":   {`{"customer_id"`, `{"contact_email": "ada@customers.example\r\nBcc: all@customers.example", "customer_id"`},
		"expected total is wrong":   {`{"customer_id"`, `{"expected_total": {"amount": 1, "currency": "USD"}, "customer_id"`},
		"expected in another money": {`{"customer_id"`, `{"expected_total": {"amount": 1999, "currency": "EUR"}, "customer_id"`},
	} {
		all = append(all, bad{name: name, service: "order", path: "/v1/orders", body: strings.Replace(wanted, change[0], change[1], 1), status: http.StatusUnprocessableEntity})
	}
	return all
}

var badOthers = []bad{
	{name: "unknown order", service: "order", method: http.MethodGet, path: "/v1/orders/" + nobody, status: http.StatusNotFound},
	{name: "order id that is none", service: "order", method: http.MethodGet, path: "/v1/orders/1", status: http.StatusNotFound},
	{name: "unknown order cancelled", service: "order", path: "/v1/orders/" + nobody + "/cancel", status: http.StatusNotFound},
	{name: "cancel by GET", service: "order", method: http.MethodGet, path: "/v1/orders/" + nobody + "/cancel", status: http.StatusMethodNotAllowed},
	{name: "saga of an unknown order", service: "order", method: http.MethodGet, path: "/v1/orders/" + nobody + "/saga", status: http.StatusNotFound},
	{name: "saga of an id that is none", service: "order", method: http.MethodGet, path: "/v1/orders/1/saga", status: http.StatusNotFound},
	{name: "saga by POST", service: "order", path: "/v1/orders/" + nobody + "/saga", status: http.StatusMethodNotAllowed},
	{name: "limit of zero", service: "order", method: http.MethodGet, path: "/v1/orders?limit=0", status: http.StatusBadRequest},
	{name: "limit too high", service: "order", method: http.MethodGet, path: "/v1/orders?limit=201", status: http.StatusBadRequest},
	{name: "limit in words", service: "order", method: http.MethodGet, path: "/v1/orders?limit=all", status: http.StatusBadRequest},
	{name: "unknown status", service: "order", method: http.MethodGet, path: "/v1/orders?status=LOST", status: http.StatusBadRequest},
	{name: "cursor that is none", service: "order", method: http.MethodGet, path: "/v1/orders?cursor=nonsense", status: http.StatusBadRequest},
	{name: "a version that there is not", service: "order", path: "/v3/orders", body: wanted, status: http.StatusNotFound},
	{name: "a version that there is not, in the header", service: "order", path: "/orders", body: wanted, header: []string{"API-Version", "3"}, status: http.StatusBadRequest},
	{name: "a media type that there is not", service: "order", path: "/orders", body: wanted, header: []string{"Accept", "application/vnd.ordersaga.v3+json"}, status: http.StatusNotAcceptable},
	{name: "the first version's body", service: "order", path: "/v2/orders", body: wanted, status: http.StatusUnprocessableEntity},
	{name: "orders by PUT", service: "order", method: http.MethodPut, path: "/v1/orders", body: wanted, status: http.StatusMethodNotAllowed},

	{name: "unknown SKU", service: "inventory", method: http.MethodGet, path: "/v1/stock/perpetuum-mobile", status: http.StatusNotFound},
	{name: "SKU with a slash", service: "inventory", method: http.MethodGet, path: "/v1/stock/a%2Fb", status: http.StatusBadRequest},
	{name: "unknown SKU adjusted", service: "inventory", path: "/v1/stock/perpetuum-mobile/adjustments", body: adjustment, status: http.StatusNotFound},
	{name: "adjustment below zero", service: "inventory", path: "/v1/stock/unobtainium/adjustments", body: `{"delta": -1, "reason": "lost"}`, status: http.StatusConflict},
	{name: "adjustment by nothing", service: "inventory", path: "/v1/stock/widget/adjustments", body: `{"delta": 0, "reason": "why"}`, status: http.StatusUnprocessableEntity},
	{name: "adjustment by too much", service: "inventory", path: "/v1/stock/widget/adjustments", body: `{"delta": 9223372036854775807, "reason": "why"}`, status: http.StatusUnprocessableEntity},
	{name: "adjustment without a reason", service: "inventory", path: "/v1/stock/widget/adjustments", body: `{"delta": 1, "reason": ""}`, status: http.StatusUnprocessableEntity},
	{name: "unknown reservation", service: "inventory", method: http.MethodGet, path: "/v1/reservations/" + nobody, status: http.StatusNotFound},
	{name: "reservation id that is none", service: "inventory", method: http.MethodGet, path: "/v1/reservations/1", status: http.StatusBadRequest},
	{name: "reservation by DELETE", service: "inventory", method: http.MethodDelete, path: "/v1/reservations/" + nobody, status: http.StatusMethodNotAllowed},

	{name: "unknown payment", service: "payment", method: http.MethodGet, path: "/v1/payments/" + nobody, status: http.StatusNotFound},
	{name: "payment id that is none", service: "payment", method: http.MethodGet, path: "/v1/payments/1", status: http.StatusBadRequest},
	{name: "unknown charge", service: "payment", method: http.MethodGet, path: "/v1/charges/invoice-0", status: http.StatusNotFound},
	{name: "unknown charge refunded", service: "payment", path: "/v1/refunds", body: refund, status: http.StatusNotFound},
	{name: "negative charge", service: "payment", path: "/v1/charges", body: strings.Replace(charge, "100", "-100", 1), status: http.StatusUnprocessableEntity},
	{name: "charge of nothing", service: "payment", path: "/v1/charges", body: strings.Replace(charge, "100", "0", 1), status: http.StatusUnprocessableEntity},
	{name: "charge in no money", service: "payment", path: "/v1/charges", body: strings.Replace(charge, "USD", "usd", 1), status: http.StatusUnprocessableEntity},
	{name: "charge of a card number", service: "payment", path: "/v1/charges", body: strings.Replace(charge, "tok_visa", "4242424242424242", 1), status: http.StatusUnprocessableEntity},

	{name: "unknown shipment", service: "shipping", method: http.MethodGet, path: "/v1/shipments/" + nobody, status: http.StatusNotFound},
	{name: "shipment id that is none", service: "shipping", method: http.MethodGet, path: "/v1/shipments/1", status: http.StatusBadRequest},
	{name: "shipment by POST", service: "shipping", path: "/v1/shipments/" + nobody, status: http.StatusMethodNotAllowed},
}

// badInput sends everything that must be refused to every service, and wants a problem document each time,
// and no trace of it in any database.
func badInput(t *testing.T, w *system) {
	all := slices.Concat(badPosts(), badOrders(), badOthers)
	for _, service := range events.Consumers {
		all = append(all,
			bad{name: "unknown address", service: string(service), method: http.MethodGet, path: "/v1/nothing", status: http.StatusNotFound},
			bad{name: "root", service: string(service), method: http.MethodGet, path: "/", status: http.StatusNotFound},
			bad{name: "faults on the public address", service: string(service), method: http.MethodGet, path: "/faults", status: http.StatusNotFound})
	}
	before := w.rows(t)
	for _, b := range all {
		t.Run(b.service+" "+b.path+" "+b.name, func(t *testing.T) { b.refused(t, w) })
	}
	after := w.rows(t)
	for table, n := range after {
		if n != before[table] {
			t.Errorf("%s has %d rows, and had %d before all that was refused", table, n, before[table])
		}
	}
}

func (b bad) refused(t *testing.T, w *system) {
	t.Helper()
	header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {uuid.NewString()}}
	for i := 0; i < len(b.header); i += 2 {
		header.Set(b.header[i], b.header[i+1])
		if b.header[i+1] == "" {
			header.Del(b.header[i])
		}
	}
	if b.method == "" {
		b.method = http.MethodPost
	}
	got := request(t, http.DefaultClient, b.method, w.At.URLs[b.service]+b.path, b.body, header)
	var problem struct {
		Type, Title, Detail string
		Status              int
	}
	if err := json.Unmarshal([]byte(got.body), &problem); err != nil {
		t.Fatalf("answered %d %q, which is no problem document: %v", got.status, got.body, err)
	}
	if got.status != b.status || problem.Status != b.status {
		t.Errorf("answered %d %s, want %d", got.status, got.body, b.status)
	}
	if media := got.header.Get("Content-Type"); media != "application/problem+json" || problem.Type == "" || problem.Title == "" {
		t.Errorf("the problem is %s: %s", media, got.body)
	}
	if b.status == http.StatusMethodNotAllowed && got.header.Get("Allow") == "" {
		t.Error("a 405 without Allow")
	}
	for _, inside := range []string{"SQLSTATE", "pgx", "goroutine", ".go:", "panic"} {
		if strings.Contains(got.body, inside) {
			t.Errorf("the answer tells %q: %s", inside, got.body)
		}
	}
}

// rows counts what every service has stored, apart from the idempotency keys: the answer to a request that
// could be read and was refused on its merits (an unknown SKU, too little stock) may be kept. And apart from what
// changes by itself, whoever asks for what: what payment reads off the gateway's ledger every few seconds, and the
// relay's marks of messages that earlier orders have left (a message itself is a row of outbox_message).
func (w *system) rows(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for service, url := range w.At.Databases {
		tables := kit.Query[[]string](t, url, `SELECT coalesce(array_agg(tablename::text), '{}') FROM pg_tables
			WHERE schemaname = 'public' AND tablename NOT LIKE 'goose%'
				AND tablename NOT IN ('idempotency_key', 'gateway_line', 'outbox_due', 'outbox_mark')`)
		for _, table := range tables {
			all[fmt.Sprintf("%s.%s", service, table)] = kit.Query[int](t, url, `SELECT count(*)::int FROM "`+table+`"`)
		}
	}
	if len(all) < 20 {
		t.Fatalf("only the tables %v were found", slices.Sorted(maps.Keys(all)))
	}
	return all
}
