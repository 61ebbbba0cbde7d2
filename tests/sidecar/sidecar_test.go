//go:build sidecar

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/load"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/pkg/events"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// One system for all: what happens to a sidecar must not concern the service.
func TestSystem_WithSidecars(t *testing.T) {
	port, err := localservers.FreePort()
	kit.Must(t, err)
	w := kit.Start(t, supervisor.Options{NoFsync: true, Sidecars: true, Traces: 1, Env: map[string]map[string]string{
		supervisor.Provisioner: {"HTTP_ADDR": fmt.Sprintf("127.0.0.1:%d", port)}, // where its metrics are
	}})
	pids := map[string]int{}
	for _, service := range events.Consumers {
		name := string(service)
		pids[name] = w.Describe().PIDs[name]
		kit.Eventually(t, "the sidecar of "+name, func() error { return shows(w, name, `sidecar_service_up{instance="`+name+`"`) })
	}
	t.Run("the services know loopback alone", func(t *testing.T) { knowLoopback(t, w) })
	t.Run("an order is one trace, each service's spans through its sidecar", func(t *testing.T) { sendsSpans(t, w) })
	t.Run("metrics get service and instance", func(t *testing.T) {
		confirms(t, w)
		kit.Eventually(t, "the metrics of order", func() error {
			return shows(w, "order", `outbox_unpublished_seconds{instance="order",service="order"} `)
		})
	})
	t.Run("every line of the log is read", func(t *testing.T) {
		kit.Eventually(t, "lines", func() error {
			return shows(w, "order", `otelcol_receiver_accepted_log_records_total{instance="order",receiver="file_log"`)
		})
	})
	t.Run("alerts and dashboards ask for metrics that there are", func(t *testing.T) { everyMetricIsThere(t, w) })
	t.Run("metrics are named well", func(t *testing.T) { w.MetricsAreNamedWell(t) })
	t.Run("one gets another configuration, and the service goes on", func(t *testing.T) { reconfigured(t, w) })
	t.Run("a wrong configuration is one line, and the service goes on", func(t *testing.T) { misconfigured(t, w) })
	t.Run("none is there, and orders are confirmed", func(t *testing.T) {
		all(t, func(ctx context.Context, name string) error { return down(ctx, w, name) })
		confirms(t, w)
		all(t, w.Up)
	})
	t.Run("all are killed under load, and no step is slower", func(t *testing.T) { killedUnderLoad(t, w) })
	for name, pid := range pids {
		if now := w.Describe().PIDs[name]; now != pid {
			t.Errorf("%s was process %d and is %d", name, pid, now)
		}
	}
	w.LogsHaveOneSchema(t)
	w.Holds(t, w.Secrets()...)
}

// shows is nil when the metrics that a service's sidecar shows contain the text.
func shows(w *kit.System, service, text string) error {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(w.Describe().URLs[supervisor.SidecarOf(service)] + "/metrics")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && !strings.Contains(string(body), text) {
		err = fmt.Errorf("%d bytes lack %s", len(body), text)
	}
	return err
}

// all does the same with the sidecars of all services.
func all(t *testing.T, do func(context.Context, string) error) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	for _, service := range events.Consumers {
		group.Go(func() error { return do(ctx, supervisor.SidecarOf(string(service))) })
	}
	kit.Must(t, group.Wait())
}

func confirms(t *testing.T, w *kit.System) {
	t.Helper()
	wanted := client.One("widget", 1)
	wanted.Email = "ada@example.com"
	if got := w.Ends(t, w.Place(t, wanted)); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s because of %q", got.Status, kit.Deref(got.Reason))
	}
}

func knowLoopback(t *testing.T, w *kit.System) {
	for _, service := range events.Consumers {
		env, err := w.Environment(string(service))
		kit.Must(t, err)
		if to := env["OTEL_EXPORTER_OTLP_ENDPOINT"]; !strings.HasPrefix(to, "http://127.0.0.1:") || strings.HasSuffix(to, "/otlp") {
			t.Errorf("%s sends to %q", service, to)
		}
		side, err := w.Environment(supervisor.SidecarOf(string(service)))
		kit.Must(t, err)
		if to := side["TELEMETRY_ENDPOINT"]; to != w.Describe().URLs[supervisor.Console]+"/otlp" {
			t.Errorf("the sidecar of %s sends to %q", service, to)
		}
	}
}

