//go:build crashmatrix

package crash

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/testkit/saga"
	"example.com/ordersaga/tests/world"
)

// lane is a system in which one combination after the other is tried. Several lanes wait for their
// brokers' acknowledgement waits at the same time.
type lane struct {
	dir    string
	system *supervisor.System
	saga   *saga.System
}

func openLane(ctx context.Context, t *testing.T) *lane {
	t.Helper()
	dir, err := os.MkdirTemp("", "crash-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres runs as another user and must reach its data
		t.Fatal(err)
	}
	l := &lane{dir: dir}
	l.system, err = supervisor.Start(ctx, supervisor.Options{Dir: dir, Faults: true, Env: map[string]map[string]string{
		// Whatever waits for the gateway waits for less than with the defaults, which are made for slower ones.
		"payment": {"GATEWAY_TIMEOUT": "3s", "GATEWAY_HORIZON": "4s", "CHARGE_BUDGET": "2s", "RECONCILE_EVERY": "1s", "RECONCILE_GRACE": "2s"},
		"gateway": {"IN_FLIGHT_HORIZON": "4s"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.system.Publish(); err != nil {
		t.Fatal(err)
	}
	l.saga = saga.Attach(t, filepath.Join(dir, filepath.Base(endpoints.DefaultFile)), "")
	l.saga.AwaitEnd(t, l.saga.Place(t, saga.Order{}).ID) // so that every service has published something
	return l
}

func (l *lane) close(t *testing.T) {
	t.Helper()
	if err := l.system.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("the logs stay in %s", l.dir)
		return
	}
	_ = os.RemoveAll(l.dir)
}

// fired is how often the point has crashed the service so far: the process writes it down before it dies.
func (l *lane) fired(t *testing.T, service string, p failpoint.Point) int {
	t.Helper()
	lines, err := failpoint.ReadLog(filepath.Join(l.dir, "logs", service+".faults"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, line := range lines {
		if line.Point == p && line.Kind == failpoint.Crash {
			n++
		}
	}
	return n
}

// exec runs SQL as the owner of a service's tables: it makes rows old, which nobody wants to wait for.
func (l *lane) exec(t *testing.T, service, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), l.environment(t, service)["MIGRATIONS_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// publish says something in a service's name.
func (l *lane) publish(t *testing.T, service, subject, text string) {
	t.Helper()
	nc, err := nats.Connect(l.environment(t, service)["NATS_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish(subject, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

func (l *lane) environment(t *testing.T, service string) map[string]string {
	t.Helper()
	env, err := l.system.Environment(service)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// verify has every invariant checked, at rest.
func (l *lane) verify(t *testing.T) {
	t.Helper()
	report, err := verify.Check(t.Context(), l.system.Describe(), verify.Options{AtRest: true, Within: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range report.Results {
		if !result.Holds {
			t.Errorf("%s is violated: %s: %v", result.ID, result.Sentence, result.Offenders)
		}
	}
	if report.Counted.Orders == 0 {
		t.Error("nothing was looked at")
	}
}

// eventually tries until it works.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	world.Eventually(t, what, try)
}
