package uniformity

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPages_QuoteTheStepAsItIs compares the signature of the saga step that the pages show with the one in the code.
func TestPages_QuoteTheStepAsItIs(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("../../services/inventory/saga.go")
	if err != nil {
		t.Fatal(err)
	}
	signature := strings.TrimSuffix(regexp.MustCompile(`(?m)^func reserve\(.*$`).FindString(string(code)), " {")
	for _, page := range []string{"../../README.md", "../../docs/tour.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if signature == "" || !strings.Contains(string(text), signature+"\n") {
			t.Errorf("%s does not show %q, the step as it is", page, signature)
		}
	}
}
