// Package tracing records spans with OpenTelemetry, where a process is told to, and costs nothing elsewhere.
//
// One order is one trace. Its trace id is the order's id and its root's span id follows from that, so whoever knows an
// order knows where its spans belong, also after a crash, for a deadline or an operator's action weeks later. Nothing
// has to be stored for that but the span context in every event. See docs/adr/0025-an-orders-trace.md.
package tracing

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0" // the one place that says which version of the conventions holds
	"go.opentelemetry.io/otel/trace"

	"example.com/ordersaga/internal/version"
)

// Attributes of our own. Those of the semantic conventions are used where there is one.
const (
	OrderID     = attribute.Key("ordersaga.order.id")
	EventType   = attribute.Key("ordersaga.event.type")
	Segment     = attribute.Key("ordersaga.segment")          // where a hop's time went: one of the three below
	Attempt     = attribute.Key("ordersaga.delivery.attempt") // of a message, from 1
	Redelivered = attribute.Key("ordersaga.redelivered")      // the event was delivered before
	Duplicate   = attribute.Key("ordersaga.duplicate")        // it had taken effect before
	Republished = attribute.Key("ordersaga.republished")      // the broker may have lost it
	Redriven    = attribute.Key("ordersaga.redriven")         // an operator had it handled
	TakenOver   = attribute.Key("ordersaga.lease.taken_over") // another worker had begun this work, and never finished
	Partial     = attribute.Key("ordersaga.trace.partial")    // what was before is not recorded
)

// The segments of a hop. Their sum over a saga is its latency.
var (
	InOutbox = Segment.String("outbox") // stored, until it is sent to the broker
	InStream = Segment.String("stream") // until a consumer begins with it
	Work     = Segment.String("work")   // until what follows is stored
)

// process is what records in this process; nil while nothing does.
var process atomic.Pointer[recorder]

type recorder struct {
	tracer  trace.Tracer
	sampler sampler
	batches atomic.Uint64 // begun up to now
}

// On says whether spans are recorded in this process.
func On() bool { return process.Load() != nil }

// Start records spans from now on, if the environment asks for it: with OTEL_EXPORTER_OTLP_ENDPOINT, or the same for
// traces alone, and without OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none. OTEL_TRACES_SAMPLER chooses between
// all orders and a share of them. The function that it returns sends what is left. A collector that does not listen is
// worth a line in the log at level DEBUG, since no order waits for one.
func Start(ctx context.Context, service string, getenv func(string) string,
	log *slog.Logger) (send func(context.Context) error, err error) {
	endpoint := cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	off := strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none"
	if endpoint == "" || off {
		return func(context.Context) error { return nil }, nil
	}
	sampler, err := samplerOf(getenv)
	if err != nil {
		return nil, err
	}
	// The exporter would go on with its default, and nobody would see why spans do not arrive.
	if at, err := url.Parse(endpoint); err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT must be an address such as http://127.0.0.1:4318, not %q",
			endpoint)
	}
	protocol := cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), getenv("OTEL_EXPORTER_OTLP_PROTOCOL"),
		"http/protobuf")
	if protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, not %q", protocol)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	host, _ := os.Hostname() // an instance without a host's name is one still
	what, err := resource.New(ctx, resource.WithAttributes(
		semconv.ServiceName(service), semconv.ServiceVersion(version.Number),
		semconv.ServiceInstanceID(fmt.Sprintf("%s:%d", host, os.Getpid()))), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("spans are lost", "error", err) }))
	return record(sampler, sdktrace.WithBatcher(exporter), sdktrace.WithResource(what)), nil
}

func record(s sampler, options ...sdktrace.TracerProviderOption) func(context.Context) error {
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSampler(s), sdktrace.WithIDGenerator(ids{}))...)
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	process.Store(&recorder{tracer: provider.Tracer("example.com/ordersaga/internal/tracing"), sampler: s})
	return func(ctx context.Context) error {
		process.Store(nil)
		return provider.Shutdown(ctx)
	}
}

// ids are random, but for the root of an order's trace.
type ids struct{}

type rootKey struct{}

// NewIDs gives a span without a parent its ids.
func (g ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if root, is := ctx.Value(rootKey{}).(trace.SpanContext); is {
		return root.TraceID(), root.SpanID()
	}
	var id trace.TraceID
	_, _ = rand.Read(id[:]) // crypto/rand.Read never returns an error
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID gives a span with a parent its id.
func (ids) NewSpanID(context.Context, trace.TraceID) (id trace.SpanID) {
	_, _ = rand.Read(id[:])
	return id
}

// rootOf is the context of the root of an order's trace: the order's id, and its last eight bytes, which are random. It
// is invalid for what is no order's id.
func rootOf(order string) trace.SpanContext {
	id, err := uuid.Parse(order)
	if err != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(id), SpanID: trace.SpanID(id[8:])})
}

// Root is the W3C trace context of the root of an order's trace, for the events that no other event has caused. Its
// sampled flag is what this process would decide, which is the same in all that have the same settings.
func Root(order string) string {
	root := rootOf(order)
	if r := process.Load(); r != nil && r.sampler.takes(root.TraceID()) {
		root = root.WithTraceFlags(trace.FlagsSampled)
	}
	return Format(root)
}

// OfOrder says whether a traceparent is of the order's own trace.
func OfOrder(order, traceparent string) bool {
	c := Parse(traceparent)
	return c.IsValid() && c.TraceID() == rootOf(order).TraceID()
}

// Format is a span context as the header traceparent has it (https://www.w3.org/TR/trace-context/).
// It is empty for one that is invalid.
func Format(c trace.SpanContext) string {
	if !c.IsValid() {
		return ""
	}
	text := make([]byte, 0, 55)
	text = append(text, "00-"...)
	traceID, spanID := c.TraceID(), c.SpanID()
	text = hex.AppendEncode(text, traceID[:])
	text = append(text, '-')
	text = hex.AppendEncode(text, spanID[:])
	text = append(text, '-')
	return string(hex.AppendEncode(text, []byte{byte(c.TraceFlags())}))
}

// Parse reads the header traceparent. What is none is an invalid context.
func Parse(header string) trace.SpanContext {
	// Every event is read several times. The propagator of the SDK does the same with an allocation for each.
	var raw [26]byte // version, trace id, span id, flags; of these only the two that the standard knows are passed on
	if len(header) != 55 || header[:3] != "00-" || header[35] != '-' || header[52] != '-' ||
		strings.ContainsAny(header, "ABCDEF") {
		return trace.SpanContext{}
	}
	_, traceID := hex.Decode(raw[1:17], []byte(header[3:35]))
	_, spanID := hex.Decode(raw[17:25], []byte(header[36:52]))
	_, flags := hex.Decode(raw[25:], []byte(header[53:]))
	if traceID != nil || spanID != nil || flags != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(raw[1:17]), SpanID: trace.SpanID(raw[17:25]), TraceFlags: trace.TraceFlags(raw[25] & 3),
		Remote: true,
	})
}

// Sampled says whether spans below a traceparent are recorded in this process.
func Sampled(header string) bool { return On() && Parse(header).IsSampled() }
