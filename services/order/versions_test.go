package order

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/services/order/api"
	"example.com/ordersaga/services/order/apiversion"
)

const (
	bodyV2 = `{"customer_id": "ada", "items": [{"sku": "widget", "quantity": 2}], "payment_method": "tok_visa", "contact_email": "ada@customers.example",
		"ship_to": {"recipient": "Ada", "address": {"street": "Rue 1", "city": "Bern", "postal_code": "3000", "country": "CH"}}}`
	plainJSON = apiversion.PlainJSON
	mediaV1   = "application/vnd.ordersaga.v1+json"
	mediaV2   = "application/vnd.ordersaga.v2+json"
)

func TestVersion_IsChosenByAddressHeaderOrMediaType(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.placed("k").Id
	for _, test := range []struct {
		name    string
		address string   // before the order's own
		header  []string // names and values in turn
		version string   // of the answer
		media   string
	}{
		{"no version is the first", "", nil, "1", plainJSON},
		{"by address, the first", "/v1", nil, "1", plainJSON},
		{"by address, the second", "/v2", nil, "2", plainJSON},
		{"by header, the first", "", []string{"API-Version", "1"}, "1", plainJSON},
		{"by header, the second", "", []string{"API-Version", "2"}, "2", plainJSON},
		{"by media type, the first", "", []string{"Accept", mediaV1}, "1", mediaV1},
		{"by media type, the second", "", []string{"Accept", mediaV2}, "2", mediaV2},
		{"plain JSON names none", "", []string{"Accept", "application/json"}, "1", plainJSON},
		{"anything names none", "", []string{"Accept", "*/*"}, "1", plainJSON},
		{"any JSON names none", "", []string{"Accept", "application/*"}, "1", plainJSON},
		{"the newer of two that are liked alike", "", []string{"Accept", mediaV1 + ", " + mediaV2}, "2", mediaV2},
		{"the better liked", "", []string{"Accept", mediaV1 + ", " + mediaV2 + ";q=0.5"}, "1", mediaV1},
		{"a named one before anything", "", []string{"Accept", "*/*;q=0.8, " + mediaV2}, "2", mediaV2},
		{"anything before a named one that is liked less", "", []string{"Accept", "*/*, " + mediaV2 + ";q=0.1"}, "1", plainJSON},
		{"in two headers", "", []string{"Accept", "text/html", "Accept", mediaV2}, "2", mediaV2},
		{"header and media type agree", "", []string{"API-Version", "2", "Accept", mediaV2}, "2", mediaV2},
		{"the header chooses, plain JSON is liked", "", []string{"API-Version", "2", "Accept", "application/json"}, "2", plainJSON},
		{"address and header agree", "/v2", []string{"API-Version", "2"}, "2", plainJSON},
		{"address and media type agree", "/v2", []string{"Accept", mediaV2}, "2", mediaV2},
		{"an old client of the first address that likes something else", "/v1", []string{"Accept", "text/html"}, "1", plainJSON},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := s.send(http.MethodGet, test.address+"/orders/"+id, "", test.header...)
			same(t, "status", got.status, http.StatusOK)
			same(t, "version", got.header.Get("API-Version"), test.version)
			same(t, "content type", got.header.Get("Content-Type"), test.media)
			same(t, "vary", got.header.Get("Vary"), "Accept, API-Version")
			same(t, "its body is in version 2", strings.Contains(got.body, `"recipient"`), test.version == "2")
		})
	}
}

func TestVersion_AnUnknownOneIsAProblem(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, test := range []struct {
		name    string
		address string
		header  []string
		status  int
		detail  string
	}{
		{"in the address", "/v3", nil, http.StatusNotFound, `the address asks for version "3"; there are 1 and 2`},
		{"in the address, in another spelling", "/v01", nil, http.StatusNotFound, `"01"`},
		{"in the header", "", []string{"API-Version", "3"}, http.StatusBadRequest, `API-Version asks for version "3"; there are 1 and 2`},
		{"in words", "", []string{"API-Version", "latest"}, http.StatusBadRequest, `"latest"`},
		{"at length", "", []string{"API-Version", strings.Repeat("9", 1000)}, http.StatusBadRequest, `"99999999999999999999"`},
		{"in two headers", "", []string{"API-Version", "1", "API-Version", "2"}, http.StatusBadRequest, `"1, 2"`},
		{"address and header differ", "/v1", []string{"API-Version", "2"}, http.StatusBadRequest, "asks for version 2, another part of the request for 1"},
		{"header and body differ", "", []string{"API-Version", "1", "Content-Type", mediaV2}, http.StatusBadRequest, "the body's media type asks for version 2"},
		{"in the body's media type", "", []string{"Content-Type", "application/vnd.ordersaga.v3+json"}, http.StatusUnsupportedMediaType, `"3"`},
		{"a media type that there is not", "", []string{"Accept", "application/vnd.ordersaga.v3+json"}, http.StatusNotAcceptable, mediaV1},
		{"something else altogether", "", []string{"Accept", "text/html"}, http.StatusNotAcceptable, "application/json"},
		{"nothing that is liked", "", []string{"Accept", "application/json;q=0, text/html"}, http.StatusNotAcceptable, "application/json"},
		{"what cannot be read is not liked", "", []string{"Accept", "application/json;q=much"}, http.StatusNotAcceptable, "application/json"},
		{"header and media type differ", "", []string{"API-Version", "1", "Accept", mediaV2}, http.StatusNotAcceptable, mediaV1},
		{"address and media type differ", "/v1", []string{"Accept", mediaV2}, http.StatusNotAcceptable, mediaV1},
	} {
		header := append([]string{"Idempotency-Key", test.name}, test.header...)
		if !slices.Contains(header, "Content-Type") {
			header = append(header, "Content-Type", plainJSON)
		}
		got := s.send(http.MethodPost, test.address+"/orders", body, header...)
		isProblem(t, got, test.status)
		if !strings.Contains(got.body, strings.ReplaceAll(test.detail, `"`, `\"`)) {
			t.Errorf("%s: the detail is %s, want %q", test.name, got.body, test.detail)
		}
	}
	s.holdsNothing(t)
}

