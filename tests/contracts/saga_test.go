package contracts

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

const (
	sagaPage = "../../docs/saga.md"
	// paymentPage has the states of payment, which has more of them than the others together.
	paymentPage = "../../docs/payment.md"
	asyncDoc    = "../../pkg/events/asyncapi.yaml"
)

// TestSaga_WhatIsGeneratedFollowsFromTheTable: the AsyncAPI document, the table for readers and the first diagram of the
// saga's page. `make generate` writes them.
func TestSaga_WhatIsGeneratedFollowsFromTheTable(t *testing.T) {
	t.Parallel()
	replaced(t, asyncDoc, regexp.MustCompile(`(?s)channels:\n.*`), asyncAPIOf(t))
	replaced(t, "../../docs/reference/saga.md", regexp.MustCompile(`(?s)\| Cause \| Service .*`), table())
	replaced(t, sagaPage, regexp.MustCompile("(?s)```mermaid\nflowchart LR\n.*?```"), flowchart())
}

// replaced wants a part of a file to be what it should be; WRITE_SAGA=1 writes it.
func replaced(t *testing.T, file string, part *regexp.Regexp, want string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("WRITE_SAGA") != "" {
		content = part.ReplaceAllLiteral(content, []byte(want))
		if err := os.WriteFile(file, content, 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	if got := string(part.Find(content)); got != want {
		t.Errorf("%s does not follow from the saga's table; make generate writes it anew. It has\n%s\nand should have\n%s", file, got, want)
	}
}

// table is the saga's table for people.
func table() string {
	var b strings.Builder
	b.WriteString("| Cause | Service | State before → after | Publishes | What it does |\n|---|---|---|---|---|\n")
	quoted := func(names []string) string {
		var all []string
		for _, name := range names {
			all = append(all, "`"+name+"`")
		}
		return strings.Join(all, ", ")
	}
	for i, row := range append(slices.Clone(events.Saga), events.Repetitions...) {
		cause, after := row.Cause, row.To
		if slices.Contains(events.Names(), cause) {
			cause = "`" + cause + "`"
		}
		if after == "" {
			after = "unchanged"
		}
		before := strings.Join(row.From, " or ")
		if before == events.NoRow {
			before = "–"
		}
		if i >= len(events.Saga) && cause != row.Cause {
			cause += ", repeated"
		}
		fmt.Fprintf(&b, "| %s | %s | %s → %s | %s | %s |\n", cause, row.Service, before, after, quoted(row.Publishes), row.Does)
	}
	return b.String()
}

// between are the names of the events that one service publishes and another one consumes.
func between(publisher, consumer events.Service) []string {
	var names []string
	for _, typ := range events.Subscriptions[consumer] {
		if slices.Contains(events.Publications[publisher], typ) {
			names = append(names, typ.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names) // a second version is the same event in another form
}

// flowchart is who publishes what to whom.
func flowchart() string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart LR\n")
	for _, publisher := range events.Services {
		for _, consumer := range events.Consumers {
			if names := between(publisher, consumer); len(names) > 0 {
				fmt.Fprintf(&b, "    %s -->|%s| %s\n", publisher, strings.Join(names, "<br>"), consumer)
			}
		}
	}
	return b.String() + "```"
}

// TestSaga_DrawnDiagramsAreInTheTable: the diagrams of one order's way and of the states are drawn by hand.
func TestSaga_DrawnDiagramsAreInTheTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(sagaPage)
	if err != nil {
		t.Fatal(err)
	}
	letters := map[string]events.Service{"O": events.Order, "I": events.Inventory, "P": events.Payment, "S": events.Shipping}
	arrows := regexp.MustCompile(`(?m)^ +([OIPS])->>([OIPS]): (\w+)$`).FindAllStringSubmatch(string(page), -1)
	for _, arrow := range arrows {
		if from, to := letters[arrow[1]], letters[arrow[2]]; !slices.Contains(between(from, to), arrow[3]) {
			t.Errorf("%s publishes %s to %s only in the diagram", from, arrow[3], to)
		}
	}
	if len(arrows) < 5 {
		t.Errorf("there are only %d arrows in the diagrams", len(arrows))
	}
	payments, err := os.ReadFile(paymentPage)
	if err != nil {
		t.Fatal(err)
	}
	var drawn, want []string
	states := regexp.MustCompile(`(?m)^ +(\S+) --> (\w+)(?: ?:.*)?$`).FindAllStringSubmatch(string(page)+string(payments), -1)
	for _, edge := range states {
		// An operator who names refunds that the gateway shows ends a payment without another call: no event causes that.
		if byHand := edge[1] == "REFUND_REFUSED" && edge[2] == "REFUNDED"; edge[1] != edge[2] && !byHand {
			drawn = append(drawn, strings.Replace(edge[1], "[*]", "", 1)+" to "+edge[2])
		}
	}
	for _, row := range events.Saga {
		for _, from := range row.From {
			from, _, _ = strings.Cut(from, ",") // what a row stores besides its state is no state
			to, _, _ := strings.Cut(row.To, ",")
			if to != "" && to != from {
				want = append(want, from+" to "+to)
			}
		}
	}
	slices.Sort(drawn)
	slices.Sort(want)
	same(t, "the states' diagrams", slices.Compact(drawn), slices.Compact(want))
}

// asyncAPIOf is the AsyncAPI document from its channels on.
func asyncAPIOf(t *testing.T) string {
	t.Helper()
	var types []events.Type
	for _, service := range events.Services {
		types = append(types, events.Publications[service]...)
	}
	var channels, operations, messages strings.Builder
	operation := func(who string, action string, typ events.Type, key string) {
		fmt.Fprintf(&operations, "  %s.%s.%s:\n    action: %[2]s\n    channel:\n      $ref: '#/channels/%[4]s'\n    tags: [{name: %[1]s}]\n",
			who, action, key, channelOf(typ))
	}
	for _, typ := range types {
		fmt.Fprintf(&channels, "  %s:\n    address: %s.{order_id}\n    parameters:\n      order_id:\n        description: "+
			"The order that the event is about, a UUID.\n    messages:\n      %s:\n        $ref: '#/components/messages/%[3]s'\n",
			channelOf(typ), typ, messageOf(typ))
	}
	for _, service := range events.Consumers {
		for _, typ := range events.Publications[service] {
			operation(string(service), "send", typ, messageOf(typ))
		}
		for _, typ := range events.Subscriptions[service] {
			operation(string(service), "receive", typ, channelOf(typ))
		}
	}
	operations.WriteString("  # Where consumers know the first version alone, a translator stands in between.\n")
	operation(natsadmin.Translator, "receive", events.OrderCreatedV2{}.Type(), "OrderCreated.v2")
	operation(natsadmin.Translator, "send", events.OrderCreated{}.Type(), "OrderCreated")
	seen := map[string]bool{}
	for _, typ := range types {
		if name := messageOf(typ); !seen[name] {
			seen[name] = true
			fmt.Fprintf(&messages, "    %s:\n      name: %s\n      title: %[2]s\n      summary: %q\n      contentType: application/cloudevents+json\n"+
				"      payload:\n        schemaFormat: application/schema+json;version=draft-2020-12\n        schema:\n          allOf:\n"+
				"            - $ref: schemas/envelope.v2.json\n            - properties:\n                data:\n"+
				"                  $ref: schemas/%s.v%d.json\n      examples:\n        - payload: %s\n",
				name, typ.Name, descriptionOf(t, typ), typ.Name, typ.Major, exampleOf(t, typ))
		}
	}
	return "channels:\n" + channels.String() + "operations:\n" + operations.String() + "components:\n  messages:\n" + messages.String()
}

// messageOf is the document's name of an event; the first version goes by the event's name alone.
func messageOf(typ events.Type) string {
	return strings.TrimSuffix(events.Version{Name: typ.Name, Major: typ.Major}.String(), ".v1")
}

// channelOf is the document's name of a type; incidents have one channel for each service.
func channelOf(typ events.Type) string {
	if strings.HasPrefix(typ.Name, "Incident") {
		return string(typ.Service) + "." + messageOf(typ)
	}
	return messageOf(typ)
}

// exampleOf is an event of this type as it is published: JSON is YAML.
func exampleOf(t *testing.T, typ events.Type) string {
	t.Helper()
	message, err := events.Examples.ReadFile(fmt.Sprintf("testdata/%s.v%d.json", typ.Name, typ.Major))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(message)), "\n", "\n            ")
}

// descriptionOf is the description in an event's schema.
func descriptionOf(t *testing.T, typ events.Type) string {
	t.Helper()
	text, err := events.Schemas.ReadFile(fmt.Sprintf("schemas/%s.v%d.json", typ.Name, typ.Major))
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Description string `json:"description"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema.Description
}
