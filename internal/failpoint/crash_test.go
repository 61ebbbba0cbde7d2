package failpoint_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/ordersaga/internal/failpoint"
)

// TestMain is also the process that crashes: the test starts its own binary again.
func TestMain(m *testing.M) {
	if survived := os.Getenv("CRASH_HERE"); survived != "" {
		os.Exit(passThePoint(survived))
	}
	os.Exit(m.Run())
}

// passThePoint writes the file on its way out, unless the process ends as by SIGKILL.
func passThePoint(survived string) int {
	defer func() { _ = os.WriteFile(survived, nil, 0o600) }()
	set, err := failpoint.FromEnv(os.Getenv)
	if err != nil {
		return 2
	}
	_ = set.At(context.Background(), failpoint.RelayMarked, "o1")
	return 0
}

func TestCrash_EndsTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, survived := filepath.Join(dir, "faults.log"), filepath.Join(dir, "survived")
	run := func() error {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "CRASH_HERE="+survived, "FAULTS_LOG="+log,
			"FAULTS=relay.marked=crash;order=o1;times=2")
		return cmd.Run()
	}
	for attempt := 1; attempt <= 2; attempt++ {
		var exit *exec.ExitError
		if err := run(); !errors.As(err, &exit) {
			t.Fatalf("run %d ended with %v", attempt, err)
		}
		if status := exit.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
			t.Fatalf("run %d ended with %v, not as by SIGKILL", attempt, status)
		}
		if _, err := os.Stat(survived); err == nil {
			t.Fatalf("in run %d a deferred function ran", attempt)
		}
		lines, err := failpoint.ReadLog(log)
		if err != nil || len(lines) != attempt {
			t.Fatalf("after run %d the log has %v (%v)", attempt, lines, err)
		}
		if got := lines[attempt-1]; got.Point != failpoint.RelayMarked || got.Kind != failpoint.Crash || got.Order != "o1" || got.PID == os.Getpid() {
			t.Errorf("logged %+v", got)
		}
	}
	if err := run(); err != nil {
		t.Errorf("it crashed twice, and then again: %v", err)
	}
	if _, err := os.Stat(survived); err != nil {
		t.Errorf("the third run did not pass the point: %v", err)
	}
}

func TestFromEnv(t *testing.T) {
	t.Parallel()
	env := func(vars map[string]string) func(string) string {
		return func(name string) string { return vars[name] }
	}
	set, err := failpoint.FromEnv(env(nil))
	if err != nil || set == nil || set.Armed() {
		t.Errorf("an empty environment gives %v and arms something (%v)", set, err)
	}
	for name, vars := range map[string]map[string]string{
		"a fault that is not understood": {"FAULTS": "nowhere=crash"},
		"a log that cannot be written":   {"FAULTS_LOG": t.TempDir()},
	} {
		if _, err := failpoint.FromEnv(env(vars)); err == nil {
			t.Errorf("%s is not an error", name)
		}
	}
	log := filepath.Join(t.TempDir(), "faults.log")
	if set, err = failpoint.FromEnv(env(map[string]string{"FAULTS": "relay.marked=error:a;times=2,relay.marked=error:b;times=0", "FAULTS_LOG": log})); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = set.At(t.Context(), failpoint.RelayMarked)
	}
	again, err := failpoint.FromEnv(env(map[string]string{"FAULTS": "relay.marked=error:a;times=2,relay.marked=error:b;times=0,relay.marked=error:c", "FAULTS_LOG": log}))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, a := range again.List() {
		left = append(left, a.Text)
	}
	if len(left) != 2 || left[0] != "b" || left[1] != "c" {
		t.Errorf("armed again after all their times: %v, want b (any number) and c (never fired)", left)
	}
}
