package tracing

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// None records nothing, and costs nothing.
var None = trace.SpanFromContext(context.Background())

// Below begins a span below the one that a traceparent names, where that is sampled.
func Below(ctx context.Context, traceparent, name string,
	options ...trace.SpanStartOption) (context.Context, trace.Span) {
	r, parent := process.Load(), Parse(traceparent)
	if r == nil || !parent.IsSampled() {
		return ctx, None
	}
	return r.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), name, options...)
}

// Accepted records the root of an order's trace, from the request until the order is stored. It is linked with the
// request's own trace, which is the client's: a customer does not decide whether and where an order is recorded.
func Accepted(ctx context.Context, order, request string, began, stored time.Time) {
	r, root := process.Load(), rootOf(order)
	if r == nil || !root.IsValid() || !r.sampler.takes(root.TraceID()) {
		return
	}
	_, span := r.tracer.Start(context.WithValue(ctx, rootKey{}, root), "accept order", trace.WithNewRoot(),
		trace.WithTimestamp(began), trace.WithAttributes(OrderID.String(order), Work), link(request))
	span.End(trace.WithTimestamp(stored))
}

// Decided records that a request, a deadline or a person had an event follow, and returns the traceparent for that. The
// span is below the root of the order's trace, and is linked with the request's own.
func Decided(ctx context.Context, order, request, event string) string {
	root := Root(order)
	_, span := Below(ctx, root, "decide "+event,
		trace.WithAttributes(OrderID.String(order), EventType.String(event)), link(request))
	span.End()
	if span == None {
		return root
	}
	return Format(span.SpanContext())
}

// FromHere records the rest of a trace that is not recorded, and returns the traceparent for that.
func FromHere(ctx context.Context, order, traceparent, event string) string {
	r := process.Load()
	if r == nil || r.sampler.below == allTraces {
		return traceparent
	}
	ctx = trace.ContextWithRemoteSpanContext(late(ctx), Parse(traceparent))
	_, span := r.tracer.Start(ctx, "recorded from "+event,
		trace.WithAttributes(OrderID.String(order), EventType.String(event), Partial.Bool(true)))
	span.End()
	return Format(span.SpanContext())
}

// Batch begins the trace of a transaction that serves many orders: it is no order's own, and linked with those of all.
// Without any that are sampled there is none. In one of 64 the context has the span, so that its statements are
// recorded: a saga takes a hundred of them, and each costs as much as any other span.
func Batch(ctx context.Context, name string, members ...string) (context.Context, trace.Span) {
	r := process.Load()
	if r == nil {
		return ctx, None
	}
	var links []trace.Link
	for _, member := range members {
		if c := Parse(member); c.IsSampled() && len(links) < maxLinks {
			links = append(links, trace.Link{SpanContext: c})
		}
	}
	if len(links) == 0 {
		return ctx, None
	}
	within, span := r.tracer.Start(late(ctx), name, trace.WithNewRoot(), trace.WithLinks(links...),
		trace.WithAttributes(attribute.Int("messaging.batch.message_count", len(members))))
	if r.batches.Add(1)%statementsOf != 1 {
		within = trace.ContextWithSpan(ctx, None)
	}
	return within, span
}

const (
	maxLinks     = 128 // the SDK's own limit
	statementsOf = 64
)

// End ends a span, with what went wrong; at: zero for now.
func End(span trace.Span, at time.Time, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	if at.IsZero() {
		span.End()
	} else {
		span.End(trace.WithTimestamp(at))
	}
}

func link(traceparent string) trace.SpanStartOption {
	if c := Parse(traceparent); c.IsValid() {
		return trace.WithLinks(trace.Link{SpanContext: c})
	}
	return trace.WithLinks()
}

// Of is the traceparent of the span in ctx; empty when there is none.
func Of(ctx context.Context) string { return Format(trace.SpanContextFromContext(ctx)) }

// Server records the requests that change something, and those that are part of a recorded trace: reads come from every
// page and every probe, and say nothing about an order.
func Server(next http.Handler) http.Handler {
	if !On() {
		return next
	}
	return otelhttp.NewHandler(next, "request", otelhttp.WithFilter(func(r *http.Request) bool {
		return r.Method != http.MethodGet && r.Method != http.MethodHead || Parse(r.Header.Get("traceparent")).IsSampled()
	}), otelhttp.WithSpanNameFormatter(nameOf))
}

// nameOf is the name of a request's span, the same for all orders.
func nameOf(_ string, r *http.Request) string {
	path := strings.Split(r.URL.Path, "/")
	for i, part := range path {
		if uuid.Validate(part) == nil {
			path[i] = "{id}"
		}
	}
	return r.Method + " " + strings.Join(path, "/")
}

// Client records the requests of a client.
func Client(next http.RoundTripper) http.RoundTripper {
	if !On() {
		return next
	}
	return otelhttp.NewTransport(next, otelhttp.WithFilter(func(r *http.Request) bool {
		return trace.SpanContextFromContext(r.Context()).IsSampled()
	}), otelhttp.WithSpanNameFormatter(nameOf))
}
