package quality

import (
	"cmp"
	_ "embed" // the page
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
	"time"
)

// Percent is how many of a hundred scenarios have passed.
func Percent(leaves []Leaf) int {
	return 100 * len(In(leaves, Passed)) / max(1, len(leaves))
}

// In are the scenarios in a state.
func In(leaves []Leaf, state State) (in []Leaf) {
	for _, l := range leaves {
		if l.State == state {
			in = append(in, l)
		}
	}
	return in
}

// Risks are the scenarios of which nothing shows that they hold.
func Risks(leaves []Leaf) (risks []Leaf) {
	for _, l := range leaves {
		if l.State != Passed {
			risks = append(risks, l)
		}
	}
	return risks
}

// Points are the scenarios that are points of a kind.
func Points(leaves []Leaf, kind string) (points []Leaf) {
	for _, l := range leaves {
		if l.Point.Kind == kind {
			points = append(points, l)
		}
	}
	return points
}

// Branch is a part of the utility tree: a quality with its concerns, or a concern with its scenarios.
type Branch struct {
	Name     string
	Branches []Branch
	Leaves   []Leaf
}

// Tree is the utility tree of scenarios that Judge has arranged.
func Tree(leaves []Leaf) []Branch {
	return branch(leaves, func(l Leaf) string { return l.Quality }, func(of []Leaf) []Branch {
		return branch(of, func(l Leaf) string { return l.Concern }, nil)
	})
}

func branch(leaves []Leaf, name func(Leaf) string, below func([]Leaf) []Branch) (branches []Branch) {
	for from := 0; from < len(leaves); {
		to := from
		for to < len(leaves) && name(leaves[to]) == name(leaves[from]) {
			to++
		}
		b := Branch{Name: name(leaves[from]), Leaves: leaves[from:to]}
		if below != nil {
			b.Branches = below(b.Leaves)
		}
		branches = append(branches, b)
		from = to
	}
	return branches
}

// Measured is the number and what it must be: "0 charges too many (exactly 0)".
func (l Leaf) Measured() string {
	bound := l.Measure.Unit + ": " + l.Measure.Bound.String()
	if l.Result == nil || l.Result.Value == nil {
		return bound
	}
	return number(*l.Result.Value) + " " + l.Measure.Unit + " (" + l.Measure.Bound.String() + ")"
}

// Standing is the state with its reason or its day.
func (l Leaf) Standing() string {
	switch {
	case l.State == Accepted || l.State == RiskExpired:
		return string(l.State) + " (" + l.AcceptedRisk.Until + "): " + l.AcceptedRisk.Why
	case l.Result == nil:
		return string(l.State)
	case l.State == Passed || l.State == Stale:
		return string(l.State) + " on " + l.Result.Time.Format(time.DateOnly)
	}
	return string(l.State) + ": " + cmp.Or(l.Result.Why, l.Measured())
}

// Mark is the state as a sign, which stands beside the word.
func (l Leaf) Mark() string {
	switch l.State {
	case Passed:
		return "✓"
	case Failed, RiskExpired:
		return "✗"
	default:
		return "○"
	}
}

//go:embed page.tmpl
var page string

// Page is docs/quality/README.md.
func Page(root string, leaves []Leaf) (string, error) {
	decisions, err := Decisions(root)
	if err != nil {
		return "", err
	}
	draw := template.New("page").Funcs(template.FuncMap{
		"in": In, "percent": Percent, "risks": Risks, "points": Points, "tree": Tree,
		"adr": func(n int) string { return fmt.Sprintf("[%d](../adr/%s)", n, decisions[n]) },
	})
	var b strings.Builder
	if err := template.Must(draw.Parse(page)).Execute(&b, leaves); err != nil {
		return "", err
	}
	terms, err := terms(root, b.String())
	return strings.Replace(b.String(), "TERMS", terms, 1), err
}

// Decisions are the names of the ADRs' files by their numbers.
func Decisions(root string) (map[int]string, error) {
	files, err := filepath.Glob(filepath.Join(root, "docs/adr/[0-9]*.md"))
	names := map[int]string{}
	for _, file := range files {
		var n int
		if _, err := fmt.Sscanf(path.Base(file), "%d-", &n); err == nil {
			names[n] = path.Base(file)
		}
	}
	return names, err
}

var anchor = regexp.MustCompile(`<a id="([^"]+)">`)

// terms are links to those terms of the glossary that the page uses.
func terms(root, page string) (string, error) {
	glossary, err := os.ReadFile(filepath.Join(root, "docs/glossary.md"))
	var links []string
	for _, id := range anchor.FindAllStringSubmatch(string(glossary), -1) {
		term := strings.ReplaceAll(id[1], "-", " ")
		if regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(strings.TrimSuffix(term, "y"))).MatchString(page) {
			links = append(links, fmt.Sprintf("[%s](../glossary.md#%s)", term, id[1]))
		}
	}
	return strings.Join(links, ", "), err
}
