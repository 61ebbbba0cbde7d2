package idempotency

import (
	"os/exec"
	"strings"
	"testing"
)

// Another team can use the package: of this repository it brings only the type of an HTTP error.
func TestImports_NothingOfThisRepositoryButProblem(t *testing.T) {
	t.Parallel()
	list, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(list)) {
		own := strings.HasSuffix(path, "/pkg/problem") || strings.HasSuffix(path, "/pkg/idempotency")
		if strings.HasPrefix(path, "example.com/ordersaga/") && !own {
			t.Errorf("it imports %s", path)
		}
	}
}
