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

// read takes the cells that an earlier run has written and this one does not try.
func (f *table) read(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, " | ")
		if point, is := strings.CutPrefix(cells[0], "| `"); is && len(cells) > len(scenarios)+2 {
			for i, scenario := range scenarios {
				c := combination{failpoint.Point(strings.TrimSuffix(point, "`")), cells[1], scenario}
				if end := cells[i+2]; end != "—" && !c.wanted() {
					f.ends[c.String()] = end
				}
			}
		}
	}
}

// check fails when a point has not fired in any combination.
func (f *table) check(t *testing.T) {
	t.Helper()
	fired, points := 0, map[failpoint.Point]bool{} // of what was tried: whether any combination fired
	for _, c := range combinations() {
		points[c.point] = points[c.point] || f.ends[c.String()] != ""
		if f.ends[c.String()] != "" {
			fired++
		}
	}
	for _, p := range failpoint.Points() {
		if some, tried := points[p.Point]; (tried || *onlyFlag == "") && !some {
			t.Errorf("%s has not fired in any combination", p.Point)
		}
		if _, heals, _ := healing(p.Point); heals == "" {
			t.Errorf("there are no words on what heals a crash at %s", p.Point)
		}
	}
	t.Logf("%d of %d combinations fired, over %d points", fired, len(combinations()), len(points))
	if fired < least && *onlyFlag == "" {
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
