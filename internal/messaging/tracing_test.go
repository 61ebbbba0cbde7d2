package messaging

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// What one hop of an event costs: three spans, their batch, and sending them.
func BenchmarkTracer(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer sink.Close()
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.URL)
	b.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16384")
	b.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2048")
	send, err := tracing.Start(b.Context(), "order", func(k string) string {
		if k == "OTEL_EXPORTER_OTLP_ENDPOINT" {
			return sink.URL
		}
		return ""
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = send(context.WithoutCancel(b.Context())) }()
	id := uuid.NewString()
	d := outbox.Delivery{Attempt: 1, Since: time.Now()}
	d.ID, d.Key, d.WireType = uuid.NewString(), id, events.OrderCreated{}.Type().String()
	d.TraceParent = tracing.Root(id)
	b.ReportAllocs()
	for b.Loop() {
		_, h := tracer{}.Begin(context.Background(), []outbox.Delivery{d})
		h.Stored(nil)
		h.End(map[string]bool{d.ID: true}, nil)
		tracer{}.Acknowledged(outbox.Sent{
			ID: d.ID, Key: id, Type: d.WireType, TraceParent: d.TraceParent, StoredAt: time.Now(), SentAt: time.Now(),
		})
	}
}