// sendsSpans looks at an order's trace in the console. A service knows its host and its process' number; that the instance
// is the process' name comes from the sidecar.
func sendsSpans(t *testing.T, w *kit.System) {
	id := w.Place(t, client.One("widget", 1))
	w.Ends(t, id)
	kit.Eventually(t, "the trace of order "+id, func() error {
		trace, err := w.Traced(t.Context(), id)
		if err != nil {
			return err
		}
		missing := map[string]bool{supervisor.Ambassador: true, supervisor.Gateway: true}
		for _, service := range events.Consumers {
			missing[string(service)] = true
		}
		for _, span := range trace {
			delete(missing, span.Service)
			if slices.Contains(events.Consumers, events.Service(span.Service)) && span.Instance != span.Service {
				return fmt.Errorf("%s of %s is of the instance %q", span.Name, span.Service, span.Instance)
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("there is nothing of %v", slices.Sorted(maps.Keys(missing)))
		}
		return kit.OneTrace(id, trace, trace, "")
	})
}

func reconfigured(t *testing.T, w *kit.System) {
	pid := w.Describe().PIDs["order"]
	file := filepath.Join(t.TempDir(), "overlay.yaml")
	kit.Must(t, os.WriteFile(file, []byte(
		"processors: {resource: {attributes: [{key: service.name, value: order-of-tomorrow, action: upsert}]}}"), 0o600))
	kit.Must(t, w.Restart(t.Context(), "order-sidecar", map[string]string{"TELEMETRY_CONFIG": file}))
	confirms(t, w)
	kit.Eventually(t, "the new configuration", func() error { return shows(w, "order", `service="order-of-tomorrow"`) })
	if now := w.Describe().PIDs["order"]; now != pid {
		t.Errorf("order was process %d and is %d", pid, now)
	}
	kit.Must(t, w.Restart(t.Context(), "order-sidecar", map[string]string{"TELEMETRY_CONFIG": ""}))
}

func misconfigured(t *testing.T, w *kit.System) {
	log := filepath.Join(w.Describe().Logs, "payment-sidecar.log")
	kit.Must(t, w.Down(t.Context(), "payment-sidecar"))
	kit.Must(t, os.Truncate(log, 0))
	deaths := w.Deaths("payment-sidecar")
	kit.Must(t, w.Restart(t.Context(), "payment-sidecar", map[string]string{"TELEMETRY_CONFIG": "/nowhere.yaml"}))
	kit.Eventually(t, "the sidecar to end", func() error {
		if w.Deaths("payment-sidecar") == deaths {
			return errors.New("it runs")
		}
		return nil
	})
	confirms(t, w)
	kit.Must(t, down(t.Context(), w, "payment-sidecar"))
	text, err := os.ReadFile(log)
	kit.Must(t, err)
	for line := range strings.Lines(string(text)) { // one for each time that it was started
		if !strings.HasPrefix(line, "telemetry: ") || !strings.Contains(line, "/nowhere.yaml") {
			t.Errorf("it wrote %q", line)
		}
	}
	if starts := w.Deaths("payment-sidecar") - deaths; len(text) == 0 || strings.Count(string(text), "\n") > starts+1 {
		t.Errorf("%d starts wrote %q", starts, text)
	}
	kit.Must(t, w.Restart(t.Context(), "payment-sidecar", map[string]string{"TELEMETRY_CONFIG": ""}))
}

// down is [supervisor.System.Down] for a sidecar that is started again and again, and may be in the middle of it.
func down(ctx context.Context, w *kit.System, name string) error {
	err := w.Down(ctx, name)
	if err != nil && strings.HasSuffix(err.Error(), "signal: terminated") { // before it could take the signal
		return nil
	}
	return err
}

const (
	pairs     = 9   // of a part with sidecars and one without
	orders    = 150 // in each part
	perSecond = 20  // orders: below what a small machine can do, so that none waits for its turn
	atMost    = 5 * time.Millisecond
)

// killedUnderLoad places orders in parts that alternate: the sidecars are there; then they are killed while sagas run, and
// stay away. The 99th percentiles of neighbouring parts are compared, and of the differences the middle one counts, since
// a machine that is busy for a while makes one pair different and not most. How far parts with sidecars differ among
// themselves is what the machine does by itself; that is allowed besides.
func killedUnderLoad(t *testing.T, w *kit.System) {
	stream, err := eventlog.Open(w.At.NATS)
	kit.Must(t, err)
	defer stream.Close()
	before := part(t, w, stream, nil)
	slower, noise := map[string][]time.Duration{}, map[string][]time.Duration{}
	for range pairs {
		with := part(t, w, stream, nil)
		without := part(t, w, stream, killAll)
		all(t, w.Up)
		for _, service := range events.Consumers {
			kit.Eventually(t, "the sidecar to be back", func() error { return shows(w, string(service), "sidecar_service_up") })
		}
		for step := range with {
			slower[step] = append(slower[step], without[step]-with[step])
			noise[step] = append(noise[step], (with[step] - before[step]).Abs())
		}
		before = with
	}
	for step, d := range slower {
		slices.Sort(d)
		slices.Sort(noise[step])
		middle, usual := d[len(d)/2], noise[step][3*len(d)/4]
		t.Logf("%s at p99 without sidecars: %v longer (%v to %v); by itself it changes by %v", step, middle, d[0], d[len(d)-1], usual)
		if middle > atMost+usual {
			t.Errorf("%s takes %v longer at p99 when the sidecars are killed", step, middle)
		}
	}
}

// killAll kills all sidecars and keeps them down.
func killAll(ctx context.Context, w *kit.System) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, service := range events.Consumers {
		name := supervisor.SidecarOf(string(service))
		group.Go(func() error {
			deaths := w.Deaths(name)
			if err := w.Kill(name, syscall.SIGKILL); err != nil {
				return err
			}
			err := kit.Until(ctx, name+" to die", func() error {
				if w.Deaths(name) == deaths {
					return errors.New("it runs")
				}
				return nil
			})
			return errors.Join(err, down(ctx, w, name))
		})
	}
	return group.Wait()
}

