package mailbox_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The chapter names its pages; one that it forgets is not read.
func TestTheChapterNamesEveryFile(t *testing.T) {
	t.Parallel()
	chapter, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	unnamed := map[string]bool{"doc.go": true, "metrics.go": true, "migrations.go": true, "pace.go": true}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") && !unnamed[file] && !strings.Contains(string(chapter), " "+file) {
			t.Errorf("the package comment does not say where %s belongs", file)
		}
	}
}
