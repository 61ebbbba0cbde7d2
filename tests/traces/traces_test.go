// Package traces tests what the processes record of an order, as a collector gets it.
package traces

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/tests/kit"
)

func start(t *testing.T, o supervisor.Options) (*kit.System, *kit.Spans) {
	t.Helper()
	spans := kit.Collect(t)
	o.TracesTo = spans.URL
	return kit.Start(t, o), spans
}

// whole waits until an order's trace has one root, no span without its parent, and spans of these names.
func whole(t *testing.T, spans *kit.Spans, order string, names ...string) []kit.Span {
	t.Helper()
	var trace []kit.Span
	kit.Eventually(t, "the trace of order "+order+" is whole", func() error {
		trace = spans.Trace(order)
		for _, name := range names {
			if find(trace, name) < 0 {
				return fmt.Errorf("no %q among %v", name, list(trace))
			}
		}
		return kit.OneTrace(order, trace, spans.Of(order), "")
	})
	return trace
}

func find(trace []kit.Span, name string) int {
	return slices.IndexFunc(trace, func(s kit.Span) bool { return s.Name == name })
}

func list(trace []kit.Span) (names []string) {
	for _, s := range trace {
		names = append(names, s.Service+": "+s.Name)
	}
	return names
}

func TestTraces_OneOrderIsOneTrace(t *testing.T) {
	t.Parallel()
	s, spans := start(t, supervisor.Options{Traces: 1})
	var shares []float64
	for range 15 {
		id := s.Place(t, client.One("widget", 1))
		s.Ends(t, id)
		trace := whole(t, spans, id, "send OrderCreated", "send InventoryReserved", "send PaymentProcessed", "send ShipmentCreated",
			"send OrderConfirmed", "process ShipmentCreated")
		for _, service := range []string{"order", "inventory", "payment", "shipping", "notification", "ambassador", "gateway"} {
			if !slices.ContainsFunc(trace, func(s kit.Span) bool { return s.Service == service }) {
				t.Errorf("nothing of %s among %v", service, list(trace))
			}
		}
		sum, latency := critical(t, trace)
		shares = append(shares, float64(sum)/float64(latency))
	}
	slices.Sort(shares)
	t.Logf("measured: %d of 15 orders are one trace", len(shares))
	t.Logf("outbox, stream and work together are so much of the latency: %.3f", shares)
	if median := shares[len(shares)/2]; median < 0.95 || median > 1.05 {
		t.Errorf("the median is %.3f, not within 5 %%", median)
	}
	batches := spans.Where(func(s kit.Span) bool { return s.Name == "commit batch" })
	if len(batches) == 0 || len(batches[0].Links) == 0 || batches[0].Parent != "" {
		t.Errorf("a batch's commit is a trace of its own with links, not %+v", batches)
	}
	statements := spans.Where(func(s kit.Span) bool {
		return slices.ContainsFunc(batches, func(batch kit.Span) bool { return s.Trace == batch.Trace && s.Parent == batch.ID })
	})
	if len(statements) == 0 {
		t.Error("there is no statement below a batch's commit")
	}
	haveExemplars(t, s, spans)
	s.MetricsAreNamedWell(t)
	s.LogsHaveOneSchema(t)
}

// haveExemplars looks whether measurements name the trace of an order, or of the request that placed it.
func haveExemplars(t *testing.T, s *kit.System, spans *kit.Spans) {
	t.Helper()
	named := regexp.MustCompile(`(?m)^([a-z_]+)_bucket\{.*# \{trace_id="([0-9a-f]{32})"\}`)
	found := map[string]int{}
	for _, service := range []string{"order", "inventory"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.At.URLs[service]+"/metrics", nil)
		kit.Must(t, err)
		request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
		response, err := http.DefaultClient.Do(request)
		kit.Must(t, err)
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // all of it is read
		kit.Must(t, err)
		for _, example := range named.FindAllSubmatch(text, -1) {
			found[service+" "+string(example[1])]++
			if len(spans.Where(func(one kit.Span) bool { return one.Trace == string(example[2]) })) == 0 {
				t.Errorf("%s names the trace %s, which nobody has sent", example[1], example[2])
			}
		}
	}
	for _, want := range []string{
		"order http_request_duration_seconds", "order inbox_step_duration_seconds", "inventory inbox_step_duration_seconds",
	} {
		if found[want] == 0 {
			t.Errorf("there is no exemplar of %s among %v", want, found)
		}
	}
}

