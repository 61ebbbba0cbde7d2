package idempotency

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/ordersaga/pkg/problem"
)

func TestRequest_TheKeyIsReadFromTheHeader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		header []string
		key    string // empty: refused
	}{
		{"a bare token", []string{"8e03978e-40d5-43dd-bc93-6894a57f9324"}, "8e03978e-40d5-43dd-bc93-6894a57f9324"},
		{"a quoted string names the same key", []string{`"8e03978e"`}, "8e03978e"},
		{"escapes in a quoted string", []string{`"a\"b\\c"`}, `a"b\c`},
		{"white space around it", []string{" \tabc "}, "abc"},
		{"255 characters", []string{strings.Repeat("k", 255)}, strings.Repeat("k", 255)},
		{"255 characters in quotes", []string{`"` + strings.Repeat("k", 255) + `"`}, strings.Repeat("k", 255)},
		{"every visible character but the quote", []string{"!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"}, "!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"},
		{"none", nil, ""},
		{"two", []string{"a", "b"}, ""},
		{"empty", []string{""}, ""},
		{"empty in quotes", []string{`""`}, ""},
		{"256 characters", []string{strings.Repeat("k", 256)}, ""},
		{"256 characters in quotes", []string{`"` + strings.Repeat("k", 256) + `"`}, ""},
		{"a space inside", []string{"a b"}, ""},
		{"a space inside quotes", []string{`"a b"`}, ""},
		{"a control character", []string{"a\x01b"}, ""},
		{"delete", []string{"a\x7fb"}, ""},
		{"not ASCII", []string{"schlüssel"}, ""},
		{"a quote inside a bare token", []string{`a"b`}, ""},
		{"a quote that does not end", []string{`"abc`}, ""},
		{"an escape that does not end", []string{`"abc\`}, ""},
		{"an escape that means nothing", []string{`"a\bc"`}, ""},
		{"parameters after the string", []string{`"abc";a=1`}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/v1/orders", nil)
			for _, value := range test.header {
				r.Header.Add(Header, value)
			}
			request, err := FromRequest(r, "orders", []byte(`{}`))
			var refused *problem.Error
			switch {
			case test.key != "" && (err != nil || request.Key != test.key):
				t.Errorf("read %q, %v; want %q", request.Key, err, test.key)
			case test.key == "" && (!errors.As(err, &refused) || refused.Status != http.StatusBadRequest):
				t.Errorf("read %q, %v; want a 400", request.Key, err)
			}
		})
	}
}

func TestRequest_TheFingerprintDistinguishesRequests(t *testing.T) {
	t.Parallel()
	const body = `{"sku":"widget","quantity":2,"to":{"city":"Bern","country":"CH"}}`
	tests := []struct {
		name, method, path, body string
		same                     bool
	}{
		{"the same bytes", "POST", "/v1/orders", body, true},
		{"other white space", "POST", "/v1/orders", "{ \"sku\": \"widget\",\n\t\"quantity\": 2, \"to\": {\"city\":\"Bern\", \"country\":\"CH\"}}\n", true},
		{"another order of keys, inside too", "POST", "/v1/orders", `{"to":{"country":"CH","city":"Bern"},"quantity":2,"sku":"widget"}`, true},
		{"an escape for the same letter", "POST", "/v1/orders", strings.Replace(body, "Bern", `\u0042ern`, 1), true},
		{"another number", "POST", "/v1/orders", strings.Replace(body, "2", "3", 1), false},
		{"a number as a string", "POST", "/v1/orders", strings.Replace(body, "2", `"2"`, 1), false},
		{"a large number that a float would round", "POST", "/v1/orders", strings.Replace(body, "2", "9007199254740993", 1), false},
		{"one more key", "POST", "/v1/orders", strings.Replace(body, "{", `{"note":"x",`, 1), false},
		{"another path", "POST", "/v1/refunds", body, false},
		{"another method", "PUT", "/v1/orders", body, false},
		{"something after the body", "POST", "/v1/orders", body + "{}", false},
		{"not JSON", "POST", "/v1/orders", "sku=widget", false},
		{"nothing", "POST", "/v1/orders", "", false},
	}
	want := fingerprintOf(t, "POST", "/v1/orders", body)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := fingerprintOf(t, test.method, test.path, test.body)
			if bytes.Equal(got, want) != test.same {
				t.Errorf("same is %v, want %v", !test.same, test.same)
			}
		})
	}
	for _, pair := range [][2]string{ // a decoder makes the same of both
		{"{\"name\":\"a\xff\"}", "{\"name\":\"a\xfe\"}"},
		{"{\"a\xff\":1}", "{\"a\xfe\":1}"},
		{`{"name":"a\ud83d"}`, `{"name":"a\ud83e"}`},
		{`{"amount":1,"amount":2}`, `{"amount":3,"amount":2}`},
	} {
		if bytes.Equal(fingerprintOf(t, "POST", "/", pair[0]), fingerprintOf(t, "POST", "/", pair[1])) {
			t.Errorf("%q and %q are taken for one", pair[0], pair[1])
		}
	}
	if bytes.Equal(fingerprintOf(t, "POST", "/", "9007199254740993"), fingerprintOf(t, "POST", "/", "9007199254740992")) {
		t.Error("two large numbers are taken for one")
	}
}

func TestRequest_AGeneratedHandlersBodyHasTheFingerprintOfItsBytes(t *testing.T) {
	t.Parallel()
	type body struct {
		SKU      string `json:"sku"`
		Quantity int    `json:"quantity"`
	}
	request, err := ForOperation("POST /v1/orders", "orders", `"k"`, body{"widget", 2})
	if err != nil {
		t.Fatal(err)
	}
	if want := fingerprintOf(t, "POST", "/v1/orders", `{"quantity": 2, "sku": "widget"}`); !bytes.Equal(request.Fingerprint, want) {
		t.Error("the fingerprints differ")
	}
	if request.Key != "k" || request.Scope != "orders" {
		t.Errorf("got %+v", request)
	}
}

func fingerprintOf(t *testing.T, method, path, body string) []byte {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set(Header, "k")
	request, err := FromRequest(r, "orders", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return request.Fingerprint
}

func TestWrite_AReplayDiffersInOneHeader(t *testing.T) {
	t.Parallel()
	answer := Response{Status: 202, Header: map[string]string{"Content-Type": "application/json", "Location": "/v1/orders/1"}, Body: []byte("{\"id\": 1}\n")}
	for _, replayed := range []bool{false, true} {
		w := httptest.NewRecorder()
		if err := Write(w, answer, replayed); err != nil {
			t.Fatal(err)
		}
		if w.Code != 202 || w.Body.String() != "{\"id\": 1}\n" || w.Header().Get("Location") != "/v1/orders/1" ||
			w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("replayed %v: %d %v %q", replayed, w.Code, w.Header(), w.Body)
		}
		if got := w.Header().Get(Replayed) == "true"; got != replayed {
			t.Errorf("%s says %v, want %v", Replayed, got, replayed)
		}
	}
}