// part places orders and returns the 99th percentile of each step: from the time of an event to that of the event that it
// caused. While the tenth part of the orders is on its way it does something.
func part(t *testing.T, w *kit.System, stream *eventlog.Stream, meanwhile func(context.Context, *kit.System) error) map[string]time.Duration {
	t.Helper()
	before, err := stream.Info(t.Context())
	kit.Must(t, err)
	begun, done := make(chan struct{}), make(chan error, 1)
	go func() {
		<-begun
		if meanwhile == nil {
			done <- nil
			return
		}
		done <- meanwhile(t.Context(), w)
	}()
	var placed atomic.Int64
	kit.Must(t, load.Open(t.Context(), load.Rate{PerSecond: perSecond, Total: orders}, func(ctx context.Context, _ time.Time) error {
		n := placed.Add(1)
		if n == orders/10 {
			close(begun)
		}
		id, err := w.TryPlace(ctx, client.One(load.SKU(int(n)), 1))
		if err != nil {
			return err
		}
		got, err := w.TryEnd(ctx, id)
		if err == nil && got.Status != order.CONFIRMED {
			err = fmt.Errorf("order %s is %s because of %q", id, got.Status, kit.Deref(got.Reason))
		}
		return err
	}))
	kit.Must(t, <-done)
	return steps(t, stream, before.Last+1)
}

// steps are the 99th percentiles of the steps in the stream from a sequence on.
func steps(t *testing.T, stream *eventlog.Stream, first uint64) map[string]time.Duration {
	t.Helper()
	seen, took := map[string]events.Envelope{}, map[string]*load.Latencies{}
	_, err := stream.Since(t.Context(), first, func(e eventlog.Seen) error {
		seen[e.Envelope.ID] = e.Envelope
		cause, known := seen[e.Envelope.CausationID]
		if !known {
			return e.Problem
		}
		step := cause.Type + " to " + e.Envelope.Type
		if took[step] == nil {
			took[step] = load.NewLatencies()
		}
		took[step].Add(e.Envelope.Time.Sub(cause.Time))
		return e.Problem
	})
	kit.Must(t, err)
	percentiles := map[string]time.Duration{}
	for step, latencies := range took {
		if latencies.Count() < orders {
			t.Errorf("%s was seen %d times, with %d orders", step, latencies.Count(), orders)
		}
		percentiles[step] = latencies.At(99)
	}
	if len(percentiles) < 4 {
		t.Errorf("only the steps %v were seen", percentiles)
	}
	return percentiles
}
