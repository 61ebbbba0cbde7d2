package uniformity

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"example.com/ordersaga/pkg/events"
)

const runbooks = "../../docs/operations.md"

// TestIncidents_EachKindHasARunbookThatATestExecutes compares the kinds in the code with the page, in both directions.
func TestIncidents_EachKindHasARunbookThatATestExecutes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]string{} // "`kind` (service)": its part of the page
	for _, part := range strings.Split(string(page), "\n### ")[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		written[heading] = text
	}
	opened := map[string]string{"../../internal/incident/incident.go": "every service"}
	for _, service := range events.Consumers {
		opened[filepath.Join(services, string(service), "domain.go")] = string(service)
	}
	opened[filepath.Join(services, "payment/charge/domain.go")] = "payment"
	for file, by := range opened {
		for _, kind := range kinds(t, file) {
			heading := "`" + kind + "` (" + by + ")"
			if _, executed, _ := strings.Cut(written[heading], "Executed by "); !strings.Contains(executed, "`Test") {
				t.Errorf("%s has no runbook with a test that executes it", heading)
			}
			delete(written, heading)
		}
	}
	for heading := range written {
		t.Errorf("%s is no kind of incident", heading)
	}
}

// kinds are the values of a file's constants whose names begin with kind, exported or not.
func kinds(t *testing.T, path string) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "kind") || len(spec.Values) == 0 {
			return true
		}
		if value, ok := spec.Values[0].(*ast.BasicLit); ok {
			kind, err := strconv.Unquote(value.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, kind)
		}
		return true
	})
	return found
}
