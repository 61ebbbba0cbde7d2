package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// endpoint takes spans and lines of logs, as the console or a store of traces does.
type endpoint struct {
	*httptest.Server

	hold chan struct{} // no request is answered before it is closed

	mu    sync.Mutex
	spans []ptrace.ResourceSpans
	lines []plog.ResourceLogs
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{hold: make(chan struct{})}
	close(e.hold)
	e.serve(t)
	return e
}

// hangingEndpoint takes requests and does not answer, until release is called.
func hangingEndpoint(t *testing.T) (e *endpoint, release func()) {
	t.Helper()
	e = &endpoint{hold: make(chan struct{})}
	release = sync.OnceFunc(func() { close(e.hold) })
	e.serve(t)
	t.Cleanup(release) // before the server is closed, which waits for its requests
	return e, release
}

func (e *endpoint) serve(t *testing.T) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", e.take(func(body []byte) error {
		request := ptraceotlp.NewExportRequest()
		if err := request.UnmarshalProto(body); err != nil {
			return err
		}
		for _, r := range request.Traces().ResourceSpans().All() {
			e.spans = append(e.spans, r)
		}
		return nil
	}))
	mux.HandleFunc("POST /v1/logs", e.take(func(body []byte) error {
		request := plogotlp.NewExportRequest()
		if err := request.UnmarshalProto(body); err != nil {
			return err
		}
		for _, r := range request.Logs().ResourceLogs().All() {
			e.lines = append(e.lines, r)
		}
		return nil
	}))
	e.Server = httptest.NewServer(mux)
	t.Cleanup(e.Close)
}

func (e *endpoint) take(read func(body []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		content, err := unpacked(r)
		if err == nil {
			body, err = io.ReadAll(content)
		}
		select {
		case <-e.hold:
		case <-r.Context().Done():
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if err = errors.Join(err, read(body)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

// names are those of the spans that have come, and the resources that they came with.
func (e *endpoint) names() (names, resources []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.spans {
		for _, scope := range r.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				names, resources = append(names, span.Name()), append(resources, identityOf(r.Resource().Attributes()))
			}
		}
	}
	return names, resources
}

// records are the lines that have come as text, and the resources that they came with.
func (e *endpoint) records() (records []plog.LogRecord, resources []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.lines {
		for _, scope := range r.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				records, resources = append(records, record), append(resources, identityOf(r.Resource().Attributes()))
			}
		}
	}
	return records, resources
}

func identityOf(resource pcommon.Map) string {
	service, _ := resource.Get("service.name")
	instance, _ := resource.Get("service.instance.id")
	return service.AsString() + "/" + instance.AsString()
}

// send makes n spans with the OpenTelemetry SDK, as a service does that knows loopback alone.
func send(t *testing.T, p *sidecarProcess, n int) {
	t.Helper()
	exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL("http://"+p.otlp+"/v1/traces"),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{}))
	must(t, err)
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter, sdk.WithMaxExportBatchSize(50), sdk.WithMaxQueueSize(n)))
	for i := range n {
		_, span := provider.Tracer("test").Start(t.Context(), fmt.Sprintf("span %d", i))
		span.End()
	}
	must(t, provider.Shutdown(context.WithoutCancel(t.Context())))
}

func TestSidecar_SpansGetServiceAndInstance(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	p := prepared(t, "http://127.0.0.1:1", e.URL)
	p.start(t)
	send(t, p, 3)
	eventually(t, "the spans", func() error {
		names, resources := e.names()
		slices.Sort(names)
		if !slices.Equal(names, []string{"span 0", "span 1", "span 2"}) {
			return fmt.Errorf("there are %q", names)
		}
		if !slices.Equal(slices.Compact(resources), []string{"order/order-7"}) {
			return fmt.Errorf("they are of %q", resources)
		}
		return nil
	})
}

