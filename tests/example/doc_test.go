// Package example is the example of docs/testing.md, run as another team would run it.
package example

import (
	"os"
	"strings"
	"testing"
)

// The page shows the very test that runs here.
func TestPage_ShowsTheTestThatRuns(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```go\n"+string(example)+"```\n") {
		t.Error("docs/testing.md does not show tests/example/example_test.go as it is")
	}
	if lines := strings.Count(string(example), "\n"); lines > 30 {
		t.Errorf("the example has %d lines, more than 30", lines)
	}
}
