package failpoint_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/ordersaga/internal/failpoint"
)

// TestMain is also the process that crashes: the test starts its own binary again.
func TestMain(m *testing.M) {
	if survived := os.Getenv("CRASH_HERE"); survived != "" {
		os.Exit(passThePoint(survived))
	}
	if file := os.Getenv("DIE_FOR"); file != "" {
		os.Exit(dieOnce(file))
	}
	os.Exit(m.Run())
}

// dieOnce dies for a while and, in the program that begins again, waits and writes when it was allowed to go on.
func dieOnce(file string) int {
	_, again := os.LookupEnv("FAULTS_DOWN_UNTIL")
	if err := failpoint.Wait(context.Background()); err != nil {
		return 2
	}
	if again {
		_, left := os.LookupEnv("FAULTS_DOWN_UNTIL")
		_ = os.WriteFile(file, []byte(fmt.Sprint(os.Getpid(), left, time.Now().UnixMilli())), 0o600)
		return 0
	}
	defer func() { _ = os.WriteFile(file, []byte("a deferred function ran"), 0o600) }()
	failpoint.DieFor(500 * time.Millisecond)
	return 1
}

func TestDieFor_TheProgramBeginsAgainLater(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "again")
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "DIE_FOR="+file)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the process ended with %v", err)
	}
	wrote, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var again int
	var left bool
	var at int64
	if _, err := fmt.Sscan(string(wrote), &again, &left, &at); err != nil || again != pid || left {
		t.Errorf("it wrote %q (%v), not the number %d and that it will not wait again", wrote, err, pid)
	}
	if away := time.UnixMilli(at).Sub(began); away < 500*time.Millisecond {
		t.Errorf("it was away for %s", away)
	}
}

// passThePoint writes the file on its way out, unless the process ends as by SIGKILL.
func passThePoint(survived string) int {
	defer func() { _ = os.WriteFile(survived, nil, 0o600) }()
	set, err := failpoint.FromEnv("payment", os.Getenv)
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
	set, err := failpoint.FromEnv("payment", env(nil))
	if err != nil || set == nil || set.Armed() {
		t.Errorf("an empty environment gives %v and arms something (%v)", set, err)
	}
	for name, vars := range map[string]map[string]string{
		"a fault that is not understood": {"FAULTS": "nowhere=crash"},
		"a point that others pass":       {"FAULTS": "intake.gathered=crash"},
		"a log that cannot be written":   {"FAULTS_LOG": t.TempDir()},
	} {
		if _, err := failpoint.FromEnv("payment", env(vars)); err == nil {
			t.Errorf("%s is not an error", name)
		}
	}
	log := filepath.Join(t.TempDir(), "faults.log")
	if set, err = failpoint.FromEnv("payment", env(map[string]string{"FAULTS": "relay.marked=error:a;times=2,relay.marked=error:b;times=0", "FAULTS_LOG": log})); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = set.At(t.Context(), failpoint.RelayMarked)
	}
	again, err := failpoint.FromEnv("payment", env(map[string]string{"FAULTS": "relay.marked=error:a;times=2,relay.marked=error:b;times=0,relay.marked=error:c", "FAULTS_LOG": log}))
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
