package main

import (
	"errors"
	"os/exec"
	"testing"
	"time"
)

// What a mutant takes away must stand in the source as it is now, or the mutant says nothing.
func TestMutants_EachChangesTheSourceAsItIs(t *testing.T) {
	t.Parallel()
	root, err := workspaceRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		_, clean, err := m.overlay(root)
		if err != nil {
			t.Errorf("%s: %v", m.name, err)
			continue
		}
		clean()
	}
}

func TestMutants_OnlyATestThatFailsIsAKill(t *testing.T) {
	t.Parallel()
	red := &exec.ExitError{}
	for _, c := range []struct {
		output string
		err    error
		usual  time.Duration
		want   verdict
	}{
		{"ok", nil, time.Second, alive},
		{"--- FAIL: TestX", red, time.Second, dead},
		{"--- FAIL: TestX", red, limit, dead},
		{"panic: test timed out after 1m0s", red, time.Second, dead}, // a hang is a failure
		{"panic: test timed out after 1m0s", red, limit / 2, unknown},
		{"FAIL x [build failed]", red, time.Second, unknown},
		{"", errors.New("no go command"), time.Second, unknown},
	} {
		if got, err := judge([]byte(c.output), c.err, c.usual); got != c.want || (got == unknown) != (err != nil) {
			t.Errorf("%q after %v: %s, %v, want %s", c.output, c.usual, got, err, c.want)
		}
	}
}
