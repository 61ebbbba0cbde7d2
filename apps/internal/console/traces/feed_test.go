package traces

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otel "go.opentelemetry.io/otel/trace"
)

// open serves an API as the console does.
func open(t testing.TB) (url string) {
	t.Helper()
	api := New()
	router := chi.NewRouter()
	router.Method(http.MethodPost, "/otlp/v1/traces", api)
	router.Route("/api", api.Routes)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return server.URL
}

// feed makes spans with OpenTelemetry's SDK, as each service does, and sends them with its exporter.
type feed struct {
	t        testing.TB
	url      string
	services map[string]*sdk.TracerProvider
	began    time.Time
}

func newFeed(t testing.TB, url string) *feed {
	t.Helper()
	return &feed{t, url + "/otlp/v1/traces", map[string]*sdk.TracerProvider{}, time.Now().Add(-time.Minute)}
}

func (f *feed) tracer(service string) otel.Tracer {
	f.t.Helper()
	if f.services[service] == nil {
		exporter, err := otlptracehttp.New(f.t.Context(), otlptracehttp.WithEndpointURL(f.url),
			otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
		if err != nil {
			f.t.Fatal(err)
		}
		of := resource.NewSchemaless(attribute.String("service.name", service),
			attribute.String("service.instance.id", service+"-1"), attribute.String("service.version", "1.2.3"))
		f.services[service] = sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(of))
	}
	return f.services[service].Tracer("test")
}

// flush sends all that was made.
func (f *feed) flush() {
	f.t.Helper()
	for _, provider := range f.services {
		if err := errors.Join(provider.ForceFlush(f.t.Context()), provider.Shutdown(context.WithoutCancel(f.t.Context()))); err != nil {
			f.t.Fatal(err)
		}
	}
	f.services = map[string]*sdk.TracerProvider{}
}

// made is a span to be made: from one millisecond to another one after the feed's beginning.
type made struct {
	service, name string
	kind          otel.SpanKind
	from, to      float64
	attributes    []attribute.KeyValue
	links         []context.Context
	problem       string
}

func (f *feed) span(parent context.Context, m made) context.Context {
	f.t.Helper()
	at := func(ms float64) time.Time { return f.began.Add(time.Duration(ms * float64(time.Millisecond))) }
	options := []otel.SpanStartOption{
		otel.WithTimestamp(at(m.from)), otel.WithSpanKind(m.kind), otel.WithAttributes(m.attributes...),
	}
	for _, to := range m.links {
		options = append(options, otel.WithLinks(otel.LinkFromContext(to)))
	}
	ctx, span := f.tracer(m.service).Start(parent, m.name, options...)
	if m.problem != "" {
		span.SetStatus(codes.Error, m.problem)
	}
	span.End(otel.WithTimestamp(at(m.to)))
	return ctx
}

// order is an order whose spans are made.
type order struct {
	*feed
	id  uuid.UUID
	now float64 // in milliseconds after the feed's beginning
}

func (o *order) attributes(segment, event string, more ...attribute.KeyValue) []attribute.KeyValue {
	return append(more, attribute.String(orderKey, o.id.String()), attribute.String(segmentKey, segment),
		attribute.String(eventKey, event), attribute.String("messaging.system", "nats"))
}

// publish is an event on its way out of a service.
func (o *order) publish(by context.Context, service, event string) (id string) {
	id = uuid.NewString()
	o.span(by, made{
		service: service, name: "send " + event, kind: otel.SpanKindProducer, from: o.now, to: o.now + 4,
		attributes: o.attributes("outbox", event, attribute.String("messaging.operation.type", "send"),
			attribute.String("messaging.message.id", id), attribute.String("messaging.destination.name", "saga.order."+event+".v1")),
	})
	o.now += 4
	return id
}

