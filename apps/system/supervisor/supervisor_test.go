package supervisor_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/order/api"
)

// One system for what does not disturb each other: starting one takes seconds.
func TestSupervisor_System(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, supervisor.Options{
		Dir: dir, NoFsync: true, Faults: true, Replicas: map[string]int{"shipping": 2},
		Env: map[string]map[string]string{"order": {"ORDER_DEADLINE": "30s"}},
	})

	t.Run("is described in a file for its owner alone", func(t *testing.T) { isDescribed(t, s, dir) })
	t.Run("has little to recover when Postgres is killed", func(t *testing.T) { hasLittleToRecover(t, s) })
	t.Run("confirms an order", func(t *testing.T) { confirms(t, s) })
	t.Run("gives its services the environment that was asked for", func(t *testing.T) {
		order := place(t, s)
		if patience := order.Deadline.Sub(order.CreatedAt); patience != 30*time.Second {
			t.Errorf("the deadline is %v after the order, not 30s", patience)
		}
	})
	t.Run("restarts every process that is killed, on the same port", func(t *testing.T) { restartsWhatIsKilled(t, s, dir) })
	t.Run("confirms an order after all that", func(t *testing.T) { confirms(t, s) })
	t.Run("pauses a process and lets it go on", func(t *testing.T) { pauses(t, s) })
	t.Run("keeps down what is to be down", func(t *testing.T) { keepsDown(t, s) })
	t.Run("restarts a process with another environment", func(t *testing.T) {
		if err := s.Restart(t.Context(), "order", map[string]string{"ORDER_DEADLINE": "40s"}); err != nil {
			t.Fatal(err)
		}
		if order := place(t, s); order.Deadline.Sub(order.CreatedAt) != 40*time.Second {
			t.Errorf("the deadline is %v after the order, not 40s", order.Deadline.Sub(order.CreatedAt))
		}
	})
	t.Run("survives the loss of all that the broker knew", func(t *testing.T) {
		if err := s.WipeBroker(t.Context()); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, time.Minute, "an order is confirmed with the new stream", func() bool {
			return confirmed(t, s)
		})
	})
	t.Run("lets no second one into its directory", func(t *testing.T) {
		if _, err := supervisor.Start(t.Context(), supervisor.Options{Dir: dir}); !errors.Is(err, supervisor.ErrInUse) {
			t.Errorf("a second system: %v", err)
		}
	})
	t.Run("ends everything that it started", func(t *testing.T) { endsEverything(t, s, dir) })
}

// hasLittleToRecover: a recovery begins at the last checkpoint, and that is behind the 40 MB that making the databases
// writes.
func hasLittleToRecover(t *testing.T, s *supervisor.System) {
	conn, err := pgx.Connect(t.Context(), s.Superuser())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }() // it only reads
	testkit.Eventually(t, time.Minute, "a checkpoint after the start", func() bool {
		var little bool
		const behind = `SELECT pg_current_wal_lsn() - redo_lsn < 16 * 1024 * 1024 FROM pg_control_checkpoint()`
		return conn.QueryRow(t.Context(), behind).Scan(&little) == nil && little
	})
}

func start(t *testing.T, o supervisor.Options) *supervisor.System {
	t.Helper()
	s, err := supervisor.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func isDescribed(t *testing.T, s *supervisor.System, dir string) {
	file := filepath.Join(dir, "run.json")
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is there before it was published")
	}
	if err := s.Publish(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v", info.Mode().Perm())
	}
	described, err := endpoints.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := described.Complete(); err != nil {
		t.Error(err)
	}
	if described.URLs[supervisor.Mail] == "" || described.PIDs[supervisor.Mail] == 0 {
		t.Errorf("the mail server is described by %q and %d", described.URLs[supervisor.Mail], described.PIDs[supervisor.Mail])
	}
	if described.URLs[supervisor.Registry] == "" || described.PIDs[supervisor.Registry] == 0 {
		t.Errorf("the schema registry is described by %q and %d", described.URLs[supervisor.Registry], described.PIDs[supervisor.Registry])
	}
	for _, name := range []string{"order", "inventory", "payment", "shipping", "shipping-2", "gateway", "ambassador"} {
		if described.URLs[name] == "" || described.Admin[name] == "" || described.PIDs[name] == 0 {
			t.Errorf("%s is described by %q, %q and %d", name, described.URLs[name], described.Admin[name], described.PIDs[name])
		}
	}
}

func place(t *testing.T, s *supervisor.System) api.Order {
	t.Helper()
	customer, err := client.New(s.Describe())
	if err != nil {
		t.Fatal(err)
	}
	order, _, err := customer.Place(t.Context(), client.One("widget", 1))
	if err != nil {
		t.Fatal(err)
	}
	return order
}

func confirmed(t *testing.T, s *supervisor.System) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	customer, err := client.New(s.Describe())
	if err != nil {
		t.Fatal(err)
	}
	order, _, err := customer.Place(ctx, client.One("widget", 1))
	if err == nil {
		order, err = customer.Await(ctx, order.Id)
	}
	return err == nil && order.Status == api.CONFIRMED
}

func confirms(t *testing.T, s *supervisor.System) {
	t.Helper()
	if !confirmed(t, s) {
		t.Error("the order was not confirmed")
	}
}

