package traces

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	otel "go.opentelemetry.io/otel/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracing "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"example.com/ordersaga/pkg/events"
)

// get reads an answer of the API.
func get(t *testing.T, url string, status int, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != status {
		t.Fatalf("%s is answered with %s, want %d", url, response.Status, status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestTrace_ShowsAnOrderOverAllServices(t *testing.T) {
	t.Parallel()
	url := open(t)
	id := uuid.New()
	feed := newFeed(t, url)
	feed.saga(id, false, 20)
	feed.flush()
	var got Trace
	get(t, url+"/api/orders/"+id.String()+"/trace", http.StatusOK, &got)
	if got.OrderID != id.String() || len(got.TraceID) != 32 || !got.Complete || !got.Ended || got.Missing != 0 || got.Partial || got.Error || got.Compensated {
		t.Errorf("the trace is %+v", got)
	}
	if len(got.Spans) != spansOf || got.Spans[0].Name != "POST /v1/orders" || got.Spans[0].Kind != "server" || got.Spans[0].Parent != "" {
		t.Errorf("there are %d spans, first %+v", len(got.Spans), got.Spans[0])
	}
	services, segments := map[string]bool{}, map[string]bool{}
	for i, s := range got.Spans {
		services[s.Service], segments[s.Segment] = true, true
		if i > 0 && s.Start.Before(got.Spans[i-1].Start) {
			t.Errorf("%s stands behind what began later", s.Name)
		}
	}
	if len(services) != 7 || !segments["outbox"] || !segments["stream"] || !segments["work"] {
		t.Errorf("services %v, segments %v", services, segments)
	}
	receive := got.Spans[slices.IndexFunc(got.Spans, func(s Span) bool { return s.Name == "process OrderCreated" && s.Service == "inventory" })]
	want := Span{
		ID: receive.ID, Parent: got.Spans[0].ID, Name: "process OrderCreated", Kind: "consumer", Service: "inventory", Instance: "inventory-1",
		Segment: "work", Event: "OrderCreated", Status: "unset", Duration: 6e6,
	}
	if receive.ID == "" || receive.Parent != want.Parent || receive.Kind != want.Kind || receive.Instance != want.Instance || receive.Segment != want.Segment ||
		receive.Event != want.Event || receive.Status != want.Status || receive.Duration != want.Duration {
		t.Errorf("it is %+v, want %+v", receive, want)
	}
	if receive.Attributes["messaging.system"] != "nats" || receive.Attributes["ordersaga.delivery.attempt"] != "1" || receive.Attributes[orderKey] != "" {
		t.Errorf("its attributes are %v", receive.Attributes)
	}
	if len(receive.Links) != 1 || receive.Links[0] != (Link{got.TraceID, got.Spans[0].ID}) {
		t.Errorf("its links are %v", receive.Links)
	}
	if len(got.Links) != 1 || got.Links[0].Name != "commit batch" || got.Links[0].Service != "inventory" || got.Links[0].To != receive.ID || got.Links[0].Duration != 3e6 {
		t.Errorf("other traces: %+v", got.Links)
	}
}

// The request that placed the order is a trace of its own, to which the order's first span links.
func TestTrace_ShowsWhatItLinksTo(t *testing.T) {
	t.Parallel()
	url := open(t)
	feed := newFeed(t, url)
	o := &order{feed, uuid.New(), 0}
	request := feed.span(t.Context(), made{service: "order", name: "POST /v1/orders", kind: otel.SpanKindServer, to: 7})
	feed.span(t.Context(), made{service: "order", name: "accept order", from: 1, to: 6, attributes: o.attributes("work", "OrderCreated"), links: []context.Context{request}})
	feed.flush()
	var got Trace
	get(t, url+"/api/orders/"+o.id.String()+"/trace", http.StatusOK, &got)
	if len(got.Links) != 1 || got.Links[0].Name != "POST /v1/orders" || got.Links[0].To != got.Spans[0].ID || got.Links[0].Duration != 7e6 {
		t.Errorf("other traces: %+v", got.Links)
	}
}

func TestTrace_WhyThereIsNoneIsExplained(t *testing.T) {
	t.Parallel()
	url := open(t)
	var refused struct{ Code, Detail string }
	get(t, url+"/api/orders/"+uuid.NewString()+"/trace", http.StatusNotFound, &refused)
	if refused.Code != CodeOff || !strings.Contains(refused.Detail, "OTEL_EXPORTER_OTLP_ENDPOINT="+url+"/otlp") {
		t.Errorf("before a span has arrived: %+v", refused)
	}
	feed := newFeed(t, url)
	feed.saga(uuid.New(), false, 20)
	// A request about an order is no trace of the order.
	other := uuid.NewString()
	feed.span(t.Context(), made{service: "order", name: "GET /v1/orders/{id}", to: 1, attributes: []attribute.KeyValue{attribute.String(orderKey, other)}})
	feed.flush()
	get(t, url+"/api/orders/"+other+"/trace", http.StatusNotFound, &refused)
	if refused.Code != CodeNoTrace {
		t.Errorf("afterwards: %+v", refused)
	}
	get(t, url+"/api/orders/nonsense/trace", http.StatusNotFound, &refused)
	if !strings.Contains(refused.Detail, "not the id of an order") {
		t.Errorf("nonsense: %+v", refused)
	}
}

func TestTraces_AreListedByState(t *testing.T) {
	t.Parallel()
	url := open(t)
	var list List
	get(t, url+"/api/traces", http.StatusOK, &list)
	if list.Off == "" || len(list.Traces)+len(list.Steps) > 0 {
		t.Errorf("before a span has arrived: %+v", list)
	}
	fast, slow, declined := uuid.New(), uuid.New(), uuid.New()
	for _, one := range []struct {
		id       uuid.UUID
		declined bool
		work     float64
	}{{slow, false, 900}, {declined, true, 30}, {fast, false, 10}} {
		feed := newFeed(t, url)
		feed.saga(one.id, one.declined, one.work)
		feed.flush()
	}
	for state, want := range map[string][]uuid.UUID{
		"": {fast, declined, slow}, "?state=all&limit=1": {fast}, "?state=failed": {declined}, "?state=slow&limit=2": {slow, declined},
	} {
		list = List{}
		get(t, url+"/api/traces"+state, http.StatusOK, &list)
		var got []uuid.UUID
		for _, one := range list.Traces {
			got = append(got, uuid.MustParse(one.OrderID))
			if failed := one.OrderID == declined.String(); failed != one.Compensated || failed != one.Error || !one.Ended || one.Partial {
				t.Errorf("%q: %+v", state, one)
			}
		}
		if !slices.Equal(got, want) || list.Off != "" {
			t.Errorf("%q: %v, want %v", state, got, want)
		}
	}
	get(t, url+"/api/traces?state=slow", http.StatusOK, &list)
	if s := list.Traces[0]; s.Spans != spansOf || len(s.Services) != 7 || s.Duration < 900e6 {
		t.Errorf("the trace is listed as %+v", s)
	}
	i := slices.IndexFunc(list.Steps, func(s Step) bool { return s.Name == "charge" })
	if charge := list.Steps[i]; charge.Service != "payment" || charge.Count != 3 || charge.P50 < 30e6*.99 || charge.P50 > 30e6*1.01 || charge.P99 < 900e6*.99 || charge.P99 > 900e6*1.01 {
		t.Errorf("charging took %+v", charge)
	}
	for _, wrong := range []string{"?state=quick", "?limit=0", "?limit=501", "?limit=many"} {
		get(t, url+"/api/traces"+wrong, http.StatusUnprocessableEntity, &struct{}{})
	}
}

func TestTraces_OnesThatBeginLateAreMarked(t *testing.T) {
	t.Parallel()
	url := open(t)
	id := uuid.New()
	feed := newFeed(t, url)
	o := &order{feed, id, 0}
	feed.span(t.Context(), made{service: "payment", name: "process ShipmentFailed", to: 4, attributes: o.attributes("work", "ShipmentFailed", attribute.Bool(partialKey, true))})
	feed.flush()
	var got Trace
	get(t, url+"/api/orders/"+id.String()+"/trace", http.StatusOK, &got)
	if !got.Partial || got.Complete || !got.Compensated {
		t.Errorf("it is %+v", got)
	}
}

func zipped(t *testing.T, body []byte) []byte {
	t.Helper()
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	if _, err := writer.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped.Bytes()
}

func TestReceive_RefusesWhatIsNoOTLP(t *testing.T) {
	t.Parallel()
	valid, err := proto.Marshal(template(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		kind, encoding string
		body           []byte
		status         int
	}{
		"protobuf":                      {protobufType, "", valid, 200},
		"protobuf with a parameter":     {protobufType + "; charset=utf-8", "identity", valid, 200},
		"zipped":                        {protobufType, "gzip", zipped(t, valid), 200},
		"nothing":                       {protobufType, "", nil, 200},
		"JSON":                          {"application/json", "", []byte("{}"), 415},
		"no type":                       {"", "", valid, 415},
		"another encoding":              {protobufType, "zstd", valid, 415},
		"no protobuf":                   {protobufType, "", []byte("spans"), 400},
		"no gzip":                       {protobufType, "gzip", valid, 400},
		"half a gzip":                   {protobufType, "gzip", zipped(t, valid)[:100], 400},
		"too large":                     {protobufType, "", make([]byte, maxBody+1), 413},
		"too large when it is inflated": {protobufType, "gzip", zipped(t, make([]byte, maxBody+1)), 413},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := New()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/otlp/v1/traces", bytes.NewReader(test.body))
			r.Header.Set("Content-Type", test.kind)
			r.Header.Set("Content-Encoding", test.encoding)
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			want := map[bool]string{true: protobufType, false: "application/problem+json"}[test.status == 200]
			if w.Code != test.status || w.Header().Get("Content-Type") != want {
				t.Errorf("answered with %d, %s", w.Code, w.Header().Get("Content-Type"))
			}
			if stored := api.ring.numbers().Received > 0; stored != (test.status == 200 && len(test.body) > 0) {
				t.Errorf("%d spans were stored", api.ring.numbers().Received)
			}
		})
	}
}

// What cannot be stored is counted in the answer, and the rest is stored.
func TestReceive_AnswersHowManySpansItRefused(t *testing.T) {
	t.Parallel()
	api := New()
	request := template(t)
	spans := request.GetResourceSpans()[0].GetScopeSpans()[0]
	stored := len(all(request))
	id := bytes.Repeat([]byte{7}, 16)
	spans.Spans = append(spans.Spans,
		&tracing.Span{TraceId: id, SpanId: []byte{1}}, &tracing.Span{TraceId: make([]byte, 16), SpanId: bytes.Repeat([]byte{1}, 8)},
		&tracing.Span{TraceId: id, SpanId: make([]byte, 8)}, &tracing.Span{TraceId: id, SpanId: bytes.Repeat([]byte{1}, 8), ParentSpanId: []byte{1}},
		&tracing.Span{TraceId: id, SpanId: bytes.Repeat([]byte{1}, 8), StartTimeUnixNano: 2, EndTimeUnixNano: 1})
	endless := spanWith(id, 1<<20)
	large := 0
	for i := range 2000 {
		one := proto.CloneOf(endless)
		one.SpanId = binary.BigEndian.AppendUint64(nil, uint64(i+1))
		spans.Spans = append(spans.Spans, one)
		large++
	}
	body, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := api.receive(body)
	if err != nil {
		t.Fatal(err)
	}
	var response collector.ExportTraceServiceResponse
	if err := proto.Unmarshal(answer, &response); err != nil {
		t.Fatal(err)
	}
	numbers := api.ring.numbers()
	if refused := response.GetPartialSuccess().GetRejectedSpans(); refused != numbers.Dropped || refused < 5+1 || numbers.Received+refused != int64(stored+5+large) {
		t.Errorf("%d are refused, %d dropped, %d stored", refused, numbers.Dropped, numbers.Received)
	}
	if text := response.GetPartialSuccess().GetErrorMessage(); !strings.HasPrefix(text, "5 spans have invalid ids") {
		t.Error(text)
	}
}

// spanWith is a span with a text.
func spanWith(trace []byte, length int) *tracing.Span {
	text := &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.Repeat("é", min(length, 300))}}
	return &tracing.Span{TraceId: trace, Name: "endless", Attributes: []*common.KeyValue{{Key: "text", Value: text}}}
}

