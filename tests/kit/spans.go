package kit

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
)

// Spans is a collector: it takes spans over OTLP and keeps them all.
type Spans struct {
	URL string // for OTEL_EXPORTER_OTLP_ENDPOINT

	mu    sync.Mutex
	spans []Span
}

// Span is a span as the tests look at it.
type Span struct {
	Trace, ID, Parent string // in hexadecimal digits; no parent: empty
	Name, Service     string
	Instance          string // of the service
	Start, End        time.Time
	Failed            bool
	Attributes        map[string]string
	Links             []string // the ids of their spans
}

// Order is the id of the order that the span is about; empty when it is about none.
func (s Span) Order() string { return s.Attributes["ordersaga.order.id"] }

// Event is the type of the event that the span is about.
func (s Span) Event() string { return s.Attributes["ordersaga.event.type"] }

// Segment is where the time of the span went.
func (s Span) Segment() string { return s.Attributes["ordersaga.segment"] }

// Collect takes spans until the test ends.
func Collect(t testing.TB) *Spans {
	t.Helper()
	s := &Spans{}
	server := httptest.NewServer(http.HandlerFunc(s.receive))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *Spans) receive(w http.ResponseWriter, r *http.Request) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		inflated, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = inflated
	}
	var request collector.ExportTraceServiceRequest
	text, err := io.ReadAll(body)
	if err == nil {
		err = proto.Unmarshal(text, &request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, process := range request.GetResourceSpans() {
		resource := attributes(process.GetResource().GetAttributes())
		for _, scope := range process.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				s.spans = append(s.spans, spanOf(resource, span))
			}
		}
	}
}

func spanOf(resource map[string]string, span *otlp.Span) Span {
	one := Span{
		Trace: hex.EncodeToString(span.GetTraceId()), ID: hex.EncodeToString(span.GetSpanId()),
		Parent: hex.EncodeToString(span.GetParentSpanId()), Name: span.GetName(),
		Service: resource["service.name"], Instance: resource["service.instance.id"],
		Start: time.Unix(0, int64(span.GetStartTimeUnixNano())), End: time.Unix(0, int64(span.GetEndTimeUnixNano())), //nolint:gosec // a time of today
		Failed: span.GetStatus().GetCode() == otlp.Status_STATUS_CODE_ERROR, Attributes: attributes(span.GetAttributes()),
	}
	for _, link := range span.GetLinks() {
		one.Links = append(one.Links, hex.EncodeToString(link.GetSpanId()))
	}
	return one
}

func attributes(list []*common.KeyValue) map[string]string {
	values := make(map[string]string, len(list))
	for _, a := range list {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			values[a.GetKey()] = v.StringValue
		default:
			values[a.GetKey()] = fmt.Sprint(a.GetValue())
			if b, is := v.(*common.AnyValue_BoolValue); is {
				values[a.GetKey()] = fmt.Sprint(b.BoolValue)
			}
			if i, is := v.(*common.AnyValue_IntValue); is {
				values[a.GetKey()] = fmt.Sprint(i.IntValue)
			}
		}
	}
	return values
}

// Of are the spans about an order, the earliest first.
func (s *Spans) Of(order string) []Span {
	return s.Where(func(one Span) bool { return one.Order() == order })
}

// Where are the spans for which something holds, the earliest first.
func (s *Spans) Where(holds func(Span) bool) []Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Span
	for _, one := range s.spans {
		if holds(one) {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b Span) int { return a.Start.Compare(b.Start) })
	return found
}

// Trace are the spans of an order's trace.
func (s *Spans) Trace(order string) []Span {
	id := strings.ReplaceAll(order, "-", "")
	return s.Where(func(one Span) bool { return one.Trace == id })
}

// Traced is an order's trace as the console has it, by the start of its spans. Left out are their links, errors and the
// attributes that the console has fields for.
func (s *System) Traced(ctx context.Context, order string) ([]Span, error) {
	address := s.At.URLs[supervisor.Console] + "/api/orders/" + order + "/trace"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the console answers %s", response.Status)
	}
	var shown struct {
		Trace string `json:"trace_id"`
		Spans []struct {
			ID                      string `json:"span_id"`
			Parent                  string `json:"parent_id"`
			Name, Service, Instance string
			Start                   time.Time
			Duration                time.Duration `json:"duration_ns"`
			Attributes              map[string]string
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&shown); err != nil {
		return nil, err
	}
	trace := make([]Span, len(shown.Spans))
	for i, s := range shown.Spans {
		trace[i] = Span{
			Trace: shown.Trace, ID: s.ID, Parent: s.Parent, Name: s.Name, Service: s.Service, Instance: s.Instance,
			Start: s.Start, End: s.Start.Add(s.Duration), Attributes: s.Attributes,
		}
	}
	return trace, nil
}

// OneTrace checks that all spans about an order are in its trace, that this has one root, and that every other span's
// parent is there. A span may be missing that a killed service has not sent: its own, or those that its events follow.
func OneTrace(order string, trace, about []Span, killed string) error {
	ids, roots := map[string]bool{}, 0
	for _, s := range trace {
		ids[s.ID] = true
		if s.Parent == "" {
			roots++
		}
	}
	for _, s := range about {
		if s.Trace != strings.ReplaceAll(order, "-", "") {
			return fmt.Errorf("%s of %s is in trace %s", s.Name, s.Service, s.Trace)
		}
	}
	for _, s := range trace {
		if s.Parent == "" || ids[s.Parent] || mayBeLost(s, killed) {
			continue
		}
		return fmt.Errorf("%s of %s has a parent, %s, that is not there", s.Name, s.Service, s.Parent)
	}
	if roots > 1 || roots == 0 && killed != string(events.Order) {
		return fmt.Errorf("there are %d roots among %d spans", roots, len(trace))
	}
	return nil
}

// mayBeLost says whether the span's parent may have died with a service.
func mayBeLost(s Span, killed string) bool {
	called := killed == string(events.Payment) && (s.Service == supervisor.Ambassador || s.Service == supervisor.Gateway)
	return killed != "" && (s.Service == killed || publishes(killed, s.Event()) || called)
}

func publishes(service, event string) bool {
	return slices.ContainsFunc(events.Publications[events.Service(service)], func(t events.Type) bool { return t.Name == event })
}
