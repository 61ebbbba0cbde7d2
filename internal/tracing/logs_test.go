package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
)

const anOrder, itsTrace = "01980000-0000-7000-8000-00000000abcd", "0198000000007000800000000000abcd"

func TestLogs_ALineNamesItsTrace(t *testing.T) {
	t.Parallel()
	span := Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	within := trace.ContextWithSpanContext(t.Context(), span)
	for name, test := range map[string]struct {
		ctx         context.Context
		log         func(context.Context, *slog.Logger)
		trace, span any
	}{
		"about nothing": {t.Context(), func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m") }, nil, nil},
		"within a span": {within, func(ctx context.Context, l *slog.Logger) { l.InfoContext(ctx, "m", "order_id", anOrder) },
			span.TraceID().String(), span.SpanID().String()},
		"about an order": {t.Context(), func(ctx context.Context, l *slog.Logger) {
			l.InfoContext(ctx, "m", "order_id", uuid.MustParse(anOrder))
		}, itsTrace, nil},
		"all about an order": {t.Context(), func(ctx context.Context, l *slog.Logger) {
			l.With("order_id", anOrder).With("more", 1).InfoContext(ctx, "m")
		}, itsTrace, nil},
		"about what is no order": {t.Context(), func(ctx context.Context, l *slog.Logger) {
			l.InfoContext(ctx, "m", "order_id", "?")
		}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text bytes.Buffer
			test.log(test.ctx, slog.New(Logs(slog.NewJSONHandler(&text, nil))))
			var line map[string]any
			if err := json.Unmarshal(text.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if line["trace_id"] != test.trace || line["span_id"] != test.span {
				t.Errorf("it wrote %s", &text)
			}
		})
	}
}
