package traces

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Trace is an order's trace, as the pages and sagactl get it.
type Trace struct {
	OrderID     string    `json:"order_id"`
	TraceID     string    `json:"trace_id"`
	Start       time.Time `json:"start"`
	Duration    int64     `json:"duration_ns"` // until the saga's end was published; else all that was recorded
	Compensated bool      `json:"compensated"` // something was refused or undone, or needed a person
	Error       bool      `json:"error"`       // a span failed
	// Partial: recording began only when something went wrong, so the beginning is missing.
	Partial bool `json:"partial"`
	Ended   bool `json:"ended"` // the event that ends the saga was published
	// Missing counts the spans, besides the first, whose parent is not there: it died with its process, or is on its way.
	Missing  int    `json:"missing"`
	Complete bool   `json:"complete"` // ended, and nothing is missing; more may still arrive
	Spans    []Span `json:"spans"`    // by their start
	// Links are spans of other traces that are linked with one of these: by their own link, as the commit of a batch of
	// many orders, or by one of these, as the request that placed the order.
	Links []Linked `json:"links"`
}

// Span is a span of a trace.
type Span struct {
	ID       string    `json:"span_id"`
	Parent   string    `json:"parent_id,omitempty"`
	Name     string    `json:"name"`
	Kind     string    `json:"kind"` // internal, server, client, producer, consumer
	Service  string    `json:"service"`
	Instance string    `json:"instance,omitempty"`
	Start    time.Time `json:"start"`
	Duration int64     `json:"duration_ns"`
	Status   string    `json:"status"` // unset, ok, error
	Error    string    `json:"error,omitempty"`
	Segment  string    `json:"segment,omitempty"` // outbox, stream, work
	Event    string    `json:"event,omitempty"`   // the type of the event that it is about
	// Attributes are those that have no field of their own, with their values as text.
	Attributes map[string]string `json:"attributes,omitempty"`
	Links      []Link            `json:"links,omitempty"`
}

// Link leads to a span.
type Link struct {
	TraceID string `json:"trace_id"`
	SpanID  string `json:"span_id"`
}

// Linked is a span of another trace.
type Linked struct {
	TraceID  string    `json:"trace_id"`
	SpanID   string    `json:"span_id"`
	To       string    `json:"to_span_id"` // the span of this trace that it is linked with
	Name     string    `json:"name"`
	Service  string    `json:"service"`
	Start    time.Time `json:"start"`
	Duration int64     `json:"duration_ns"`
}

// State chooses among the traces of orders.
type State string

// What can be asked for.
const (
	All    State = "all"    // the newest first
	Failed State = "failed" // with an error, or compensated; the newest first
	Slow   State = "slow"   // the slowest first
)

// Listed is the trace of an order in a list.
type Listed struct {
	OrderID     string    `json:"order_id"`
	TraceID     string    `json:"trace_id"`
	Start       time.Time `json:"start"`
	Duration    int64     `json:"duration_ns"`
	Ended       bool      `json:"ended"`
	Spans       int       `json:"spans"`
	Services    []string  `json:"services"`
	Compensated bool      `json:"compensated"`
	Error       bool      `json:"error"`
	Partial     bool      `json:"partial"`
}

// Ring is how full the ring is. Received and Dropped count spans since the console's start.
type Ring struct {
	Bytes    int   `json:"bytes"`
	Budget   int   `json:"budget_bytes"`
	Traces   int   `json:"traces"`
	Received int64 `json:"received_spans"`
	Dropped  int64 `json:"dropped_spans"`
}

// List is what the ring has.
type List struct {
	Off    string   `json:"off,omitempty"` // how tracing is turned on, when no span has arrived
	Traces []Listed `json:"traces"`
	Steps  []Step   `json:"steps"` // the one with the largest p99 first
	Ring   Ring     `json:"ring"`
}

func (r *ring) numbers() Ring {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counted()
}

// counted is [ring.numbers] while the lock is held.
func (r *ring) counted() Ring {
	return Ring{Bytes: r.used, Budget: r.budget, Traces: len(r.traces), Received: r.received, Dropped: r.dropped}
}

