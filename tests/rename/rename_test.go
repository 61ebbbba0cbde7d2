package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is one with two files, in a folder of its own.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"pkg/go.mod": "module example.com/shop/pkg\n",
		"Makefile":   "-X example.com/shop/version.x, example.com/shop. example.com/shopping myexample.com/shop\n",
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return root
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRename_ReplacesThePathAndNoLongerName(t *testing.T) {
	t.Parallel()
	root := repository(t)
	if err := rename(root, "github.com/you/saga"); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, root, "pkg/go.mod"), "module github.com/you/saga/pkg\n"; got != want {
		t.Errorf("go.mod is %q, want %q", got, want)
	}
	const want = "-X github.com/you/saga/version.x, github.com/you/saga. example.com/shopping myexample.com/shop\n"
	if got := read(t, root, "Makefile"); got != want {
		t.Errorf("Makefile is %q, want %q", got, want)
	}
	if err := rename(root, "example.org/again"); err != nil || read(t, root, "pkg/go.mod") != "module example.org/again/pkg\n" {
		t.Errorf("the second time: %v, go.mod is %q", err, read(t, root, "pkg/go.mod"))
	}
}

func TestRename_RefusesWhatIsNoPathAndChangesNothing(t *testing.T) {
	t.Parallel()
	root := repository(t)
	before := read(t, root, "pkg/go.mod") + read(t, root, "Makefile")
	for _, path := range []string{"", "saga", "github.com/you/saga/", "/github.com/you", "https://github.com/you/saga", "github.com/a b",
		"github.com/you//saga", "github.com/you/saga two", "github.com/you/../saga", "github.com/you/säga"} {
		if err := rename(root, path); err == nil || !strings.Contains(err.Error(), "give a module path like") {
			t.Errorf("%q: %v", path, err)
		}
	}
	if after := read(t, root, "pkg/go.mod") + read(t, root, "Makefile"); after != before {
		t.Errorf("something was changed: %s", after)
	}
}