// critical is what the segments sum up to on the way of a saga that goes well, and how long the saga took: from the
// request until order has stored the confirmation.
func critical(t *testing.T, trace []kit.Span) (sum, latency time.Duration) {
	t.Helper()
	at := func(service, name string) kit.Span {
		i := slices.IndexFunc(trace, func(s kit.Span) bool { return s.Service == service && s.Name == name })
		if i < 0 {
			t.Fatalf("no %q of %s among %v", name, service, list(trace))
		}
		return trace[i]
	}
	first, last := at("order", "accept order"), at("order", "process ShipmentCreated")
	for _, on := range []kit.Span{
		first, at("order", "send OrderCreated"),
		at("inventory", "receive OrderCreated"), at("inventory", "process OrderCreated"), at("inventory", "send InventoryReserved"),
		at("payment", "receive InventoryReserved"), at("payment", "process InventoryReserved"), at("payment", "charge"),
		at("payment", "send PaymentProcessed"),
		at("shipping", "receive PaymentProcessed"), at("shipping", "process PaymentProcessed"), at("shipping", "send ShipmentCreated"),
		at("order", "receive ShipmentCreated"), last,
	} {
		if on.Segment() == "" {
			t.Errorf("%s has no segment", on.Name)
		}
		sum += on.End.Sub(on.Start)
	}
	return sum, last.End.Sub(first.Start)
}

func TestTraces_CompensationsAndRequestsBelongToTheOrder(t *testing.T) {
	t.Parallel()
	s, spans := start(t, supervisor.Options{Traces: 1})
	declined := client.One("widget", 1)
	declined.Token = "tok_declined"
	id := s.Place(t, declined)
	s.Ends(t, id)
	whole(t, spans, id, "process PaymentFailed", "process InventoryReleased", "send OrderCancelled")

	slow := client.One("widget", 1)
	slow.Token = "tok_slow"
	id = s.Place(t, slow)
	if _, err := s.Shop.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.Ends(t, id)
	trace := whole(t, spans, id, "decide OrderCancelRequested", "send OrderCancelled")
	asked := trace[find(trace, "decide OrderCancelRequested")]
	request := spans.Where(func(s kit.Span) bool { return slices.Contains(asked.Links, s.ID) })
	if len(request) != 1 || request[0].Name != "POST /v1/orders/{id}/cancel" || request[0].Trace == asked.Trace {
		t.Errorf("it is linked with %+v, not with the request", request)
	}
}

// A crash between commit and acknowledgement: the event is delivered again, to the same trace, with one parent.
func TestTraces_SurviveACrash(t *testing.T) {
	t.Parallel()
	s, spans := start(t, supervisor.Options{Traces: 1, Faults: true})
	s.Ends(t, s.Place(t, client.One("widget", 1)))
	s.Arm(t, "shipping", failpoint.Armament{Point: failpoint.InboxAfterCommit, Kind: failpoint.Crash, Times: new(1)})
	id := s.Place(t, client.One("widget", 1))
	s.Ends(t, id)
	kit.Eventually(t, "the second delivery is recorded", func() error {
		for _, one := range spans.Of(id) {
			if one.Service == "shipping" && one.Name == "process PaymentProcessed" {
				if one.Attributes["ordersaga.redelivered"] != "true" || one.Attributes["ordersaga.duplicate"] != "true" {
					return fmt.Errorf("it has %v", one.Attributes)
				}
				return kit.OneTrace(id, spans.Trace(id), spans.Of(id), "shipping")
			}
		}
		return errors.New("there is none")
	})
}

// Of the orders that are not taken those are recorded that go wrong, from that step on.
func TestTraces_OfAShareOnlyWhatGoesWrong(t *testing.T) {
	t.Parallel()
	s, spans := start(t, supervisor.Options{Traces: 1e-9})
	well := s.Place(t, client.One("widget", 1))
	s.Ends(t, well)
	declined := client.One("widget", 1)
	declined.Token = "tok_declined"
	id := s.Place(t, declined)
	s.Ends(t, id)
	var trace []kit.Span
	kit.Eventually(t, "the rest is recorded", func() error {
		if trace = spans.Trace(id); find(trace, "process InventoryReleased") < 0 || find(trace, "recorded from PaymentFailed") < 0 {
			return fmt.Errorf("there is %v", list(trace))
		}
		return nil
	})
	if first := trace[0]; first.Attributes["ordersaga.trace.partial"] != "true" || first.Service != "payment" {
		t.Errorf("it begins with %+v", first)
	}
	if others := spans.Of(well); len(others) > 0 {
		t.Errorf("of the other order there is %v", list(others))
	}
}

func TestTraces_WithoutACollectorNothingIsAmiss(t *testing.T) {
	t.Parallel()
	s := kit.Start(t, supervisor.Options{Traces: 1, TracesTo: "http://127.0.0.1:1"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 5 {
		if got, err := s.TryEnd(ctx, s.Place(t, client.One("widget", 1))); err != nil || got.Status != "CONFIRMED" {
			t.Errorf("%s %v", got.Status, err)
		}
	}
	s.Check(t)
	log, err := os.ReadFile(filepath.Join(s.At.Logs, "order.log"))
	if err != nil || strings.Contains(string(log), "127.0.0.1:1/") {
		t.Errorf("it complains (%v):\n%s", err, log)
	}
}
