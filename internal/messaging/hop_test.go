package messaging

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// recorded has this process record such a share of all orders until the test ends. The test is not parallel then.
func recorded(t *testing.T, share string) *tracetest.InMemoryExporter {
	t.Helper()
	collector := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(collector.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
	t.Setenv("OTEL_TRACES_SAMPLER_ARG", share)
	send, err := tracing.Start(t.Context(), "shipping", os.Getenv, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := send(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	spans := tracetest.NewInMemoryExporter()
	otel.GetTracerProvider().(*sdktrace.TracerProvider).RegisterSpanProcessor(sdktrace.NewSimpleSpanProcessor(spans))
	return spans
}

// named is the one span of a name.
func named(t *testing.T, spans *tracetest.InMemoryExporter, name string) tracetest.SpanStub {
	t.Helper()
	var found []tracetest.SpanStub
	var all []string
	for _, span := range spans.GetSpans() {
		all = append(all, span.Name)
		if span.Name == name {
			found = append(found, span)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans are called %q, among %q", len(found), name, all)
	}
	return found[0]
}

func attributeOf(span tracetest.SpanStub, key attribute.Key) string {
	for _, a := range span.Attributes {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// delivered is an event of a recorded order, in its attempt.
func delivered(attempt int) outbox.Delivery {
	order := uuid.NewString()
	return outbox.Delivery{Attempt: attempt, Since: time.Now().Add(-time.Second), Received: outbox.Received{
		ID: uuid.NewString(), Key: order, WireType: events.PaymentProcessed{}.Type().String(), TraceParent: tracing.Root(order),
	}}
}

func TestHop_HasThreeSpansWithOneParent(t *testing.T) {
	spans := recorded(t, "1")
	d := delivered(1)
	_, h := tracer{}.Begin(t.Context(), []outbox.Delivery{d})
	step := h.TraceParent(0)
	h.Stored([]outbox.Message{{TraceParent: step}})
	stored := time.Now()
	h.End(map[string]bool{d.ID: true}, nil)
	tracer{}.Acknowledged(outbox.Sent{
		ID: d.ID, Key: d.Key, Type: d.WireType, TraceParent: d.TraceParent, StoredAt: d.Since.Add(-time.Second), SentAt: d.Since,
	})
	send, receive := named(t, spans, "send PaymentProcessed"), named(t, spans, "receive PaymentProcessed")
	process, batch := named(t, spans, "process PaymentProcessed"), named(t, spans, "commit batch")
	for segment, span := range map[string]tracetest.SpanStub{"outbox": send, "stream": receive, "work": process} {
		if tracing.Format(span.Parent) != d.TraceParent || attributeOf(span, tracing.Segment) != segment {
			t.Errorf("%s is %q below %s", span.Name, attributeOf(span, tracing.Segment), tracing.Format(span.Parent))
		}
		if attributeOf(span, tracing.OrderID) != d.Key || attributeOf(span, "messaging.message.id") != d.ID {
			t.Errorf("%s has %v", span.Name, span.Attributes)
		}
		for _, key := range []attribute.Key{tracing.Redelivered, tracing.Duplicate, tracing.Redriven, tracing.Republished} {
			if got := attributeOf(span, key); got != "" {
				t.Errorf("%s of a first delivery has %s %s", span.Name, key, got)
			}
		}
	}
	if !send.EndTime.Equal(receive.StartTime) || !receive.EndTime.Equal(process.StartTime) || process.EndTime.After(stored) {
		t.Errorf("sent until %v, in the stream %v to %v, worked on %v to %v, stored at %v", send.EndTime, receive.StartTime,
			receive.EndTime, process.StartTime, process.EndTime, stored)
	}
	if tracing.Format(process.SpanContext) != step || len(batch.Links) != 1 || tracing.Format(batch.Links[0].SpanContext) != step {
		t.Errorf("%s follows, and the batch is linked with %+v", step, batch.Links)
	}
}

func TestHop_ARedeliveryIsMarkedAsOne(t *testing.T) {
	spans := recorded(t, "1")
	d := delivered(2)
	_, h := tracer{}.Begin(t.Context(), []outbox.Delivery{d})
	h.Stored(nil)
	h.End(nil, nil)
	for _, span := range []tracetest.SpanStub{named(t, spans, "receive PaymentProcessed"), named(t, spans, "process PaymentProcessed")} {
		if attributeOf(span, tracing.Redelivered) != "true" || attributeOf(span, tracing.Attempt) != "2" || tracing.Format(span.Parent) != d.TraceParent {
			t.Errorf("%s is below %s and has %v", span.Name, tracing.Format(span.Parent), span.Attributes)
		}
	}
	if attributeOf(named(t, spans, "process PaymentProcessed"), tracing.Duplicate) != "true" {
		t.Error("nothing shows that the event had taken effect")
	}
}

func TestHop_ARedriveIsLinkedWithTheOperatorsRequest(t *testing.T) {
	spans := recorded(t, "1")
	d := delivered(0)
	const request = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	_, h := tracer{}.Begin(trace.ContextWithRemoteSpanContext(t.Context(), tracing.Parse(request)), []outbox.Delivery{d})
	h.End(nil, errors.New("no luck"))
	span := named(t, spans, "process PaymentProcessed")
	linked := slices.ContainsFunc(span.Links, func(l sdktrace.Link) bool { return tracing.Format(l.SpanContext) == request })
	if !linked || tracing.Format(span.Parent) != d.TraceParent || attributeOf(span, tracing.Redriven) != "true" {
		t.Errorf("it is below %s, linked with %+v, and has %v", tracing.Format(span.Parent), span.Links, span.Attributes)
	}
	if span.Status.Code != codes.Error || span.Status.Description != "no luck" || attributeOf(span, tracing.Duplicate) != "" {
		t.Errorf("it ends with %+v and %v", span.Status, span.Attributes)
	}
	for _, span := range spans.GetSpans() {
		if strings.HasPrefix(span.Name, "receive ") {
			t.Errorf("what came from no stream has %s", span.Name)
		}
	}
}

// Of an order that is not taken the event that goes wrong is the first that is recorded.
func TestHop_WhatGoesWrongIsRecordedFromThereOn(t *testing.T) {
	spans := recorded(t, "0")
	order := uuid.NewString()
	cause := outbox.Cause{EventID: uuid.NewString(), TraceParent: tracing.Root(order)}
	subject := events.Subject{OrderID: order}
	if got := traceOf(cause, events.ShipmentCreated{Snapshot: events.Snapshot{OrderID: order}}); got != cause.TraceParent || len(spans.GetSpans()) > 0 {
		t.Errorf("what goes well continues %s, recorded: %+v", got, spans.GetSpans())
	}
	got := traceOf(cause, events.ShipmentFailed{Subject: subject, Reason: "test"})
	first := named(t, spans, "recorded from ShipmentFailed")
	if !tracing.Sampled(got) || tracing.Format(first.SpanContext) != got || tracing.Format(first.Parent) != cause.TraceParent {
		t.Errorf("%s follows %s below %s", got, tracing.Format(first.SpanContext), tracing.Format(first.Parent))
	}
	if next := traceOf(outbox.Cause{EventID: uuid.NewString(), TraceParent: got}, events.ShipmentFailed{Subject: subject, Reason: "test"}); next != got {
		t.Errorf("it begins a second time, with %s after %s", next, got)
	}
}

// A client's trace is linked, whether it is sampled or not, and never continued.
func TestHop_ARequestsTraceIsLinkedAndNotContinued(t *testing.T) {
	spans := recorded(t, "1")
	order := uuid.NewString()
	const request = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
	got := traceOf(outbox.Cause{TraceParent: request}, events.OrderCancelRequested{Subject: events.Subject{OrderID: order}, Reason: "test"})
	span := named(t, spans, "decide OrderCancelRequested")
	if tracing.Format(span.SpanContext) != got || tracing.Format(span.Parent) != tracing.Root(order) {
		t.Errorf("%s follows %s below %s", got, tracing.Format(span.SpanContext), tracing.Format(span.Parent))
	}
	if len(span.Links) != 1 || tracing.Format(span.Links[0].SpanContext) != request {
		t.Errorf("it is linked with %+v", span.Links)
	}
}

// A list that names an event which does not exist would have every order recorded that goes well.
func TestHop_WhatGoesWellIsInTheCatalogue(t *testing.T) {
	published := map[string]bool{}
	for _, types := range events.Publications {
		for _, typ := range types {
			published[typ.Name] = true
		}
	}
	for name := range happy {
		if !published[name] {
			t.Errorf("nobody publishes %s", name)
		}
	}
}