// A span dies with its process, and those below it are shown all the same.
func TestTrace_CountsWhatIsMissing(t *testing.T) {
	t.Parallel()
	api := New()
	request := template(t)
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			scope.Spans = slices.DeleteFunc(scope.GetSpans(), func(s *tracing.Span) bool { return s.GetName() == "process InventoryReserved" })
		}
	}
	api.ring.add(request.GetResourceSpans())
	for order := range api.ring.orders {
		if got, _ := api.ring.trace(order); got.Missing != 1 || got.Complete || !got.Ended || len(got.Spans) != spansOf-1 {
			t.Errorf("%d are missing, complete %v, ended %v, %d spans", got.Missing, got.Complete, got.Ended, len(got.Spans))
		}
	}
}

func TestReceive_ASpanThatIsSentTwiceIsShownOnce(t *testing.T) {
	t.Parallel()
	api := New()
	request := template(t)
	for range 2 {
		api.ring.add(request.GetResourceSpans())
	}
	for order := range api.ring.orders {
		if got, _ := api.ring.trace(order); len(got.Spans) != spansOf {
			t.Errorf("%d spans are shown", len(got.Spans))
		}
	}
}

// template is all that the SDK's exporters send for a confirmed order.
func template(t testing.TB) *collector.ExportTraceServiceRequest {
	t.Helper()
	all := &collector.ExportTraceServiceRequest{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := read(w, r)
		var one collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &one)
		}
		if err != nil {
			t.Error(err)
		}
		all.ResourceSpans = append(all.ResourceSpans, one.GetResourceSpans()...)
	}))
	defer server.Close()
	feed := newFeed(t, server.URL)
	feed.saga(uuid.New(), false, 20)
	feed.flush() // one exporter after the other
	return all
}

