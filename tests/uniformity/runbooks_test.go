package uniformity

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/ordersaga/pkg/events"
)

const runbooks = "../../docs/operations.md"

// TestIncidents_EachKindHasARunbookThatATestExecutes compares the kinds in the code with the page, in both directions,
// and the tests that the page names with those that there are.
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
	there := tests(t)
	for _, named := range regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(page), -1) {
		if !slices.Contains(there, named[1]) {
			t.Errorf("the page names %s, which is no test", named[1])
		}
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

// tests are the names of the tests in this repository.
func tests(t *testing.T) (names []string) {
	t.Helper()
	for _, pattern := range []string{"services/*", "services/*/*", "pkg/*", "pkg/*/*", "internal/*", "contracts/*", "apps/*/*", "apps/*/*/*", "tests/*"} {
		files, err := filepath.Glob(filepath.Join("../..", pattern, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
				names = append(names, string(name[1]))
			}
		}
	}
	return names
}
