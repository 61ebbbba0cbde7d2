// Package kit is what the tests of the whole system have in common, however it was started: a system that ends with its
// test, customers who do not give up, a look into every service's tables and the card gateway's, and the checker of all
// invariants. Tests outside of this repository use package systemtest, which needs the programs alone.
package kit

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/testkit/poll"
)

// System is a running system and its customers.
type System struct {
	*supervisor.System // the processes; nil where containers run them

	At   endpoints.Description
	Shop *client.Client
	Dir  string // keeps data, logs and secrets

	mu    sync.Mutex
	acked []verify.Acknowledged // what customers were promised
}

// Start starts a system that ends with the test. Its directory is a new one unless the options name it, and its programs
// are those of ORDERSAGA_BIN, or of bin/.
func Start(t testing.TB, o supervisor.Options) *System {
	t.Helper()
	if o.Dir == "" {
		o.Dir = Directory(t)
	}
	o.Bin = os.Getenv("ORDERSAGA_BIN")
	running, err := supervisor.Start(t.Context(), o)
	Must(t, err)
	t.Cleanup(func() {
		if err := running.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("the system did not end cleanly: %v", err)
		}
	})
	s := Of(t, running.Describe())
	s.System, s.Dir = running, o.Dir
	return s
}

// Directory is where a system keeps its data and logs. It stays when the test has failed.
func Directory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ordersaga-") //nolint:usetesting // the logs of a failed test must stay
	Must(t, err)
	Must(t, os.Chmod(dir, 0o755)) //nolint:gosec // Postgres runs as another user and must reach its data
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs stay in %s", filepath.Join(dir, "logs"))
			return
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Of is a system that runs already, and is not ended.
func Of(t testing.TB, at endpoints.Description) *System {
	t.Helper()
	shop, err := client.New(at)
	Must(t, err)
	return &System{At: at, Shop: shop}
}

// Through is the same system for customers who order at one process of the order service.
func (s *System) Through(t testing.TB, process string) *System {
	t.Helper()
	at := s.At
	at.URLs = maps.Clone(at.URLs)
	at.URLs["order"] = at.URLs[process]
	other := Of(t, at)
	other.System, other.Dir = s.System, s.Dir
	return other
}

// Sagactl is a command on this system, for the caller to run.
func (s *System) Sagactl(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	Must(t, s.Publish())
	args = append(args, "--file", filepath.Join(s.Dir, filepath.Base(endpoints.DefaultFile)))
	command := exec.CommandContext(ctx, filepath.Join(s.Bin(), "sagactl"), args...)
	command.Env = append(os.Environ(), "NO_COLOR=1")
	return command
}

// Secret is a password that no description has: the system keeps them in its directory.
func (s *System) Secret(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "secrets.json"))
	Must(t, err)
	var secrets map[string]string
	if err := json.Unmarshal(text, &secrets); err != nil || secrets[name] == "" {
		t.Fatalf("there is no secret %q: %v", name, err)
	}
	return secrets[name]
}

// Arm arms a fault in a service, and returns its id.
func (s *System) Arm(t testing.TB, service string, fault failpoint.Armament) string {
	t.Helper()
	var armed failpoint.Armament
	Must(t, s.At.AskAdmin(t.Context(), endpoints.AdminRequest{
		Process: service, Method: http.MethodPost, Path: "/faults", Body: fault,
	}, &armed))
	return armed.ID
}

// Disarm takes all faults of a service back.
func (s *System) Disarm(t testing.TB, service string) {
	t.Helper()
	Must(t, s.At.AskAdmin(t.Context(), endpoints.AdminRequest{
		Process: service, Method: http.MethodDelete, Path: "/faults",
	}, nil))
}

// limit is how long anything may take that is waited for: the broker redelivers what a killed service held after 5 s,
// and the machine may be busy.
const limit = time.Minute

// Eventually tries until it works.
func Eventually(t testing.TB, what string, try func() error) {
	t.Helper()
	poll.Eventually(t, limit, what, try)
}

// Until is [Eventually] for a goroutine, which must not end the test.
func Until(ctx context.Context, what string, try func() error) error {
	return poll.Until(ctx, limit, what, try)
}

// Must ends the test if there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
