//go:build crashmatrix

package crash

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/tests/kit"
)

// lane is a system in which one combination after the other is tried. Several lanes wait for their
// brokers' acknowledgement waits at the same time.
type lane struct {
	*kit.System
	spans *kit.Spans
}

func openLane(t *testing.T) *lane {
	t.Helper()
	spans := kit.Collect(t)
	l := &lane{spans: spans, System: kit.Start(t, supervisor.Options{Faults: true, Traces: 1, TracesTo: spans.URL, Env: map[string]map[string]string{
		// Whatever waits for the gateway waits for less than with the defaults, which are made for slower ones.
		"payment": {
			"GATEWAY_TIMEOUT": "3s", "GATEWAY_HORIZON": "4s", "CHARGE_BUDGET": "2s", "RECONCILE_EVERY": "1s", "RECONCILE_GRACE": "2s",
		},
		"gateway": {"IN_FLIGHT_HORIZON": "4s"},
	}})}
	l.Ends(t, l.Place(t, client.One("widget", 1))) // so that every service has published something
	return l
}

// fired is how often the point has crashed the service so far: the process writes it down before it dies.
func (l *lane) fired(t *testing.T, service string, p failpoint.Point) int {
	t.Helper()
	lines, err := failpoint.ReadLog(filepath.Join(l.Dir, "logs", service+".faults"))
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

// exec runs SQL as the owner of a service's tables: it makes rows old, which nobody wants to wait for. It returns how
// many rows it touched.
func (l *lane) exec(t *testing.T, service, sql string) int64 {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), l.environment(t, service)["MIGRATIONS_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	done, err := conn.Exec(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	return done.RowsAffected()
}

// publish publishes a message in a service's name.
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
	env, err := l.Environment(service)
	if err != nil {
		t.Fatal(err)
	}
	return env
}
