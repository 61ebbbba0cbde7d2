package sagactl_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// machine describes a system of one process, which ends by a signal alone, in a directory that is in use until release.
func machine(t *testing.T) (file string, process *exec.Cmd, release func()) {
	t.Helper()
	process = exec.CommandContext(t.Context(), "cat")
	input, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_ = process.Wait() // the test may have seen its end
	})
	dir := t.TempDir()
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lock.Close() })
	file = filepath.Join(dir, "run.json")
	if err := (endpoints.Description{PIDs: map[string]int{"payment": process.Process.Pid}}).Write(file); err != nil {
		t.Fatal(err)
	}
	return file, process, func() { _ = lock.Close() }
}

func TestKill_SendsTheSignalToTheProcess(t *testing.T) {
	t.Parallel()
	file, process, _ := machine(t)
	if got := run(t, nil, "kill", "payment", "--signal", "sigterm", "--file", file); got.code != 0 || !strings.HasPrefix(got.out, "SIGTERM to payment, process ") {
		t.Errorf("%+v", got)
	}
	err := process.Wait()
	if status, is := process.ProcessState.Sys().(syscall.WaitStatus); !is || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the process ended with %v", err)
	}
}

// A system that was killed leaves the numbers of processes that are others' by now.
func TestKill_OfASystemThatHasEndedIsRefused(t *testing.T) {
	t.Parallel()
	file, process, release := machine(t)
	release()
	got := run(t, nil, "kill", "payment", "--file", file)
	if got.code != 3 || !strings.Contains(got.err, "has ended") {
		t.Errorf("%+v", got)
	}
	if err := process.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the process has gone: %v", err)
	}
}

func TestKill_WhatCannotBeKilledIsRefused(t *testing.T) {
	t.Parallel()
	file, _, _ := machine(t)
	contained := filepath.Join(t.TempDir(), "run.json")
	if err := (endpoints.Description{}).Write(contained); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`2: there is no process "order"; there are payment`: {"order", "--file", file},
		`2: there is no signal "LOUD"`:                      {"payment", "--signal", "LOUD", "--file", file},
		"1: processes run in containers":                    {"payment", "--file", contained},
	} {
		code, text, _ := strings.Cut(want, ": ")
		got := run(t, nil, append([]string{"kill"}, args...)...)
		if code != string(rune('0'+got.code)) || !strings.Contains(got.err, text) {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}

func TestSQL_ReadsADatabaseAndChangesNothing(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t, events.Payment)
	file := filepath.Join(t.TempDir(), "run.json")
	system := endpoints.Description{Databases: map[string]string{"payment": db.AuditURL, "order": "postgres://audit@127.0.0.1:1/order"}}
	if err := system.Write(file); err != nil {
		t.Fatal(err)
	}
	got := run(t, nil, "sql", "payment", "SELECT 12 AS n, NULL AS nothing, E'a\nb' AS text", "--file", file)
	if want := "n   nothing  text\n12  null     a b\n"; got.code != 0 || got.out != want {
		t.Errorf("%+v, want %q", got, want)
	}
	got = run(t, nil, "sql", "payment", "SELECT 12 AS n, NULL AS nothing WHERE true", "-o", "json", "--file", file)
	if want := `{"columns":["n","nothing"],"rows":[["12",null]]}`; strings.Join(strings.Fields(got.out), "") != want {
		t.Errorf("%+v, want %s", got, want)
	}
	got = run(t, nil, "sql", "payment", "SELECT 12 AS n WHERE false", "--file", file)
	if got.code != 0 || got.out != "n\n" {
		t.Errorf("%+v, want the columns of no rows", got)
	}
	for want, args := range map[string][]string{
		"1: cannot execute CREATE TABLE in a read-only transaction": {"payment", "CREATE TABLE x ()"},
		"1: permission denied":                           {"payment", "SELECT pg_read_file('/etc/passwd')"},
		"1: cannot insert multiple commands":             {"payment", "SELECT 1; SELECT 2"},
		"1: this is no query":                            {"payment", ""},
		`2: "shop" has no database; order, payment have`: {"shop", "SELECT 1"},
		"3: connect to the order database":               {"order", "SELECT 1"},
	} {
		code, text, _ := strings.Cut(want, ": ")
		got := run(t, nil, append([]string{"sql", "--file", file}, args...)...)
		if code != string(rune('0'+got.code)) || !strings.Contains(got.err, text) || strings.Count(got.err, "\n") != 2 {
			t.Errorf("%+v, want %s", got, want)
		}
	}
}
