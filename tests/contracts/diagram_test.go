package contracts

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/pkg/events"
)

const saga = "../../docs/saga.md"

// said are the names of the events that one service says and another hears, as the AsyncAPI document has it.
func said(t *testing.T, by, to events.Service) []string {
	t.Helper()
	_, sends, receives := participants(t)
	var names []string
	for _, subject := range sends[string(by)] {
		if slices.Contains(receives[string(to)], subject) {
			names = append(names, strings.Split(subject, ".")[2])
		}
	}
	slices.Sort(names)
	return slices.Compact(names) // a second version of an event is the same one in other words
}

// TestTheDiagramOfTheSagaIsTheContract: the first diagram is made from the AsyncAPI document, WRITE_DIAGRAM=1 writes it
// anew; those that show one order's way were drawn by hand, and every arrow in them must be in the document.
func TestTheDiagramOfTheSagaIsTheContract(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(saga)
	if err != nil {
		t.Fatal(err)
	}
	derived := regexp.MustCompile("(?s)```mermaid\nflowchart LR\n.*?```")
	want := diagram(t)
	if os.Getenv("WRITE_DIAGRAM") != "" {
		page = derived.ReplaceAllLiteral(page, []byte(want))
		if err := os.WriteFile(saga, page, 0o644); err != nil { //nolint:gosec // documentation, for everybody
			t.Fatal(err)
		}
	}
	if got := string(derived.Find(page)); got != want {
		t.Errorf("it is\n%s\nand the contract says\n%s\ncd tests && WRITE_DIAGRAM=1 go test -run DiagramOfTheSaga ./contracts", got, want)
	}
	letters := map[string]events.Service{"O": events.Order, "I": events.Inventory, "P": events.Payment, "S": events.Shipping}
	arrows := regexp.MustCompile(`(?m)^ +([OIPS])->>([OIPS]): (\w+)$`).FindAllStringSubmatch(string(page), -1)
	for _, arrow := range arrows {
		if by, to := letters[arrow[1]], letters[arrow[2]]; !slices.Contains(said(t, by, to), arrow[3]) {
			t.Errorf("%s says %s to %s only in the diagram", by, arrow[3], to)
		}
	}
	if len(arrows) < 5 {
		t.Errorf("there are only %d arrows in the diagrams", len(arrows))
	}
}

// diagram is who says what to whom.
func diagram(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart LR\n")
	for _, by := range events.Services {
		for _, to := range events.Services {
			if names := said(t, by, to); len(names) > 0 {
				fmt.Fprintf(&b, "    %s -->|%s| %s\n", by, strings.Join(names, "<br>"), to)
			}
		}
	}
	return b.String() + "```"
}