func restartsWhatIsKilled(t *testing.T, s *supervisor.System, dir string) {
	for _, name := range s.Names() {
		before := s.Describe()
		if err := s.Kill(name, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, 30*time.Second, name+" runs again", func() bool { return s.Describe().PIDs[name] != before.PIDs[name] })
		if err := s.AwaitReady(t.Context()); err != nil {
			t.Fatalf("after %s was killed: %v", name, err)
		}
		after := s.Describe()
		if after.URLs[name] != before.URLs[name] || after.NATS != before.NATS || after.Databases["order"] != before.Databases["order"] {
			t.Errorf("%s moved", name)
		}
		if s.Deaths(name) != 1 {
			t.Errorf("%s died %d times", name, s.Deaths(name))
		}
		testkit.Eventually(t, 5*time.Second, "the description is true again", func() bool {
			described, err := endpoints.Read(filepath.Join(dir, "run.json"))
			return err == nil && described.PIDs[name] == after.PIDs[name]
		})
	}
}

func pauses(t *testing.T, s *supervisor.System) {
	answers := func() bool {
		client := http.Client{Timeout: 300 * time.Millisecond}
		response, err := client.Get(s.Describe().URLs["inventory"] + "/healthz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
	if err := s.Pause("inventory"); err != nil {
		t.Fatal(err)
	}
	// The signal is sent; each of the process's threads stops when it comes to run next.
	testkit.Eventually(t, 10*time.Second, "the process falls silent", func() bool { return !answers() })
	if err := s.Continue("inventory"); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, "the process answers again", answers)
}

func keepsDown(t *testing.T, s *supervisor.System) {
	deaths := s.Deaths("gateway")
	if err := s.Down(t.Context(), "gateway"); err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(s.Describe().URLs["gateway"], "http://")
	testkit.Always(t, time.Second, "nobody listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if err := s.Up(t.Context(), "gateway"); err != nil {
		t.Fatal(err)
	}
	if s.Deaths("gateway") != deaths {
		t.Error("an end on purpose was counted as a death")
	}
	confirms(t, s)
}

func endsEverything(t *testing.T, s *supervisor.System, dir string) {
	described := s.Describe()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, pid := range described.PIDs {
		if runs(pid) {
			t.Errorf("%s (%d) still runs", name, pid)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "run.json")); err == nil {
		t.Error("a description is left of a system that has ended")
	}
}

// runs reports whether there is such a process; one that has ended and was not waited for is none.
func runs(pid int) bool {
	state, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(state), ") Z ")
}

func TestSystem_EndsWithItsParent(t *testing.T) {
	t.Parallel()
	// Postgres' user can get here, so that no data land elsewhere, where nobody is left to remove them.
	dir, err := localservers.DataRoot("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	demo := exec.Command(filepath.Join(bin, "sagactl"), "demo", "--scenes", "none", "--dir", dir)
	if err := demo.Start(); err != nil {
		t.Fatalf("run `make build` first: %v", err)
	}
	var described endpoints.Description
	testkit.Eventually(t, time.Minute, "the system runs", func() bool {
		described, err = endpoints.Read(filepath.Join(dir, "run.json"))
		return err == nil
	})
	if err := demo.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = demo.Wait() // it was killed
	for name, pid := range described.PIDs {
		testkit.Eventually(t, 20*time.Second, name+" has ended", func() bool { return !runs(pid) })
	}
}

func TestStart_ErrorsAreOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		options supervisor.Options
		env     map[string]string
		want    []string
	}{
		"a port in use": {
			options: supervisor.Options{Ports: map[string]int{"order": taken.Addr().(*net.TCPAddr).Port}},
			want:    []string{"order ended with exit status 1", "address already in use"},
		},
		"no Postgres":      {env: map[string]string{"PG_BINDIR": "/nowhere"}, want: []string{"PG_BINDIR is /nowhere"}},
		"no programs":      {options: supervisor.Options{Bin: t.TempDir()}, want: []string{"lacks the programs", "payment", "make build"}},
		"no directory":     {options: supervisor.Options{Dir: filepath.Join(file, "below")}, want: []string{"not a directory"}},
		"unknown replicas": {options: supervisor.Options{Replicas: map[string]int{"gateway": 2}}, want: []string{"gateway", "no service"}},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			if test.options.Dir == "" {
				test.options.Dir = t.TempDir()
			}
			test.options.NoFsync = true
			_, err := supervisor.Start(t.Context(), test.options)
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("it is %q, not %q in one line", err, want)
				}
			}
		})
	}
}

func TestStart_KeepsTheData(t *testing.T) {
	t.Parallel()
	dir, err := localservers.DataRoot("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	first := start(t, supervisor.Options{Dir: dir, NoFsync: true})
	order := place(t, first)
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := start(t, supervisor.Options{Dir: dir, NoFsync: true, Keep: true})
	customer, err := client.New(second.Describe())
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := customer.Await(t.Context(), order.Id); err != nil || kept.Status != api.CONFIRMED {
		t.Errorf("the order is %s, %v", kept.Status, err)
	}
	for _, service := range events.Consumers {
		if second.Describe().URLs[string(service)] == "" {
			t.Errorf("%s has no address", service)
		}
	}
}
