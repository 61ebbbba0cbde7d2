package tracing

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// What records is one for the whole process, so no test here is parallel.

// request is the traceparent of a client, sampled, of another trace than any order's.
const request = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// recorded has spans recorded in memory until the test ends.
func recorded(t *testing.T, s sampler) *tracetest.InMemoryExporter {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	stop := record(s, sdktrace.WithSyncer(spans))
	t.Cleanup(func() {
		if err := stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return spans
}

// only is the one span that is recorded.
func only(t *testing.T, spans *tracetest.InMemoryExporter) tracetest.SpanStub {
	t.Helper()
	all := spans.GetSpans()
	if len(all) != 1 {
		t.Fatalf("%d spans are recorded, not 1: %+v", len(all), all)
	}
	return all[0]
}

func has(span tracetest.SpanStub, want ...attribute.KeyValue) bool {
	return !slices.ContainsFunc(want, func(a attribute.KeyValue) bool { return !slices.Contains(span.Attributes, a) })
}

func environment(variables ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(variables); i += 2 {
			if variables[i] == name {
				return variables[i+1]
			}
		}
		return ""
	}
}

func TestSampler_TakesItsShareOfUUIDs(t *testing.T) {
	const n = 10_000
	for _, test := range []struct {
		ratio       string
		least, most int
	}{{"0", 0, 0}, {"0.1", 800, 1200}, {"0.6", 5600, 6400}, {"0.8", 7700, 8300}, {"1", n, n}, {"", n, n}} {
		s, err := samplerOf(environment("OTEL_TRACES_SAMPLER", "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG", test.ratio))
		if err != nil {
			t.Fatal(err)
		}
		for version, next := range map[string]func() (uuid.UUID, error){"4": uuid.NewRandom, "7": uuid.NewV7} {
			taken := 0
			for range n {
				if s.takes(trace.TraceID(uuid.Must(next()))) {
					taken++
				}
			}
			if taken < test.least || taken > test.most {
				t.Errorf("ratio %q: %d of %d UUIDs of version %s are taken, not %d to %d", test.ratio, taken, n, version, test.least, test.most)
			}
		}
	}
}

func TestSampler_HasTheNamesOfOpenTelemetry(t *testing.T) {
	for _, test := range []struct {
		name, argument string
		below          uint64
		refused        string // the variable that the error begins with
	}{
		{name: "", below: allTraces},
		{name: "always_on", below: allTraces},
		{name: "parentbased_always_on", argument: "nonsense that nobody reads", below: allTraces},
		{name: "always_off"},
		{name: "parentbased_always_off"},
		{name: "traceidratio", argument: "0.5", below: allTraces / 2},
		{name: "parentbased_traceidratio", argument: "0.25", below: allTraces / 4},
		{name: "parentbased_traceidratio", argument: "1e-9", below: 72_057_594},
		{name: "parentbased_traceidratio", argument: "-0.1", refused: "OTEL_TRACES_SAMPLER_ARG"},
		{name: "parentbased_traceidratio", argument: "1.1", refused: "OTEL_TRACES_SAMPLER_ARG"},
		{name: "parentbased_traceidratio", argument: "NaN", refused: "OTEL_TRACES_SAMPLER_ARG"},
		{name: "traceidratio", argument: "half", refused: "OTEL_TRACES_SAMPLER_ARG"},
		{name: "traceidratio", argument: "1\n2", refused: "OTEL_TRACES_SAMPLER_ARG"},
		{name: "jaeger_remote", refused: "OTEL_TRACES_SAMPLER"},
		{name: "ALWAYS_ON", refused: "OTEL_TRACES_SAMPLER"},
		{name: "always\non", refused: "OTEL_TRACES_SAMPLER"},
	} {
		env := environment("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1",
			"OTEL_TRACES_SAMPLER", test.name, "OTEL_TRACES_SAMPLER_ARG", test.argument)
		got, err := samplerOf(env)
		if test.refused == "" {
			if err != nil || got.below != test.below {
				t.Errorf("%q %q: below %d (%v), want %d", test.name, test.argument, got.below, err, test.below)
			}
			continue
		}
		_, err = Start(t.Context(), "order", env, slog.New(slog.DiscardHandler))
		if err == nil || !strings.HasPrefix(err.Error(), test.refused+" must be ") || strings.Contains(err.Error(), "\n") || On() {
			t.Errorf("%q %q: %v, not one line about %s", test.name, test.argument, err, test.refused)
		}
	}
}

// A parent's flag decides, whoever the parent is; without a parent the trace id does.
func TestSampler_FollowsTheParent(t *testing.T) {
	for below, want := range map[uint64]string{0: "below sampled", allTraces: "below sampled, new"} {
		spans := recorded(t, sampler{below})
		tracer := process.Load().tracer
		for name, parent := range map[string]string{
			"below sampled": request, "below unsampled": strings.TrimSuffix(request, "1") + "0", "new": "",
		} {
			_, span := tracer.Start(trace.ContextWithRemoteSpanContext(t.Context(), Parse(parent)), name)
			span.End()
		}
		var names []string
		for _, span := range spans.GetSpans() {
			names = append(names, span.Name)
		}
		slices.Sort(names)
		if got := strings.Join(names, ", "); got != want {
			t.Errorf("below %d of %d: recorded are %q, want %q", below, uint64(allTraces), got, want)
		}
	}
}

func TestRoot_IsTheOrdersIDAndTheSamplersDecision(t *testing.T) {
	const order = "0199d2c4-7a10-7c3e-9b5a-1f2e3d4c5b6a"
	unsampled := "00-0199d2c47a107c3e9b5a1f2e3d4c5b6a-9b5a1f2e3d4c5b6a-00"
	if got := Root(order); got != unsampled {
		t.Errorf("where nothing is recorded it is %q, want %q", got, unsampled)
	}
	half := sampler{allTraces / 2}
	recorded(t, half)
	taken := 0
	for range 1000 {
		id := uuid.Must(uuid.NewV7())
		root := Parse(Root(id.String()))
		if root.TraceID() != trace.TraceID(id) || root.SpanID() != trace.SpanID(id[8:]) || root.IsSampled() != half.takes(root.TraceID()) {
			t.Fatalf("the root of %s is %+v", id, root)
		}
		if again := Root(id.String()); again != Format(root) || !OfOrder(id.String(), again) || OfOrder(uuid.NewString(), again) {
			t.Fatalf("the root of %s is another the second time, or another order's", id)
		}
		if root.IsSampled() {
			taken++
		}
	}
	if taken == 0 || taken == 1000 {
		t.Errorf("of half of all, %d of 1000 are taken", taken)
	}
	for _, none := range []string{"", "o1", "00000000-0000-0000-0000-000000000000"} {
		if got := Root(none); got != "" || OfOrder(none, "") || OfOrder(none, request) {
			t.Errorf("%q has the root %q", none, got)
		}
	}
}

func TestParse_RefusesWhatIsNoTraceparent(t *testing.T) {
	for _, header := range []string{request, strings.TrimSuffix(request, "1") + "0", Root(uuid.NewString())} {
		if got := Format(Parse(header)); got != header {
			t.Errorf("%q has become %q", header, got)
		}
	}
	for name, header := range map[string]string{
		"nothing":                   "",
		"words":                     "hello",
		"too short":                 request[:54],
		"too long":                  request + "0",
		"a field more in version 0": request + "-more",
		"very long":                 strings.Repeat(request, 1000),
		"upper case":                strings.ToUpper(request),
		"version ff":                "ff" + request[2:],
		"no trace id":               "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
		"no span id":                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"no hexadecimal digit":      strings.Replace(request, "4bf9", "4bg9", 1),
		"another separator":         strings.ReplaceAll(request, "-", "_"),
		"a separator elsewhere":     "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
		"a space":                   " " + request,
		"no ASCII":                  strings.Replace(request, "4b", "é", 1),
	} {
		if got := Parse(header); got.IsValid() || Format(got) != "" {
			t.Errorf("%s: %q is %+v", name, header, got)
		}
	}
}

func TestParse_PassesOnlyKnownFlagsOn(t *testing.T) {
	if got := Format(Parse(strings.TrimSuffix(request, "01") + "ff")); got != strings.TrimSuffix(request, "01")+"03" {
		t.Errorf("it is %q", got)
	}
}

func TestStart_RefusesWhatItCannotSendTo(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for _, variables := range [][]string{
		{endpoint, "localhost:4318"}, {endpoint, "ftp://127.0.0.1"}, {endpoint, "http://"}, {endpoint, "http://%zz"},
		{endpoint, "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
		{endpoint, "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"},
		{endpoint, "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER", "nonsense"},
	} {
		_, err := Start(t.Context(), "order", environment(variables...), slog.New(slog.DiscardHandler))
		if err == nil || On() || !strings.HasPrefix(err.Error(), "OTEL_") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: on is %v, the error is %v", variables, On(), err)
		}
	}
}

func TestStart_IsOffUnlessTheEnvironmentAsksForIt(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for name, variables := range map[string][]string{
		"nothing":                             {},
		"a sampler alone":                     {"OTEL_TRACES_SAMPLER", "always_on"},
		"a wrong sampler that nobody needs":   {"OTEL_TRACES_SAMPLER", "nonsense"},
		"no SDK":                              {endpoint, "http://127.0.0.1:1", "OTEL_SDK_DISABLED", "true"},
		"no SDK, in capitals":                 {endpoint, "http://127.0.0.1:1", "OTEL_SDK_DISABLED", "TRUE"},
		"no exporter":                         {endpoint, "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER", "none"},
		"no exporter, with one of its own":    {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER", "none"},
		"an endpoint, but not one for traces": {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://127.0.0.1:1"},
	} {
		send, err := Start(t.Context(), "order", environment(variables...), slog.New(slog.DiscardHandler))
		if err != nil || On() {
			t.Fatalf("%s: on is %v (%v)", name, On(), err)
		}
		if err := send(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStart_SendsWhatIsLeft(t *testing.T) {
	var posts atomic.Int32
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 && r.URL.Path == "/v1/traces" {
			posts.Add(1)
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL) // the exporter reads it by itself
	send, err := Start(t.Context(), "order", os.Getenv, slog.New(slog.DiscardHandler))
	if err != nil || !On() {
		t.Fatalf("on is %v (%v)", On(), err)
	}
	Accepted(t.Context(), uuid.NewString(), "", time.Now(), time.Now())
	if err := send(t.Context()); err != nil || posts.Load() != 1 || On() {
		t.Errorf("%d requests with spans arrived (%v), on is %v", posts.Load(), err, On())
	}
}

func TestAccepted_IsTheRootAndLinkedWithTheRequest(t *testing.T) {
	spans := recorded(t, sampler{allTraces})
	order, began := uuid.Must(uuid.NewV7()).String(), time.Now().Add(-time.Minute).Truncate(time.Microsecond)
	// What is in the context is the request's, and must not become the parent.
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), Parse(request))
	Accepted(ctx, order, request, began, began.Add(time.Second))
	span := only(t, spans)
	if got := Format(span.SpanContext); got != Root(order) || span.Parent.IsValid() {
		t.Errorf("it is %s below %s, not the root %s", got, Format(span.Parent), Root(order))
	}
	if len(span.Links) != 1 || Format(span.Links[0].SpanContext) != request {
		t.Errorf("its links are %+v", span.Links)
	}
	if !span.StartTime.Equal(began) || !span.EndTime.Equal(began.Add(time.Second)) || !has(span, OrderID.String(order), Work) {
		t.Errorf("it is %+v", span)
	}
	spans.Reset()
	Accepted(t.Context(), order, "", began, began)
	if span := only(t, spans); len(span.Links) != 0 {
		t.Errorf("without a traced request its links are %+v", span.Links)
	}
}

func TestAccepted_OfAnOrderThatIsNotTakenRecordsNothing(t *testing.T) {
	spans := recorded(t, sampler{0})
	order := uuid.NewString()
	Accepted(t.Context(), order, request, time.Now(), time.Now())
	if got := Decided(t.Context(), order, request, "OrderCancelRequested"); got != Root(order) {
		t.Errorf("what follows continues %s, not the root", got)
	}
	if all := spans.GetSpans(); len(all) > 0 {
		t.Errorf("recorded: %+v", all)
	}
}

func TestDecided_IsBelowTheRootAndLinkedWithTheRequest(t *testing.T) {
	spans := recorded(t, sampler{allTraces})
	order := uuid.NewString()
	next := Decided(t.Context(), order, request, "OrderCancelRequested")
	span := only(t, spans)
	if span.Name != "decide OrderCancelRequested" || Format(span.SpanContext) != next || Format(span.Parent) != Root(order) {
		t.Errorf("%s is %s below %s, and %s follows", span.Name, Format(span.SpanContext), Format(span.Parent), next)
	}
	if len(span.Links) != 1 || Format(span.Links[0].SpanContext) != request {
		t.Errorf("its links are %+v", span.Links)
	}
}

func TestFromHere_RecordsTheRestOfATrace(t *testing.T) {
	spans := recorded(t, sampler{0})
	order := uuid.NewString()
	before := Root(order)
	next := FromHere(t.Context(), order, before, "PaymentFailed")
	span := only(t, spans)
	if !has(span, Partial.Bool(true), OrderID.String(order), EventType.String("PaymentFailed")) || span.Name != "recorded from PaymentFailed" {
		t.Errorf("%s has %v", span.Name, span.Attributes)
	}
	if Sampled(before) || !Sampled(next) || !OfOrder(order, next) || Format(span.SpanContext) != next || Format(span.Parent) != before {
		t.Errorf("%s is below %s, and %s follows", Format(span.SpanContext), Format(span.Parent), next)
	}
	spans.Reset()
	_, below := Below(t.Context(), next, "process PaymentFailed")
	below.End()
	if span := only(t, spans); Format(span.Parent) != next || has(span, Partial.Bool(true)) {
		t.Errorf("below it is %+v", span)
	}
}

func TestFromHere_WhereAllIsRecordedNothingIsPartial(t *testing.T) {
	spans := recorded(t, sampler{allTraces})
	if got := FromHere(t.Context(), uuid.NewString(), request, "PaymentFailed"); got != request || len(spans.GetSpans()) > 0 {
		t.Errorf("%s follows, recorded: %+v", got, spans.GetSpans())
	}
}

func TestBatch_IsARootWithLinksToWhatIsSampled(t *testing.T) {
	spans := recorded(t, sampler{0}) // a batch is recorded when a member is, whatever its own id is
	first, second := Root(uuid.NewString()), request
	third := "00-" + strings.ReplaceAll(uuid.NewString(), "-", "") + "-00f067aa0ba902b7-01"
	ctx := trace.ContextWithRemoteSpanContext(t.Context(), Parse(third))
	inside, batch := Batch(ctx, "commit batch", first, second, "", third, "nonsense")
	_, statement := process.Load().tracer.Start(inside, "INSERT")
	statement.End()
	batch.End()
	all := spans.GetSpans()
	if len(all) != 2 || all[0].Parent.SpanID() != all[1].SpanContext.SpanID() {
		t.Fatalf("recorded: %+v", all)
	}
	span := all[1]
	if id := span.SpanContext.TraceID(); span.Parent.IsValid() || id == Parse(second).TraceID() || id == Parse(third).TraceID() {
		t.Errorf("it is %s below %s", Format(span.SpanContext), Format(span.Parent))
	}
	var links []string
	for _, link := range span.Links {
		links = append(links, Format(link.SpanContext))
	}
	if !slices.Equal(links, []string{second, third}) || !has(span, attribute.Int("messaging.batch.message_count", 5)) {
		t.Errorf("its links are %v, its attributes %v", links, span.Attributes)
	}
	spans.Reset()
	if got, batch := Batch(ctx, "commit batch", first, ""); got != ctx || batch.IsRecording() || len(spans.GetSpans()) > 0 {
		t.Errorf("without a sampled member there is %+v", batch)
	}
}

// The hot path of a process that records nothing.
func TestOff_NothingIsAllocated(t *testing.T) {
	ctx, order, now := t.Context(), uuid.NewString(), time.Now()
	for name, call := range map[string]func(){
		"Below":    func() { Below(ctx, request, "process OrderCreated") },
		"Batch":    func() { Batch(ctx, "commit batch", request, request) },
		"Accepted": func() { Accepted(ctx, order, request, now, now) },
		"Sampled":  func() { Sampled(request) },
		"FromHere": func() { FromHere(ctx, order, request, "PaymentFailed") },
	} {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