// trace is the trace of an order.
func (r *ring) trace(order uuid.UUID) (Trace, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.orders[order]
	if t == nil {
		return Trace{}, false
	}
	spans := r.spans(t)
	missing := max(0, heads(spans)-1)
	shown := Trace{
		OrderID: order.String(), TraceID: t.id.String(), Start: at(t.first), Duration: t.duration(),
		Compensated: t.compensated, Error: t.failed, Partial: t.partial, Ended: t.ended > 0,
		Missing: missing, Complete: t.ended > 0 && missing == 0 && !t.partial,
		Spans: []Span{}, Links: []Linked{},
	}
	for _, s := range spans {
		shown.Spans = append(shown.Spans, spanShown(&s))
		shown.Links = append(shown.Links, r.linkedFrom(t, &s)...)
	}
	for _, from := range t.from {
		shown.Links = append(shown.Links, Linked{
			TraceID: from.trace.String(), SpanID: from.from.String(), To: from.to.String(), Name: r.word(from.name),
			Service: r.word(from.service), Start: at(from.start), Duration: from.duration,
		})
	}
	return shown, true
}

// linkedFrom are the spans of other traces that a span links to, as far as they are in the ring.
func (r *ring) linkedFrom(t *trace, s *span) (found []Linked) {
	for _, l := range s.links {
		other := r.traces[l.trace]
		if other == nil || other == t {
			continue
		}
		for _, to := range r.spans(other) {
			if to.id == l.span {
				found = append(found, Linked{
					TraceID: l.trace.String(), SpanID: to.id.String(), To: s.id.String(), Name: to.name, Service: to.service,
					Start: at(to.start), Duration: to.duration,
				})
			}
		}
	}
	return found
}

func (r *ring) word(place uint64) string {
	if place == 0 {
		return ""
	}
	return r.words.list[place-1]
}

// spans are those of a trace by their start, each once: an exporter that got no answer sends its spans again.
func (r *ring) spans(t *trace) []span {
	known := map[spanID]bool{}
	var spans []span
	for from := (reader{&r.words, t.spans}); len(from.rest) > 0; {
		s := from.span()
		if !known[s.id] {
			spans = append(spans, s)
		}
		known[s.id] = true
	}
	slices.SortStableFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.duration, a.duration))
	})
	return spans
}

// heads counts the spans whose parent is not there. One is the root, whose parent may be the client's; more were lost,
// or are still on their way.
func heads(spans []span) (n int) {
	known := map[spanID]bool{}
	for _, s := range spans {
		known[s.id] = true
	}
	for _, s := range spans {
		if !known[s.parent] {
			n++
		}
	}
	return n
}

func spanShown(s *span) Span {
	shown := Span{
		ID: s.id.String(), Name: s.name, Kind: word(s.kind.String(), "SPAN_KIND_"), Service: s.service,
		Instance: s.instance, Start: at(s.start), Duration: s.duration, Status: word(s.status.String(), "STATUS_CODE_"),
		Error: s.problem, Segment: s.attribute(segmentKey), Event: s.attribute(eventKey), Attributes: map[string]string{},
	}
	if s.parent != (spanID{}) {
		shown.Parent = s.parent.String()
	}
	for _, a := range s.attributes {
		shown.Attributes[a.key] = a.value
	}
	for _, own := range []string{segmentKey, eventKey, orderKey} {
		delete(shown.Attributes, own)
	}
	for _, l := range s.links {
		shown.Links = append(shown.Links, Link{l.trace.String(), l.span.String()})
	}
	return shown
}

// word is a constant of OTLP as it is written elsewhere: SPAN_KIND_SERVER is server.
func word(constant, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(constant, prefix))
}

// list is what the ring has of the orders, chosen and sorted by the state.
func (r *ring) list(state State, limit int) List {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Collect(maps.Values(r.orders))
	if state == Failed {
		all = slices.DeleteFunc(all, func(t *trace) bool { return !t.failed && !t.compensated })
	}
	slices.SortFunc(all, func(a, b *trace) int {
		if state == Slow {
			return cmp.Compare(b.duration(), a.duration())
		}
		return cmp.Compare(b.first, a.first)
	})
	list := List{Traces: []Listed{}, Steps: r.steps.all(), Ring: r.counted()}
	for _, t := range all[:min(limit, len(all))] {
		list.Traces = append(list.Traces, Listed{
			OrderID: t.order.String(), TraceID: t.id.String(), Start: at(t.first), Duration: t.duration(),
			Ended: t.ended > 0, Spans: t.count, Services: r.named(t.services), Compensated: t.compensated, Error: t.failed,
			Partial: t.partial,
		})
	}
	return list
}

// named are the services of a trace, in the order of the alphabet.
func (r *ring) named(bits uint64) []string {
	names := []string{}
	for place, name := range r.services {
		if bits&(1<<place) != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
