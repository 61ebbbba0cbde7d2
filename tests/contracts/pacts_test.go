package contracts

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/pkg/events"
)

func pactsOf(t *testing.T) []pact.Pact {
	t.Helper()
	all, err := pact.All()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPacts_EverySubscriptionHasOne(t *testing.T) {
	t.Parallel()
	for service, heard := range events.Subscriptions {
		var want, got []string
		for _, event := range heard {
			want = append(want, event.String())
		}
		for _, p := range pactsOf(t) {
			for _, i := range p.Interactions {
				if p.Consumer.Name == string(service) && i.Type == pact.Message {
					got = append(got, i.Key)
				}
			}
		}
		same(t, string(service)+" has pacts about", got, want)
	}
}

// TestPacts_AreWhatOtherVerifiersReplay: they compare a message's metadata by the rules in the file alone, and send what
// stands in a request, again and again.
func TestPacts_AreWhatOtherVerifiersReplay(t *testing.T) {
	t.Parallel()
	const key = "Idempotency-Key"
	for _, p := range pactsOf(t) {
		for _, i := range p.Interactions {
			what := p.Consumer.Name + "-" + p.Provider.Name + " " + i.Key
			if i.Type == pact.HTTP {
				if len(i.Request.Headers[key]) > 0 && (i.Request.Generators == nil || i.Request.Generators.Header[key].Type != "Uuid") {
					t.Errorf("%s: every request would have the same key", what)
				}
				continue
			}
			typ, err := events.ParseType(i.Key)
			if err != nil {
				t.Fatal(err)
			}
			rule := i.MatchingRules["metadata"]["subject"].Matchers
			if len(rule) != 1 || rule[0].Match != "regex" {
				t.Fatalf("%s: the subject is compared by %v", what, rule)
			}
			for subject, want := range map[string]bool{
				i.Attributes["subject"]: true, typ.SubjectOf("any-other"): true, typ.Filter() + ".more": false, "saga.order.Other.v1.x": false,
			} {
				if got := regexp.MustCompile(rule[0].Regex).MatchString(subject); got != want {
					t.Errorf("%s: takes %s: %v", what, subject, got)
				}
			}
		}
	}
}

func TestPacts_WhatAContractRequiresIsWhatIsRead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, name string, document object) {
		t.Helper()
		var want, got []string
		for _, needs := range unwrittenOf(t, document).Requires.Operations {
			want = append(want, needs.Of+" "+needs.Operation)
		}
		for _, p := range pactsOf(t) {
			for _, i := range p.Interactions {
				if p.Consumer.Name == name && i.Type == pact.HTTP {
					got = append(got, p.Provider.Name+" "+asked(t, p.Provider.Name, *i.Request))
				}
			}
		}
		slices.Sort(got)
		same(t, name+" requires", want, slices.Compact(got))
	})
}

// asked is the operation of a contract that a request is for.
func asked(t *testing.T, provider string, request pact.Request) string {
	t.Helper()
	for id, operation := range operations(contract(t, provider)) {
		have, want := strings.Split(operation.route, "/"), strings.Split(request.Method+" "+request.Path, "/")
		fits := len(have) == len(want)
		for i := range min(len(have), len(want)) {
			fits = fits && (have[i] == want[i] || strings.HasPrefix(have[i], "{"))
		}
		if fits {
			return id
		}
	}
	t.Errorf("%s has no %s %s", provider, request.Method, request.Path)
	return ""
}

func encoded(t *testing.T, value any) []byte {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestGate_RefusesAnEventThatBreaksAPact prints what it refuses, and why.
func TestGate_RefusesAnEventThatBreaksAPact(t *testing.T) {
	t.Parallel()
	message, err := os.ReadFile("../../pkg/events/testdata/PaymentRefunded.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	read, err := pact.Decode(message)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		changed any
		breaks  []string
	}{
		"PaymentRefunded without its reason":           {pact.Without(read, "$.data.reason"), []string{"inventory", "timeline"}},
		"PaymentRefunded without its amount":           {pact.Without(read, "$.data.amount.amount"), []string{"timeline"}},
		"PaymentRefunded without the gateway's refund": {pact.Without(read, "$.data.refund_id"), nil},
	} {
		var refusing []string
		for _, p := range pactsOf(t) {
			for _, i := range p.Interactions {
				if i.Key != (events.PaymentRefunded{}).Type().String() {
					continue
				}
				if wrong := i.Contents.Match(i.MatchingRules, encoded(t, c.changed)); len(wrong) > 0 {
					refusing = append(refusing, p.Consumer.Name)
					t.Logf("refused: %s: %s reads it: %s", what, p.Consumer.Name, strings.Join(wrong, ", "))
				}
			}
		}
		if len(refusing) == 0 {
			t.Logf("accepted: %s: nobody reads it", what)
		}
		same(t, what+" breaks", refusing, c.breaks)
	}
}

// TestGate_RefusesASchemaThatBreaksItsReaders prints what it refuses, and why.
func TestGate_RefusesASchemaThatBreaksItsReaders(t *testing.T) {
	t.Parallel()
	content, err := events.Schemas.ReadFile("schemas/OrderCreated.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct{ old, changed string }{
		"OrderCreated calls the customer something else": {`"customer_id"`, `"buyer_id"`},
		"OrderCreated says the payment method otherwise": {"\"payment_method\": {\n      \"type\": \"string\"", "\"payment_method\": {\n      \"type\": \"object\""},
	} {
		changed := strings.ReplaceAll(string(content), c.old, c.changed)
		if changed == string(content) {
			t.Fatalf("the schema has no %s any more", c.old)
		}
		broken, err := pact.Breaks([]byte(changed))
		if err != nil {
			t.Fatal(err)
		}
		if len(broken) == 0 {
			t.Errorf("accepted: %s", what)
		}
		for _, b := range broken {
			t.Logf("refused: %s: %s reads %s: %s", what, b.Consumer, b.Field, b.Why)
		}
	}
}