func TestSidecar_LinesOfTheLogComeOnceWithTheirTrace(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	p := prepared(t, "http://127.0.0.1:1", e.URL, "TELEMETRY_LOGS_TO=otlp_http")
	appendLine(t, p.logFile(), `{"time":"2026-01-02T03:04:05.678901Z","level":"WARN","msg":"first","order_id":"o1",`+
		`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"}`)
	appendLine(t, p.logFile(), "panic: this is no JSON")
	p.start(t)
	has := func(want ...string) {
		t.Helper()
		eventually(t, "the lines", func() error {
			records, resources := e.records()
			var bodies []string
			for i, record := range records {
				bodies = append(bodies, record.Body().AsString())
				if resources[i] != "order/order-7" {
					return fmt.Errorf("%q is of %q", bodies[i], resources[i])
				}
			}
			if slices.Sort(bodies); !slices.Equal(bodies, want) {
				return fmt.Errorf("there are %q", bodies)
			}
			return nil
		})
	}
	has("first", "panic: this is no JSON")
	records, _ := e.records()
	i := slices.IndexFunc(records, func(r plog.LogRecord) bool { return r.Body().AsString() == "first" })
	first := records[i]
	if id, _ := first.Attributes().Get("order_id"); id.AsString() != "o1" || first.SeverityNumber() != plog.SeverityNumberWarn ||
		first.TraceID().String() != "4bf92f3577b34da6a3ce929d0e0e4736" || first.SpanID().String() != "00f067aa0ba902b7" ||
		!first.Timestamp().AsTime().Equal(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)) {
		t.Errorf("the first line has %v, %v, %v, %v", first.Attributes().AsRaw(), first.SeverityNumber(), first.TraceID(), first.Timestamp())
	}

	p.end(t)
	appendLine(t, p.logFile(), `{"time":"2026-01-02T03:04:06Z","level":"INFO","msg":"while it was away"}`)
	p.start(t)
	has("first", "panic: this is no JSON", "while it was away")
}

func TestSidecar_MetricsGetServiceAndInstance(t *testing.T) {
	t.Parallel()
	const text = `# HELP orders_total Orders.
# TYPE orders_total counter
orders_total{status="CONFIRMED"} 5
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{le="1"} 2
took_seconds_bucket{le="2"} 2
took_seconds_bucket{le="+Inf"} 3
took_seconds_sum 9.5
took_seconds_count 3
`
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(service.Close)
	p := prepared(t, service.URL, newEndpoint(t).URL)
	p.start(t)
	response, err := http.Get("http://" + p.metrics + "/metrics")
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	for _, line := range []string{
		`orders_total{instance="order-7",service="order",status="CONFIRMED"} 5`,
		`took_seconds_bucket{instance="order-7",service="order",le="2"} 2`,
		`took_seconds_bucket{instance="order-7",service="order",le="+Inf"} 3`,
		`took_seconds_sum{instance="order-7",service="order"} 9.5`,
		`sidecar_service_up{instance="order-7",service="order"} 1`,
	} {
		if !strings.Contains(string(body), line+"\n") {
			t.Errorf("%s lacks %s", body, line)
		}
	}
}

// The endpoint takes a request and never answers. What the service sends is taken at once all the same; as much waits as
// the queue may hold, and the rest is dropped and counted.
func TestSidecar_AnEndpointThatHangsFillsAQueueThatIsBounded(t *testing.T) {
	t.Parallel()
	e, release := hangingEndpoint(t)
	const queue, sent = 200, 2000
	p := prepared(t, "http://127.0.0.1:1", e.URL, "TELEMETRY_CONFIG="+overlay(t,
		fmt.Sprintf("exporters: {otlp_http: {sending_queue: {queue_size: %d}}}\nprocessors: {batch: {send_batch_max_size: 100, send_batch_size: 100}}", queue)))
	p.start(t)
	began := time.Now()
	send(t, p, sent)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the service was held up for %v", took)
	}
	eventually(t, "the drops to be counted", func() error {
		dropped, accepted := p.sum("otelcol_exporter_enqueue_failed_spans_total"), p.sum("otelcol_receiver_accepted_spans_total")
		if accepted != sent || dropped < sent-queue-2*100 || dropped > sent-queue {
			return fmt.Errorf("%v of %v were dropped", dropped, accepted)
		}
		return nil
	})
	if size := p.sum("otelcol_exporter_queue_size"); size > queue {
		t.Errorf("%v wait in a queue of %v", size, queue)
	}
	release()
	eventually(t, "what has waited", func() error {
		names, _ := e.names()
		if dropped := int(p.sum("otelcol_exporter_enqueue_failed_spans_total")); len(names) != sent-dropped {
			return fmt.Errorf("there are %d spans, and %d of %d were dropped", len(names), dropped, sent)
		}
		return nil
	})
	eventually(t, "what was sent to be counted", func() error {
		if counted := p.sum("otelcol_exporter_sent_spans_total"); counted == 0 {
			return errors.New("it is not")
		}
		return nil
	})
}

func TestSidecar_SpansThatAreRefusedAreCounted(t *testing.T) {
	t.Parallel()
	refuses := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refuses.Close)
	p := prepared(t, "http://127.0.0.1:1", refuses.URL)
	p.start(t)
	send(t, p, 3)
	eventually(t, "the failures to be counted", func() error {
		if failed := p.sum("otelcol_exporter_send_failed_spans_total"); failed != 3 {
			return fmt.Errorf("there are %v", failed)
		}
		return nil
	})
}

// unpacked is the body of a request, which may be compressed.
func unpacked(r *http.Request) (io.Reader, error) {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return r.Body, nil
	}
	return gzip.NewReader(r.Body)
}
