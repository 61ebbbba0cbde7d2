package uniformity

import (
	"os"
	"regexp"
	"testing"

	"example.com/ordersaga/internal/version"
)

func TestVersion_IsTheLastOneInTheChangelog(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	last := regexp.MustCompile(`(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$`).FindSubmatch(text)
	if last == nil || string(last[1]) != version.Number {
		t.Errorf("the changelog's last version is %q, the programs' is %s", last, version.Number)
	}
}
