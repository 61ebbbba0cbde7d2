//go:build browser

package browser

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otel "go.opentelemetry.io/otel/trace"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/tests/kit"
)

// traced are the processes that an order's trace passes.
var traced = []string{"order", "inventory", "payment", "ambassador", "gateway", "shipping", "notification"}

// noTrace: without a span the page explains how to have some.
func noTrace(t *testing.T, s *shop) {
	console := startConsole(t, s.At)
	id := s.Place(t, client.One("widget", 1))
	s.Ends(t, id)
	p := s.visit(t, "/", 1280, 800)
	p.at = console
	p.goTo("/order?id=" + id)
	p.reads("[data-is=trace]", "OTEL_EXPORTER_OTLP_ENDPOINT="+console+"/otlp")
	p.accessible()
	p.do(chromedp.EmulateViewport(320, 700))
	p.goTo("/traces")
	p.reads(".note", "OTEL_EXPORTER_OTLP_ENDPOINT="+console+"/otlp")
	p.accessible()
}

// aWaterfall: a bar for each span, of every process and of each part of a hop, told apart without colours, and reached
// by keyboard.
func aWaterfall(t *testing.T, s *shop) {
	id := s.Place(t, client.One("widget", 2))
	s.Ends(t, id)
	feed(t, s.At.URLs[endpoints.Console], id)
	p := s.visit(t, "/order?id="+id, 1280, 800)
	for _, service := range traced {
		p.wait("a bar of "+service, fmt.Sprintf(`document.querySelector('.spans [data-service=%q] .bar')?.getBoundingClientRect().width > 0`, service))
	}
	for _, segment := range []string{"outbox", "stream", "work"} {
		p.wait("a bar of "+segment, fmt.Sprintf(`document.querySelector('.spans [data-segment=%q] .bar')`, segment))
	}
	looks := value[int](p, `new Set(['outbox', 'stream', 'work'].map((segment) => {
		const { backgroundImage, backgroundColor } = getComputedStyle(document.querySelector('.spans .bar.' + segment));
		return [backgroundImage.startsWith('none'), backgroundColor === 'rgba(0, 0, 0, 0)'].join();
	})).size`)
	if looks != 3 {
		t.Errorf("the three parts of a hop have %d patterns", looks)
	}
	p.wait("no bar outside of its track", `[...document.querySelectorAll('.spans .track')].every((track) => {
		const [of, bar] = [track.getBoundingClientRect(), track.firstChild.getBoundingClientRect()];
		return bar.left >= of.left - 1 && bar.right <= of.right + 4;
	})`)
	p.reads("[data-is=trace]", "over 7 processes")
	p.picture("order-trace")
	p.accessible()
	p.do(chromedp.Focus(".spans [tabindex='0']"), chromedp.KeyEvent(kb.End))
	p.wait("the last span to be shown", `document.activeElement === [...document.querySelectorAll('.spans button')].at(-1) &&
		document.querySelector('[data-is=span] h3').textContent === document.activeElement.querySelector('b').textContent`)
	p.do(chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.ArrowDown))
	p.wait("the second one", `document.activeElement === document.querySelectorAll('.spans button')[1] && document.activeElement.getAttribute('aria-current') === 'true'`)
	p.do(chromedp.EmulateViewport(390, 844))
	p.accessible()
	p.picture("order-trace-small")
}

// searchTraces: failed and slow orders are found, and lead to their pages.
func searchTraces(t *testing.T, s *shop) {
	id := s.Place(t, declined())
	s.Ends(t, id)
	feed(t, s.At.URLs[endpoints.Console], id)
	p := s.visit(t, "/traces", 1280, 800)
	row := fmt.Sprintf("[data-order=%q]", id)
	p.reads(row, "payment")
	p.reads("[data-step=charge]", "payment")
	p.do(chromedp.Click("[data-view=failed]", chromedp.ByQuery))
	p.wait("the address to keep it", `location.search.includes('state=failed')`)
	p.picture("traces")
	p.accessible()
	p.do(chromedp.KeyEvent("/"), chromedp.KeyEvent("no such order"))
	p.wait("nothing to match", `document.querySelectorAll('[data-order]').length === 0`)
	p.goTo("/traces?state=all&q=" + id)
	p.reads(row, "payment")
	p.do(chromedp.EmulateViewport(390, 844))
	p.accessible()
	p.click(row + " a")
	p.wait("the order's page", `location.pathname === '/order'`)
}

// feed sends the spans of an order to the console, as OpenTelemetry's SDK exports them.
func feed(t *testing.T, console, id string) {
	t.Helper()
	began := time.Now()
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	tracers := map[string]*sdk.TracerProvider{}
	span := func(parent context.Context, service, name, segment string, kind otel.SpanKind, from, to int) context.Context {
		if tracers[service] == nil {
			exporter, err := otlptracehttp.New(t.Context(), otlptracehttp.WithEndpointURL(console+"/otlp/v1/traces"), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
			kit.Must(t, err)
			tracers[service] = sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", service), attribute.String("service.instance.id", service))))
		}
		attributes := []attribute.KeyValue{attribute.String("ordersaga.order.id", id)}
		if segment != "" {
			attributes = append(attributes, attribute.String("ordersaga.segment", segment))
		}
		if _, event, found := cut(name); found {
			attributes = append(attributes, attribute.String("ordersaga.event.type", event), attribute.String("messaging.system", "nats"))
		}
		ctx, s := tracers[service].Tracer("").Start(parent, name, otel.WithSpanKind(kind), otel.WithTimestamp(at(from)), otel.WithAttributes(attributes...))
		if service == "gateway" {
			s.SetStatus(codes.Error, "503 Service Unavailable")
		}
		s.End(otel.WithTimestamp(at(to)))
		return ctx
	}
	now := 0
	hop := func(parent context.Context, from, event string, to ...string) (ctx context.Context) {
		span(parent, from, "send "+event, "outbox", otel.SpanKindProducer, now+1, now+6)
		for _, service := range to {
			span(parent, service, "receive "+event, "stream", otel.SpanKindConsumer, now+6, now+9)
			ctx = span(parent, service, "process "+event, "work", otel.SpanKindConsumer, now+9, now+16)
		}
		now += 15
		return ctx
	}
	root := span(t.Context(), "order", "POST /v1/orders", "", otel.SpanKindServer, 0, 7)
	reserved := hop(root, "order", "OrderCreated", "notification", "inventory")
	claimed := hop(reserved, "inventory", "InventoryReserved", "payment")
	charge := span(claimed, "payment", "charge", "work", otel.SpanKindInternal, now, now+40)
	call := span(charge, "payment", "POST", "", otel.SpanKindClient, now+1, now+39)
	call = span(call, "ambassador", "POST /v1/charges", "", otel.SpanKindServer, now+2, now+38)
	span(call, "gateway", "POST /v1/charges", "", otel.SpanKindServer, now+3, now+37)
	now += 40
	shipped := hop(charge, "payment", "PaymentProcessed", "shipping")
	confirmed := hop(shipped, "shipping", "ShipmentCreated", "inventory", "order")
	hop(confirmed, "order", "OrderConfirmed")
	for _, one := range tracers {
		kit.Must(t, one.Shutdown(t.Context()))
	}
}

func cut(name string) (verb, event string, found bool) {
	for _, verb := range []string{"send ", "receive ", "process "} {
		if len(name) > len(verb) && name[:len(verb)] == verb {
			return verb, name[len(verb):], true
		}
	}
	return "", "", false
}