// One key stands for one request in one version. However the version is chosen, it is the same request.
func TestVersion_AKeyIsTheSameHoweverItIsChosen(t *testing.T) {
	t.Parallel()
	s := open(t)
	first := s.send(http.MethodPost, "/v2/orders", bodyV2, "Content-Type", plainJSON, "Idempotency-Key", "k")
	same(t, "status", first.status, http.StatusAccepted)
	for name, header := range map[string][]string{
		"by header":      {"Content-Type", plainJSON, "API-Version", "2"},
		"by the body":    {"Content-Type", mediaV2},
		"by the answer":  {"Content-Type", plainJSON, "Accept", mediaV2},
		"by all of them": {"Content-Type", mediaV2, "Accept", mediaV2, "API-Version", "2"},
		"with a charset": {"Content-Type", mediaV2 + "; charset=utf-8"},
	} {
		again := s.send(http.MethodPost, "/orders", bodyV2, append(header, "Idempotency-Key", "k")...)
		same(t, name+": status", again.status, http.StatusAccepted)
		same(t, name+": body", again.body, first.body)
		same(t, name+": location", again.header.Get("Location"), first.header.Get("Location"))
		same(t, name+": replayed", again.header.Get(idempotency.Replayed), "true")
		same(t, name+": version", again.header.Get("API-Version"), "2")
	}
	same(t, "orders", count(t, s.pool, `SELECT count(*) FROM orders`), 1)
}

// A client that goes over to another version between two tries must not order twice, and could not read the
// first answer. It is refused.
func TestVersion_AKeyOfOneIsRefusedInTheOther(t *testing.T) {
	t.Parallel()
	s := open(t)
	same(t, "first, in 1", s.place("one", body).status, http.StatusAccepted)
	isProblem(t, s.send(http.MethodPost, "/v2/orders", bodyV2, "Content-Type", plainJSON, "Idempotency-Key", "one"), http.StatusUnprocessableEntity)
	same(t, "first, in 2", s.send(http.MethodPost, "/v2/orders", bodyV2, "Content-Type", plainJSON, "Idempotency-Key", "two").status, http.StatusAccepted)
	isProblem(t, s.place("two", body), http.StatusUnprocessableEntity)
	same(t, "orders", count(t, s.pool, `SELECT count(*) FROM orders`), 2)
	same(t, "again, in 1", s.place("one", body).header.Get(idempotency.Replayed), "true")
}

func TestVersion_TheFirstNamesItsSunset(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.placed("k").Id
	for _, test := range []struct {
		path, successor string
		header          []string
	}{
		{"/v1/orders/" + id, "/v2/orders/" + id, nil},
		{"/v1/orders", "/v2/orders", nil},
		{"/v1/orders?limit=0", "/v2/orders", nil}, // a problem, too
		{"/orders/" + id, "/v2/orders/" + id, nil},
		{"/v2/orders/" + id, "", nil},
		{"/orders/" + id, "", []string{"API-Version", "2"}},
		{"/v1/orders/" + id + "/saga", "", nil}, // there is no other
		{"/nothing", "", nil},
	} {
		got := s.send(http.MethodGet, test.path, "", test.header...)
		deprecation, sunset, link := "", "", ""
		if test.successor != "" {
			deprecation, sunset, link = "@1795564800", "Tue, 30 Nov 2027 00:00:00 GMT", "<"+test.successor+`>; rel="successor-version"`
		}
		same(t, test.path+": Deprecation", got.header.Get("Deprecation"), deprecation)
		same(t, test.path+": Sunset", got.header.Get("Sunset"), sunset)
		same(t, test.path+": Link", got.header.Get("Link"), link)
	}
}

