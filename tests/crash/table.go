//go:build crashmatrix

package crash

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"example.com/ordersaga/internal/failpoint"
)

// least is how many combinations a run must have seen.
const least = 120

// check fails when a point has not fired in any combination.
func (f *table) check(t *testing.T) {
	t.Helper()
	fired, points := 0, map[failpoint.Point]bool{}
	for _, c := range combinations() {
		if f.ends[c.String()] != "" {
			fired++
			points[c.point] = true
		}
	}
	for _, p := range failpoint.Points() {
		if !points[p.Point] {
			t.Errorf("%s has not fired in any combination", p.Point)
		}
	}
	t.Logf("%d of %d combinations fired, over %d points", fired, len(combinations()), len(points))
	if fired < least {
		t.Errorf("%d combinations are fewer than %d", fired, least)
	}
}

// intro is what docs/reference/failures.md begins with.
const intro = `# What happens when it crashes here

Made by ` + "`make crash-matrix`" + ` from what it ran and saw; do not edit. Every row is a service killed by SIGKILL at a
named point while an order's saga was under way; afterwards every invariant of ` + "`sagactl verify --at-rest`" + ` held.
The test of a cell is ` + "`TestCrash/at/<point>/<service>/<saga>`" + `. A cell has how the order ended; — stands for a point that
this kind of saga never passes in this service, with the reason below.

`

// write writes docs/reference/failures.md.
func (f *table) write(t *testing.T, path string) {
	t.Helper()
	var b strings.Builder
	b.WriteString(intro + "| Point | Service |")
	for _, scenario := range scenarios {
		fmt.Fprintf(&b, " %s |", scenario.name)
	}
	b.WriteString(" In flight | What heals it | What the customer sees |\n|---|---|")
	b.WriteString(strings.Repeat("---|", len(scenarios)+3) + "\n")
	never := f.rows(&b)
	b.WriteString("\n## The points\n\n")
	for _, p := range failpoint.Points() {
		fmt.Fprintf(&b, "- `%s`: %s\n", p.Point, p.Sentence)
	}
	b.WriteString("\n## What cannot occur\n\n")
	for _, line := range never {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rows writes a row for each point of a service, and returns what cannot occur, with the reasons.
func (f *table) rows(b *strings.Builder) (never []string) {
	for _, p := range failpoint.Points() {
		for _, service := range homes(p.Point) {
			fmt.Fprintf(b, "| `%s` | %s |", p.Point, service)
			for _, scenario := range scenarios {
				c := combination{p.Point, service, scenario}
				end := f.ends[c.String()]
				if end == "" {
					reason, _ := impossible(c)
					never = append(never, fmt.Sprintf("`%s` in %s, %s: %s", p.Point, service, scenario.name, reason))
					end = "—"
				}
				fmt.Fprintf(b, " %s |", end)
			}
			inFlight, heals, customer := healing(p.Point)
			fmt.Fprintf(b, " %s | %s | %s |\n", inFlight, heals, customer)
		}
	}
	return never
}