// consume is an event that arrives at a service, which works on it for so many milliseconds.
func (o *order) consume(by context.Context, service, event, id string, work float64) context.Context {
	message := attribute.String("messaging.message.id", id)
	o.span(by, made{
		service: service, name: "receive " + event, kind: otel.SpanKindConsumer, from: o.now, to: o.now + 2, links: []context.Context{by},
		attributes: o.attributes("stream", event, message, attribute.String("messaging.operation.type", "receive")),
	})
	return o.span(by, made{
		service: service, name: "process " + event, kind: otel.SpanKindConsumer, from: o.now + 2, to: o.now + 2 + work, links: []context.Context{by},
		attributes: o.attributes("work", event, message, attribute.String("messaging.operation.type", "process"),
			attribute.Int("ordersaga.delivery.attempt", 1)),
	})
}

// saga makes the spans of an order that is confirmed, or whose card is declined; work is how long payment takes.
func (f *feed) saga(id uuid.UUID, declined bool, work float64) {
	f.t.Helper()
	o := &order{f, id, 6}
	root := f.span(f.t.Context(), made{
		service: "order", name: "POST /v1/orders", kind: otel.SpanKindServer, from: 0, to: 8,
		attributes: []attribute.KeyValue{attribute.String(orderKey, id.String()), attribute.Int("http.response.status_code", 202), attribute.String("url.path", "/v1/orders")},
	})
	created := o.publish(root, "order", "OrderCreated")
	o.consume(root, "notification", "OrderCreated", created, 3)
	reserved := o.consume(root, "inventory", "OrderCreated", created, 6)
	commit := f.span(f.t.Context(), made{service: "inventory", name: "commit batch", from: o.now + 5, to: o.now + 8, links: []context.Context{reserved}})
	f.span(commit, made{service: "inventory", name: "COMMIT", kind: otel.SpanKindClient, from: o.now + 6, to: o.now + 8})
	o.now += 8
	message := o.publish(reserved, "inventory", "InventoryReserved")
	claimed := o.consume(reserved, "payment", "InventoryReserved", message, 3)
	o.now += 5
	charge := f.span(claimed, made{service: "payment", name: "charge", from: o.now, to: o.now + work, attributes: []attribute.KeyValue{attribute.String(orderKey, id.String()), attribute.String(segmentKey, "work")}})
	by, problem := charge, ""
	if declined {
		problem = "402 Payment Required"
	}
	for i, hop := range []made{
		{service: "payment", name: "POST", kind: otel.SpanKindClient}, {service: "ambassador", name: "POST /v1/charges", kind: otel.SpanKindServer},
		{service: "ambassador", name: "POST", kind: otel.SpanKindClient}, {service: "gateway", name: "POST /v1/charges", kind: otel.SpanKindServer},
	} {
		hop.from, hop.to = o.now+float64(i)/2, o.now+work-float64(i)/2
		if hop.kind == otel.SpanKindClient {
			hop.problem = problem
		}
		by = f.span(by, hop) //nolint:fatcontext // each is below the one before
	}
	o.now += work
	if declined {
		message = o.publish(charge, "payment", "PaymentFailed")
		released := o.consume(charge, "inventory", "PaymentFailed", message, 4)
		o.now += 6
		message = o.publish(released, "inventory", "InventoryReleased")
		cancelled := o.consume(released, "order", "InventoryReleased", message, 4)
		o.now += 6
		o.publish(cancelled, "order", "OrderCancelled")
		return
	}
	message = o.publish(charge, "payment", "PaymentProcessed")
	shipped := o.consume(charge, "shipping", "PaymentProcessed", message, 5)
	o.now += 7
	message = o.publish(shipped, "shipping", "ShipmentCreated")
	o.consume(shipped, "inventory", "ShipmentCreated", message, 4)
	confirmed := o.consume(shipped, "order", "ShipmentCreated", message, 4)
	o.now += 6
	o.publish(confirmed, "order", "OrderConfirmed")
}

// spansOf is how many spans the trace of a confirmed order has.
const spansOf = 1 + 5 + 2*6 + 5
