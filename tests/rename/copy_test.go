//go:build renamed

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRename_ACopyWithAnotherPathWorks renames a copy of the repository, and builds, vets and tests it.
func TestRename_ACopyWithAnotherPathWorks(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	run(t, root, "git", "clone", "-q", root, dir)
	if err := os.Symlink(filepath.Join(root, ".bin"), filepath.Join(dir, ".bin")); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "make", "module", "MODULE=github.com/you/saga")
	if out, err := command(t, dir, "git", "grep", "-n", "-I", "example.com/"+"ordersaga").CombinedOutput(); err == nil {
		t.Errorf("the old path is still written:\n%s", out)
	}
	run(t, dir, "go", "build", "work")
	run(t, dir, "go", "vet", "-tags=compose,crashmatrix,chaos,browser,interop,conformance", "work")
	run(t, dir, "make", "check-tidy")
	run(t, filepath.Join(dir, "services", "order"), "go", "test", "./...", "-count=1", "-run", "GRPC|RPC|Place")
	run(t, filepath.Join(dir, "tests"), "go", "test", "./uniformity", "-count=1", "-run", "Links|Layers|Imports")
}

func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TESTKIT=local")
	return cmd
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	if out, err := command(t, dir, name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