func all(request *collector.ExportTraceServiceRequest) (spans []*tracing.Span) {
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			spans = append(spans, scope.GetSpans()...)
		}
	}
	return spans
}

// another changes the ids of a template: it becomes that of the nth order.
func another(request *collector.ExportTraceServiceRequest, n uint32) (order uuid.UUID) {
	change := func(id []byte) {
		if len(id) == 16 { // the order's trace and the batch's differ in the rest
			binary.BigEndian.PutUint32(id, n)
		}
	}
	order = uuid.NewSHA1(uuid.NameSpaceOID, binary.BigEndian.AppendUint32(nil, n))
	for _, s := range all(request) {
		change(s.GetTraceId())
		for _, l := range s.GetLinks() {
			change(l.GetTraceId())
		}
		for _, a := range s.GetAttributes() {
			switch a.GetKey() {
			case orderKey:
				a.Value = &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: order.String()}}
			case "messaging.message.id":
				a.Value = &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: uuid.NewString()}}
			}
		}
	}
	return order
}

// The bound is one of the heap, not of what the ring believes to use: of twice as many orders as fit.
func TestRing_StaysBelow64MiBOfHeap(t *testing.T) {
	request := template(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	api := New()
	orders := uint32(0)
	for ; api.ring.evictions < 20_000; orders++ {
		another(request, orders)
		api.ring.add(request.GetResourceSpans())
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used, numbers := int64(after.HeapAlloc)-int64(before.HeapAlloc), api.ring.numbers()
	t.Logf("%d orders were fed, %d are in the ring: it accounts for %d kB, the heap grew by %d kB; %d bytes a span",
		orders, len(api.ring.orders), numbers.Bytes>>10, used>>10, int64(numbers.Bytes)/int64(len(api.ring.orders)*(spansOf+2)))
	if numbers.Bytes > budget || used > 64<<20 {
		t.Errorf("the ring accounts for %d bytes, the heap grew by %d", numbers.Bytes, used)
	}
	if int64(numbers.Bytes) < budget*9/10 || used < budget/2 {
		t.Errorf("the ring is not full: %d bytes, the heap grew by %d", numbers.Bytes, used)
	}
	runtime.KeepAlive(api)
}

// What was kept and what was dropped adds up, whatever came in which order.
func TestRing_AccountsForWhatItHas(t *testing.T) {
	t.Parallel()
	r := newRing(200 << 10)
	request := template(t)
	for n := range uint32(200) {
		another(request, n)
		all(request)[0].Status = &tracing.Status{Code: tracing.Status_StatusCode(n % 4 / 3 * 2)}
		r.add(request.GetResourceSpans())
	}
	used, kept := 0, 0
	for t := range maps.Values(r.traces) {
		used += t.size()
		if t.kept {
			kept += t.size()
		}
	}
	if used != r.used || kept != r.keptBytes || kept == 0 || used > r.budget || r.recent.Len()+r.kept.Len() != len(r.traces) || len(r.orders) > len(r.traces) {
		t.Errorf("used %d, accounted %d; kept longer %d, accounted %d; %d and %d of %d", used, r.used, kept, r.keptBytes, r.recent.Len(), r.kept.Len(), len(r.traces))
	}
	for order, t1 := range r.orders {
		if r.traces[t1.id] != t1 {
			t.Errorf("order %s has a trace that was dropped", order)
		}
	}
}

// Orders that failed and slow ones outlast the others, and cannot drive them out.
func TestRing_KeepsFailedAndSlowOrdersLonger(t *testing.T) {
	t.Parallel()
	r := newRing(4 << 20)
	request := template(t)
	const failedAt, slowAt = 10, 20
	var failed, slow, plain uuid.UUID
	first := all(request)[0]
	for n := range uint32(5000) {
		order := another(request, n)
		first.Status = nil
		end := first.EndTimeUnixNano
		switch n {
		case failedAt:
			failed, first.Status = order, &tracing.Status{Code: tracing.Status_STATUS_CODE_ERROR, Message: "broken"}
		case slowAt:
			slow = order
			delay(request, 1)
		case slowAt + 1:
			plain = order
			delay(request, -1)
		}
		r.add(request.GetResourceSpans())
		first.EndTimeUnixNano = end
	}
	if _, there := r.trace(plain); there {
		t.Error("an order like all others has outlasted newer ones")
	}
	if got, there := r.trace(failed); !there || !got.Error {
		t.Error("an order that failed was dropped")
	}
	if _, there := r.trace(slow); !there {
		t.Error("a slow order was dropped")
	}
	for n := uint32(5000); n < 10_000; n++ { // from now on all fail
		another(request, n)
		first.Status = &tracing.Status{Code: tracing.Status_STATUS_CODE_ERROR}
		r.add(request.GetResourceSpans())
	}
	if _, there := r.trace(failed); there {
		t.Error("an order that failed stays for ever")
	}
	if float64(r.keptBytes) > share*float64(r.budget)+maxTrace || r.used > r.budget {
		t.Errorf("%d bytes are kept longer, of %d", r.keptBytes, r.used)
	}
}

// delay lets the order's last event be published a minute later, or earlier again.
func delay(request *collector.ExportTraceServiceRequest, minutes int64) {
	for _, s := range all(request) {
		if s.GetName() == "send OrderConfirmed" {
			s.EndTimeUnixNano = uint64(int64(s.GetEndTimeUnixNano()) + minutes*60e9)
		}
	}
}

// A trace that is about nothing is no order's; a text that is no id is no order.
func TestRing_TakesWhateverComes(t *testing.T) {
	t.Parallel()
	url := open(t)
	feed := newFeed(t, url)
	feed.span(t.Context(), made{service: strings.Repeat("s", 300), name: strings.Repeat("n", 3000), kind: otel.SpanKindClient, to: 1, attributes: []attribute.KeyValue{
		attribute.String(orderKey, "x"), attribute.String(segmentKey, "work"), attribute.StringSlice("list", []string{"a", "b"}), attribute.Float64("number", 1.5), attribute.Bool("yes", true),
	}})
	for range maxSteps + 1 {
		feed.span(t.Context(), made{service: "s", name: uuid.NewString()})
	}
	feed.flush()
	var list List
	get(t, url+"/api/traces", http.StatusOK, &list)
	if len(list.Traces) != 0 || len(list.Steps) != maxSteps || list.Ring.Received != maxSteps+2 {
		t.Errorf("there are %d traces of orders, %d steps, %d spans", len(list.Traces), len(list.Steps), list.Ring.Received)
	}
}

// Each event that means something for a trace is one that there is.
func TestEvents_ThatMeanSomethingAreThere(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	for _, transition := range events.Saga {
		for _, event := range transition.Publishes {
			there[event] = true
		}
	}
	for _, known := range []map[string]bool{undoing, ending} {
		for event := range known {
			if !there[event] {
				t.Errorf("there is no %s", event)
			}
		}
	}
}

// BenchmarkReceive takes the spans of one order, as seven exporters send them: at 500 orders a second each may cost 0.2 ms
// if it is to be a tenth of a core.
func BenchmarkReceive(b *testing.B) {
	request := template(b)
	api := New()
	bodies := make([][]byte, 1000)
	for n := range bodies {
		another(request, uint32(n))
		bodies[n], _ = proto.Marshal(request)
	}
	b.SetBytes(int64(len(bodies[0])))
	for n := 0; b.Loop(); n++ {
		if _, err := api.receive(bodies[n%len(bodies)]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/(spansOf+2), "µs/span")
}
