package systemtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ordersaga/internal/localservers"
)

const (
	// startLimit is how long the system may take to be ready, on a machine that is busy with other tests.
	startLimit = 2 * time.Minute
	stopLimit  = 30 * time.Second
	// endLimit is how long a saga may take to end: a killed service needs up to 5 s until the broker
	// gives what it held to someone else, and the machine may be busy.
	endLimit = 60 * time.Second
)

// Options say what to start. The zero value is a system with faults enabled.
type Options struct {
	Bin      string                       // the programs; empty: see [Start]
	Deadline time.Duration                // of every order; zero: the demo's 60 s
	Replicas map[string]int               // how many processes a service has; one where nothing is given
	Settings map[string]map[string]string // of each process, as "payment": {"RECONCILE_EVERY": "1s"}
	Without  []string                     // services whose places are left free, for other programs
	Args     []string                     // more arguments for `sagactl demo`
	Env      []string                     // more environment for every process, as NAME=value
}

func (o Options) args(dir string) []string {
	args := []string{"demo", "--scenes", "none", "--faults", "--dir", dir}
	if o.Deadline > 0 {
		args = append(args, "--deadline", o.Deadline.String())
	}
	for service, n := range o.Replicas {
		args = append(args, "--replicas", fmt.Sprintf("%s=%d", service, n))
	}
	for process, settings := range o.Settings {
		for name, value := range settings {
			args = append(args, "--env", process+":"+name+"="+value)
		}
	}
	for _, service := range o.Without {
		args = append(args, "--without", service)
	}
	return append(args, o.Args...)
}

// System is a running system.
type System struct {
	// URLs and Admin are the public and the admin addresses, by process; Token is the admin listeners'.
	URLs  map[string]string `json:"urls"`
	Admin map[string]string `json:"admin"`
	Token string            `json:"admin_token"`
	// PIDs are the processes by name, as of the last look; see [System.PID].
	PIDs map[string]int `json:"pids"`
	// Logs is the folder with a log for each process.
	Logs string `json:"logs"`

	bin, file string
}

// Start runs the system in a directory of the test's own, and ends it with the test. When the test has
// failed, the directory with the logs stays and is named.
//
// The programs are those of Options.Bin, of ORDERSAGA_BIN, or of bin/ beside the go.work above the test. Where there is
// none of them, they are built once, of the versions that the test's module requires, into the user's cache.
func Start(t testing.TB, o Options) *System {
	t.Helper()
	s := &System{bin: programs(t, o.Bin)}
	dir, err := os.MkdirTemp("", "ordersaga-") //nolint:usetesting // it outlives a failed test
	if err != nil {
		t.Fatalf("start the system: %v", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // Postgres runs as another user and must reach its data
		t.Fatalf("start the system: %v", err)
	}
	s.file = filepath.Join(dir, "run.json")
	s.run(t, dir, o.args(dir), o.Env)
	return s
}

// Main is for a TestMain whose package shares one system: it starts the system, has use keep it, runs the tests, ends
// the system and returns the exit code. Tests that share one must not end or break what others wait for.
//
//	func TestMain(m *testing.M) {
//		os.Exit(systemtest.Main(m, systemtest.Options{}, func(s *systemtest.System) { system = s }))
//	}
func Main(m *testing.M, o Options, use func(*System)) (code int) {
	t := &packageTest{}
	defer func() {
		if p := recover(); p != nil && p != errFatal { //nolint:errorlint // it is the very value, or another's panic
			panic(p)
		}
		t.failed = t.failed || code != 0
		t.cleanUp()
		if t.failed {
			code = max(code, 1)
		}
	}()
	use(Start(t, o))
	return m.Run()
}

// Attach drives a system that runs already, described by its run.json: the demo's, or the containers'.
func Attach(t testing.TB, runFile, bin string) *System {
	t.Helper()
	s := &System{bin: programs(t, bin), file: runFile}
	if err := s.read(); err != nil {
		t.Fatalf("attach to the system: %v", err)
	}
	return s
}

// run starts sagactl demo, waits for its description, and ends it with the test.
func (s *System) run(t testing.TB, dir string, args, env []string) {
	t.Helper()
	output, err := os.Create(filepath.Join(dir, "demo.log"))
	if err != nil {
		t.Fatalf("start the system: %v", err)
	}
	demo := exec.Command(filepath.Join(s.bin, "sagactl"), args...)
	demo.Env = append(os.Environ(), env...)
	demo.Stdout, demo.Stderr = output, output
	localservers.EndWithUs(demo, syscall.SIGTERM)
	if err := demo.Start(); err != nil {
		t.Fatalf("start the system: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- demo.Wait() }()
	t.Cleanup(func() {
		stop(t, demo, ended)
		_ = output.Close()
		if t.Failed() {
			t.Logf("the system's logs stay in %s", dir)
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("clean up after the system: %v", err)
		}
	})
	s.awaitDescription(t, ended, output.Name())
}

func (s *System) awaitDescription(t testing.TB, ended chan error, log string) {
	t.Helper()
	for deadline := time.Now().Add(startLimit); ; {
		if err := s.read(); err == nil {
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the system ended instead of starting: %v\n%s", err, tail(log))
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the system is not ready after %v\n%s", startLimit, tail(log))
		}
	}
}

func stop(t testing.TB, demo *exec.Cmd, ended chan error) {
	t.Helper()
	_ = demo.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the system did not end cleanly: %v", err)
		}
	case <-time.After(stopLimit):
		t.Errorf("the system was still running after %v", stopLimit)
		_ = demo.Process.Kill()
		if err := <-ended; err == nil {
			t.Error("a killed system ended as if nothing had happened")
		}
	}
}

// read takes the description from run.json.
func (s *System) read() error {
	content, err := os.ReadFile(s.file)
	if err != nil {
		return fmt.Errorf("read the system's description: %w", err)
	}
	return json.Unmarshal(content, s)
}

// PID is the process's present id.
func (s *System) PID(t testing.TB, process string) int {
	t.Helper()
	if err := s.read(); err != nil {
		t.Fatal(err)
	}
	pid, ok := s.PIDs[process]
	if !ok {
		t.Fatalf("there is no process %q", process)
	}
	return pid
}

// Signal sends a signal to a process; one that ends by it is started again by the system.
func (s *System) Signal(t testing.TB, process string, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(s.PID(t, process), signal); err != nil {
		t.Fatalf("send %v to %s: %v", signal, process, err)
	}
}

// Verify has every invariant checked at rest, and fails the test with those that do not hold.
func (s *System) Verify(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*endLimit)
	defer cancel()
	output, err := s.Sagactl(ctx, "verify", "--at-rest", "--within", endLimit.String())
	if err != nil {
		t.Errorf("the invariants do not hold: %v\n%s", err, output)
	}
}

// Sagactl runs the program against this system and returns what it printed. The error is an
// *exec.ExitError where it exits with another code than 0.
func (s *System) Sagactl(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(s.bin, "sagactl"), append(args, "--file", s.file)...)
	command.Env = append(os.Environ(), "NO_COLOR=1")
	output, err := command.CombinedOutput()
	return string(output), err
}

// tail is the end of a file, for a failure's message.
func tail(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	content, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
