// Package pacttest is for the tests that detect what a consumer reads, and for those of the provider that it relies on.
//
// What a consumer reads is not declared but detected: each field of a real document is removed in turn, and what the
// consumer's real code then does is compared with what it does with all of them. A field that makes a difference is
// read. The test fails when a document of those fields alone makes one too. So the files of package pact contain what
// the code reads, no more and no less; a change of what it reads makes its test red until `make pacts` has written
// them, in the same commit.
package pacttest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/pkg/events"
)

// Reads are the fields of a document that make a difference to what comes of it.
func Reads(t testing.TB, document []byte, outcome func(document []byte) (string, error)) any {
	t.Helper()
	full, err := pact.Decode(document)
	if err != nil {
		t.Fatal(err)
	}
	want, err := outcome(document)
	if err != nil {
		t.Fatalf("the consumer does not take %s: %v", document, err)
	}
	if again, err := outcome(document); err != nil || again != want {
		t.Fatalf("the same document came to %q and then to %q, %v: nothing can be learned from that", want, again, err)
	}
	var fields []string
	for _, field := range pact.Leaves(full) {
		got, err := outcome(encode(t, pact.Without(full, field)))
		if err != nil || got != want {
			fields = append(fields, field)
		}
	}
	only := pact.Only(full, fields)
	if got, err := outcome(encode(t, only)); err != nil || got != want {
		t.Errorf("with %v alone came %q, %v; with everything %q", fields, got, err, want)
	}
	return pact.Sample(only)
}

// Consumes is what a consumer reads of an event: outcome is what its real code does with the message.
func Consumes(t testing.TB, event events.Type, outcome func(message []byte) (string, error)) pact.Interaction {
	t.Helper()
	content := Reads(t, golden(t, event), outcome)
	rules := pact.Like(content, "$.specversion", "$.type")
	for path, rule := range rules["body"] {
		if field, of := strings.CutPrefix(path, "$.data."); of && optional(t, event, field) {
			rule.Optional = true
			rules["body"][path] = rule
		}
	}
	rules["metadata"] = map[string]pact.Rule{"subject": {Combine: "AND", Matchers: []pact.Matcher{
		{Match: "regex", Regex: "^" + regexp.QuoteMeta(event.String()) + `\.[^.]+$`},
	}}}
	return pact.Interaction{
		Type: pact.Message, Key: event.String(), Description: event.String(),
		Contents:      &pact.Body{Content: encode(t, content), ContentType: events.ContentType},
		MatchingRules: rules,
		Attributes:    map[string]string{"subject": event.SubjectOf(anOrder)},
	}
}

// anOrder is the order in the examples.
const anOrder = "01936f2e-7c00-7000-8000-000000000001"

// optional reports whether an event's schema has this field and does not require it.
func optional(t testing.TB, event events.Type, field string) bool {
	t.Helper()
	version := events.Version{Name: event.Name, Major: event.Major}
	text, err := events.Schemas.ReadFile("schemas/" + version.String() + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]any `json:"properties"`
		Required   []string       `json:"required"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	_, has := schema.Properties[field]
	return has && !slices.Contains(schema.Required, field)
}

// golden is an event as it was published once. The incidents of all services look like the one that was kept.
func golden(t testing.TB, event events.Type) []byte {
	t.Helper()
	version := events.Version{Name: event.Name, Major: event.Major}
	message, err := os.ReadFile(filepath.Join(repository(t), "pkg", "events", "testdata", version.String()+".json"))
	if err != nil {
		t.Fatal(err)
	}
	envelope, _, err := events.Decode(message)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := events.ParseType(envelope.Type)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer(
		kept.String(), event.String(),
		"/services/"+string(kept.Service), "/services/"+string(event.Service),
		`"service":"`+string(kept.Service), `"service":"`+string(event.Service),
		`"service": "`+string(kept.Service), `"service": "`+string(event.Service),
	).Replace(string(message)))
}

// Published are the types of all events that there are.
func Published(t testing.TB) (types []events.Type) {
	t.Helper()
	for _, version := range events.Versions() {
		message, err := os.ReadFile(filepath.Join(repository(t), "pkg", "events", "testdata", version.String()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		_, event, err := events.Decode(message)
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, event.Type())
	}
	return types
}

func encode(t testing.TB, value any) []byte {
	t.Helper()
	content, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// repository is the folder of go.work, above the folder that the test runs in.
func repository(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder
		}
		if folder == filepath.Dir(folder) {
			t.Fatal("no go.work above this test: pacts stand in the repository")
		}
		folder = filepath.Dir(folder)
	}
}
