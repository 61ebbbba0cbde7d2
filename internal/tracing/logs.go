package tracing

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// Logs gives every line that is written within a span the ids of that, as trace_id and span_id. Any other line with an
// order_id gets the id of the order's trace, whether that is recorded or not.
func Logs(next slog.Handler) slog.Handler { return logs{Handler: next} }

type logs struct {
	slog.Handler
	order string // the trace of the order that all lines are about; empty: none
}

// Handle adds the ids.
func (l logs) Handle(ctx context.Context, r slog.Record) error {
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		r.AddAttrs(slog.String("trace_id", c.TraceID().String()), slog.String("span_id", c.SpanID().String()))
		return l.Handler.Handle(ctx, r)
	}
	id := l.order
	r.Attrs(func(a slog.Attr) bool {
		if of := traceOf(a); of != "" {
			id = of
		}
		return true
	})
	if id != "" {
		r.AddAttrs(slog.String("trace_id", id))
	}
	return l.Handler.Handle(ctx, r)
}

// traceOf is the id of an order's trace, if the attribute is the order's id.
func traceOf(a slog.Attr) string {
	if a.Key != "order_id" {
		return ""
	}
	if root := rootOf(a.Value.Resolve().String()); root.IsValid() {
		return root.TraceID().String()
	}
	return ""
}

// WithAttrs keeps the ids.
func (l logs) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if of := traceOf(a); of != "" {
			l.order = of
		}
	}
	return logs{l.Handler.WithAttrs(attrs), l.order}
}

// WithGroup keeps the ids.
func (l logs) WithGroup(name string) slog.Handler { return logs{l.Handler.WithGroup(name), l.order} }
