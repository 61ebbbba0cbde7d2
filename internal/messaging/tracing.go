package messaging

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// tracer records the three spans of a hop: how long an event waits in the outbox, and in the stream, and what is done
// about it.
type tracer struct{}

// happy are the events of a saga that goes well. Any other has an order recorded that was not.
var happy = map[string]bool{
	"OrderCreated": true, "InventoryReserved": true, "PaymentProcessed": true, "ShipmentCreated": true,
	"OrderConfirmed": true,
}

// traceOf is the traceparent of a new event. One that another event has caused continues the trace of that; what a
// request, a deadline or a person has caused belongs to the order's trace all the same.
func traceOf(cause outbox.Cause, event events.Event) string {
	order, name := event.Order(), event.Type().Name
	traceparent := cause.TraceParent
	if cause.EventID == "" && !tracing.OfOrder(order, traceparent) || traceparent == "" {
		traceparent = tracing.Decided(context.Background(), order, traceparent, name)
	}
	if !happy[name] && tracing.On() && !tracing.Sampled(traceparent) {
		traceparent = tracing.FromHere(context.Background(), order, traceparent, name)
	}
	return traceparent
}

// attributes are what every span about an event has.
func attributes(order, event, id string, operation attribute.KeyValue,
	more ...attribute.KeyValue) trace.SpanStartEventOption {
	all := make([]attribute.KeyValue, 0, 5+len(more))
	all = append(all, tracing.OrderID.String(order), tracing.EventType.String(event),
		semconv.MessagingSystemKey.String("nats"), operation, semconv.MessagingMessageID(id))
	return trace.WithAttributes(append(all, more...)...)
}

// Acknowledged records the wait in the outbox.
func (tracer) Acknowledged(sent outbox.Sent) {
	name := nameOnWire(sent.Type)
	_, span := tracing.Below(context.Background(), sent.TraceParent, "send "+name,
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithTimestamp(sent.StoredAt),
		attributes(sent.Key, name, sent.ID, semconv.MessagingOperationTypeSend, tracing.InOutbox,
			semconv.MessagingDestinationName(events.Stream)))
	if sent.Republish {
		span.SetAttributes(tracing.Republished.Bool(true))
	}
	span.End(trace.WithTimestamp(sent.SentAt))
}

func nameOnWire(wireType string) string {
	if t, err := events.ParseType(wireType); err == nil {
		return t.Name
	}
	return wireType
}

// handling is the trace of a batch.
type handling struct {
	batch    trace.Span
	spans    []trace.Span // of each delivery
	ids      []string
	stored   time.Time
	answered map[string]bool // the traceparents of spans that an answer follows from
}

// Begin records the wait in the stream, and begins the spans of the steps and the one of their transaction.
func (tracer) Begin(ctx context.Context, batch []outbox.Delivery) (context.Context, outbox.Trace) {
	h := &handling{spans: make([]trace.Span, len(batch)), ids: make([]string, len(batch))}
	now := time.Now()
	members := make([]string, 0, len(batch))
	for i, d := range batch {
		h.ids[i] = d.ID
		h.spans[i] = begin(ctx, d, now)
		if c := h.spans[i].SpanContext(); c.IsValid() {
			members = append(members, tracing.Format(c))
		}
	}
	ctx, h.batch = tracing.Batch(ctx, "commit batch", members...)
	return ctx, h
}

// begin records one delivery. Whatever happens to a message, its spans have one parent, the span that has made it, and
// a link to that.
func begin(ctx context.Context, d outbox.Delivery, now time.Time) trace.Span {
	if !tracing.Sampled(d.TraceParent) {
		return tracing.None
	}
	name := nameOnWire(d.WireType)
	made := trace.WithLinks(trace.Link{SpanContext: tracing.Parse(d.TraceParent)})
	var again []attribute.KeyValue
	switch d.Attempt {
	case 0: // an operator's request, whose span is in ctx
		again = append(again, tracing.Redriven.Bool(true))
		made = trace.WithLinks(trace.Link{SpanContext: tracing.Parse(d.TraceParent)}, trace.LinkFromContext(ctx))
	default:
		if d.Attempt > 1 { // an attribute that most spans have costs more than it shows
			again = append(again, tracing.Attempt.Int(d.Attempt), tracing.Redelivered.Bool(true))
		}
		_, waited := tracing.Below(ctx, d.TraceParent, "receive "+name, trace.WithSpanKind(trace.SpanKindConsumer), made,
			trace.WithTimestamp(d.Since), attributes(d.Key, name, d.ID, semconv.MessagingOperationTypeReceive,
				append(again, tracing.InStream)...))
		waited.End(trace.WithTimestamp(now))
	}
	_, span := tracing.Below(ctx, d.TraceParent, "process "+name, trace.WithSpanKind(trace.SpanKindConsumer), made,
		trace.WithTimestamp(now),
		attributes(d.Key, name, d.ID, semconv.MessagingOperationTypeProcess, append(again, tracing.Work)...))
	return span
}

// TraceParent is the span of a step.
func (h *handling) TraceParent(i int) string { return tracing.Format(h.spans[i].SpanContext()) }

// Stored ends the work on what has an answer: from now on that waits in the outbox, for the commit at first.
func (h *handling) Stored(answers []outbox.Message) {
	h.stored, h.answered = time.Now(), make(map[string]bool, len(answers))
	for _, answer := range answers {
		h.answered[answer.TraceParent] = true
	}
}

// End ends the spans.
func (h *handling) End(fresh map[string]bool, err error) {
	for i, span := range h.spans {
		if err == nil && !fresh[h.ids[i]] {
			span.SetAttributes(tracing.Duplicate.Bool(true))
		}
		var at time.Time
		if h.answered[h.TraceParent(i)] {
			at = h.stored
		}
		tracing.End(span, at, err)
	}
	tracing.End(h.batch, time.Time{}, err)
}
