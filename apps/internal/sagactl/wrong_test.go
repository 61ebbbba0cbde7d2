package sagactl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ordersaga/apps/internal/wrong"
)

func TestWrong_AnUnknownWayIsAnsweredWithAllNames(t *testing.T) {
	t.Parallel()
	got := run(t, nil, "wrong", "run", "no-such-way")
	if got.code != 2 || !strings.Contains(got.err, "no-fence, no-tombstone") || !strings.HasSuffix(got.err, "try: sagactl wrong list\n") {
		t.Errorf("%+v", got)
	}
	if got = run(t, nil, "wrong", "list"); got.code != 0 || !strings.Contains(got.out, "\nno-fence ") {
		t.Errorf("%+v", got)
	}
}

func TestWrong_AGuessNeedsASystemWithASecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "run.json")
	for _, args := range [][]string{{"wrong", "fire"}, {"wrong", "guess", "no-fence"}} {
		if got := run(t, nil, append(args, "--file", file)...); got.code != 3 || !strings.Contains(got.err, "no system is running") {
			t.Errorf("%+v", got)
		}
	}
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"wrong", "fire"}, {"wrong", "guess", "no-fence"}} {
		if got := run(t, nil, append(args, "--file", file)...); got.code != 2 || !strings.Contains(got.err, "no system with a secret") {
			t.Errorf("%+v", got)
		}
	}
	if err := (wrong.Way{Page: "docs/wrong/no-fence.md"}).Seal(dir); err != nil {
		t.Fatal(err)
	}
	for guess, want := range map[string]result{
		"no-fence":     {0, "it is no-fence: docs/wrong/no-fence.md has what cures it\n", ""},
		"no-tombstone": {1, "", "sagactl: it is not no-tombstone\n"},
		"no-such-way":  {2, "", "sagactl: there is no wrong way \"no-such-way\"; there are "},
	} {
		if got := run(t, nil, "wrong", "guess", guess, "--file", file); got.code != want.code || got.out != want.out || !strings.HasPrefix(got.err, want.err) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// Without what a way is built from and with, there is one sentence.
func TestWrong_WhatIsMissingIsNamed(t *testing.T) {
	for _, command := range []string{"list", "run"} {
		args := []string{"wrong", "list"}
		if command == "run" {
			args = []string{"wrong", "run", "no-fence"}
		}
		t.Run("no go, "+command, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir())
			if got := run(t, nil, args...); got.code != 2 || got.err != "sagactl: a wrong way is built from source, and there is no go in the PATH\n" {
				t.Errorf("%+v", got)
			}
		})
		t.Run("no checkout, "+command, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if got := run(t, nil, args...); got.code != 2 || got.err != "sagactl: a wrong way is built from source, and this folder is in no checkout of ordersaga\n" {
				t.Errorf("%+v", got)
			}
		})
	}
}
