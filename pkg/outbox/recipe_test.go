package outbox_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

// The page says how to use the library in another project. Here that project is made: a module of its own with a copy
// of the folder, and the program of the page. Only the versions of the dependencies come from this module, so
// that nothing needs to be downloaded.
func TestRecipe_ThePageIsAProgramThatRuns(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/outbox.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(page)
	if program == nil {
		t.Fatal("the page has no program")
	}
	dir := t.TempDir()
	write := func(name string, content []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copied := func(from, to string, change func(string) string) {
		t.Helper()
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(to, []byte(change(string(content))))
	}
	same := func(s string) string { return s }
	moved := func(s string) string { return strings.ReplaceAll(s, "example.com/ordersaga/pkg", "example.com/toy") }
	write("main.go", program[1])
	for _, pattern := range []string{"*.go", "ownership/*.go", "recovery/*.go", "migrations/*.sql"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				copied(file, "outbox/"+file, moved)
			}
		}
	}
	ours := regexp.MustCompile(`(?m)^(replace )?\s*example\.com/ordersaga/.*\n`)
	copied("../go.mod", "go.mod", func(mod string) string {
		return ours.ReplaceAllString(strings.Replace(mod, "module example.com/ordersaga/pkg", "module example.com/toy", 1), "")
	})
	copied("../go.sum", "go.sum", same)

	database := testkit.EmptyDatabase(t, testkit.Migration{Table: "goose_outbox", FS: outbox.Migrations()})
	broker, err := localservers.StartNATS(t.Context(), localservers.NATSConfig{Dir: t.TempDir(), Config: "jetstream { sync_interval: 1s }"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Kill)
	cmd := exec.CommandContext(t.Context(), "go", "run", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "DATABASE_URL="+database, "NATS_URL="+broker.URL("anybody", "anything"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "shipped\n") {
		t.Errorf("the program ended with %v and printed\n%s", err, out)
	}
}