// cache keeps answers as RFC 9111 wants it: by address, and by those headers that Vary names.
type cache struct {
	s    *shop
	kept map[string][]kept
}

type kept struct {
	asked http.Header
	answer
}

func (c cache) get(path string, header ...string) answer {
	asked := http.Header{}
	for i := 0; i < len(header); i += 2 {
		asked.Add(header[i], header[i+1])
	}
	for _, k := range c.kept[path] {
		matches := true
		for name := range strings.SplitSeq(k.header.Get("Vary"), ", ") {
			matches = matches && slices.Equal(asked.Values(name), k.asked.Values(name))
		}
		if matches {
			return k.answer
		}
	}
	got := c.s.send(http.MethodGet, path, "", header...)
	c.kept[path] = append(c.kept[path], kept{asked, got})
	return got
}

// An address that answers in two versions is where caches go wrong.
func TestVersion_ACacheNeverAnswersInAnother(t *testing.T) {
	t.Parallel()
	s := open(t)
	path := "/orders/" + s.placed("k").Id
	between := cache{s, map[string][]kept{}}
	for range 2 {
		for version, choices := range map[string][][]string{
			"1": {nil, {"API-Version", "1"}, {"Accept", mediaV1}, {"Accept", "*/*"}},
			"2": {{"API-Version", "2"}, {"Accept", mediaV2}, {"API-Version", "2", "Accept", mediaV2}},
		} {
			for _, header := range choices {
				got := between.get(path, header...)
				same(t, fmt.Sprintf("asked with %v: version", header), got.header.Get("API-Version"), version)
				same(t, "cache control", got.header.Get("Cache-Control"), "private, no-cache")
			}
		}
	}
	same(t, "answers kept", len(between.kept[path]), 7)
}

// The fourth way needs no version: what is added and optional breaks nobody. These are what clients of the first
// version were once promised, and waiting_for is what was added since.
func TestVersion_AdditionsToTheFirstBreakNoClient(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	promised := []string{
		"created_at", "customer_id", "deadline", "id", "incidents", "items", "payment_method", "ship_to", "status", "total", "updated_at",
	}
	order := spec.Components.Schemas["Order"].Value
	same(t, "what every order has", slices.Sorted(slices.Values(order.Required)), promised)
	same(t, "waiting_for is there", order.Properties["waiting_for"] != nil, true)
	placed := spec.Components.Schemas["NewOrder"].Value
	same(t, "what an order must have", slices.Sorted(slices.Values(placed.Required)), []string{"customer_id", "items", "payment_method", "ship_to"})

	s := open(t)
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s.place("k", body).body), &got); err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, field := range promised {
		if len(got[field]) == 0 {
			t.Errorf("an order lacks %s", field)
			continue
		}
		kept++
	}
	t.Logf("measured: %d of 11 promised fields kept", kept)
}

// versioned matches the addresses of the contract that have a version to choose.
var versioned = regexp.MustCompile(`^/v1(/orders(?:/[^/]+(?:/cancel)?)?)$`)

// negotiated.yaml describes what is answered where the address has no version.
func TestVersion_AddressesWithoutOneAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	loader := openapi3.NewLoader()
	loader.IsExternalRefsAllowed = true
	negotiated, err := loader.LoadFromFile("api/negotiated.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := negotiated.Validate(loader.Context); err != nil {
		t.Fatal(err)
	}
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range spec.Paths.Map() {
		at := versioned.FindStringSubmatch(path)
		if at == nil {
			continue
		}
		for method := range item.Operations() {
			for _, address := range []string{"/v1" + at[1], "/v2" + at[1]} {
				if spec.Paths.Find(address) == nil || spec.Paths.Find(address).GetOperation(method) == nil {
					t.Errorf("%s %s is missing in the contract", method, address)
				}
			}
			if negotiated.Paths.Find(at[1]) == nil || negotiated.Paths.Find(at[1]).GetOperation(method) == nil {
				t.Errorf("%s %s is missing in negotiated.yaml", method, at[1])
			}
		}
	}
	for path, item := range negotiated.Paths.Map() {
		for method, operation := range item.Operations() {
			if spec.Paths.Find("/v2"+path) == nil || spec.Paths.Find("/v2"+path).GetOperation(method) == nil {
				t.Errorf("%s %s has no operation behind it", method, path)
			}
			for status, answer := range operation.Responses.Map() {
				if strings.HasPrefix(status, "2") {
					types := []string{}
					for media := range answer.Value.Content {
						types = append(types, media)
					}
					same(t, method+" "+path, slices.Sorted(slices.Values(types)), []string{plainJSON, mediaV1, mediaV2})
				}
			}
		}
	}
}
