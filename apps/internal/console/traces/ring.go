package traces

import (
	"container/list"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

const (
	// budget bounds what the ring keeps: with the interned strings (maxWords × maxWord) and the histograms (maxSteps) it
	// stays far below 64 MiB, and the console in the 128 MB of its container. Each trace counts with the capacity of its
	// encoded spans and of its list of links, and with overhead, so the bound holds by construction. At 500 sagas a
	// second it is about seven seconds of orders, and minutes of those that failed; where few are placed it is days.
	budget = 32 << 20
	// overhead is what a trace needs besides: its struct, two entries of maps, an element of a list.
	overhead = 640
	// maxTrace is the largest trace, some 1,500 spans: one that grows without end must not drive out all the others.
	maxTrace = 256 << 10
	// share is the part of the budget for the traces that somebody will look for: those with errors, compensations, and
	// the slowest. Within it the oldest of them goes first.
	share = 0.5
	// slowest is the part of the orders, in the ring at one time, that count as slow when the ring is full; fewest is how
	// many orders it takes to know, and recount after how many evictions it is looked at again.
	slowest, fewest, recount = 0.01, 100, 1000
)

// What an order's events mean for its trace.
var (
	// undoing are the events after which something is undone, or needs a person.
	undoing = map[string]bool{
		"InventoryRejected": true, "InventoryReleased": true, "PaymentFailed": true, "PaymentVoided": true,
		"PaymentRefunded": true, "ShipmentFailed": true, "OrderCancelled": true, "IncidentOpened": true,
		"OrderNeedsAttention": true,
	}
	// ending are the events with which a saga has ended.
	ending = map[string]bool{"OrderConfirmed": true, "OrderCancelled": true}
)

// trace is all spans with one trace id.
type trace struct {
	id    traceID
	order uuid.UUID // uuid.Nil: it is about none, or about many

	spans       []byte // encoded
	count       int
	first, last int64 // nanoseconds since 1970
	ended       int64 // when the event that ended the saga was published; 0: not yet
	services    uint64

	saga, failed, compensated, partial bool

	from []inbound

	kept    bool // among those that are kept longer
	element *list.Element
}

// inbound is a span of another trace that has a link to a span of this one. It stays when the other trace has gone.
type inbound struct {
	trace           traceID
	from, to        spanID
	start, duration int64
	name, service   uint64 // places among the words; 0: unknown
}

const inboundSize = 64

func (t *trace) size() int { return overhead + cap(t.spans) + cap(t.from)*inboundSize }

// duration is how long the saga took; of one that has not ended, and of another trace, it is all that was recorded.
func (t *trace) duration() int64 {
	if t.ended > 0 {
		return t.ended - t.first
	}
	return t.last - t.first
}

// ring is the newest traces.
type ring struct {
	decoding sync.Mutex // held around add

	mu     sync.Mutex
	budget int

	used, keptBytes int
	traces          map[traceID]*trace
	orders          map[uuid.UUID]*trace
	recent, kept    *list.List // of *trace, the oldest in front
	words           words
	services        []string // their places are the bits of trace.services
	steps           steps

	received, dropped, evictions int64
	bar                          int64 // an order that took longer counts as slow; math.MaxInt64: not known yet
}

func newRing(budget int) *ring {
	return &ring{
		budget: budget, traces: map[traceID]*trace{}, orders: map[uuid.UUID]*trace{}, recent: list.New(), kept: list.New(),
		words: words{place: map[string]uint64{}}, steps: newSteps(), bar: math.MaxInt64,
	}
}

// add stores spans, and counts those that it has not stored.
func (r *ring) add(from []*otlp.ResourceSpans) (invalid, tooMany int) {
	for _, resource := range from {
		service := named(resource.GetResource().GetAttributes(), "service.name")
		instance := named(resource.GetResource().GetAttributes(), "service.instance.id")
		for _, scope := range resource.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				id, s, valid := spanOf(one)
				s.service, s.instance = service, instance
				switch {
				case !valid:
					invalid++
				case !r.store(id, &s):
					tooMany++
				}
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped += int64(invalid + tooMany)
	return invalid, tooMany
}

// store adds one span, and makes room for it; false: its trace is too large.
func (r *ring) store(id traceID, s *span) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.of(id)
	if len(t.spans) >= maxTrace {
		return false
	}
	r.change(t, func() {
		t.note(s)
		r.index(t, s)
		t.services |= r.service(s.service)
		t.spans = r.words.appendSpan(t.spans, s)
	})
	r.received++
	r.steps.add(s.name, s.service, s.duration)
	for _, l := range s.links {
		if l.trace != id {
			r.link(id, s, l)
		}
	}
	for r.used > r.budget {
		r.evict()
	}
	return true
}

// of is the trace with an id; a new one is empty.
func (r *ring) of(id traceID) *trace {
	t := r.traces[id]
	if t == nil {
		t = &trace{id: id, first: math.MaxInt64}
		r.traces[id], t.element = t, r.recent.PushBack(t)
		r.used += t.size()
	}
	return t
}

// change changes a trace, and what it counts. One that has become notable is kept longer from now on.
func (r *ring) change(t *trace, how func()) {
	before := t.size()
	how()
	more := t.size() - before
	r.used += more
	if t.kept {
		r.keptBytes += more
	} else if t.failed || t.compensated || t.partial {
		r.keep(t)
	}
}

func (r *ring) keep(t *trace) {
	r.recent.Remove(t.element)
	t.element, t.kept = r.kept.PushBack(t), true
	r.keptBytes += t.size()
}

// note adds what a span means for its trace.
func (t *trace) note(s *span) {
	t.count++
	t.first, t.last = min(t.first, s.start), max(t.last, s.end())
	event := s.attribute(eventKey)
	segment := s.attribute(segmentKey)
	t.saga = t.saga || segment != "" || event != ""
	t.failed = t.failed || s.status == otlp.Status_STATUS_CODE_ERROR
	t.compensated = t.compensated || undoing[event]
	t.partial = t.partial || s.attribute(partialKey) == "true"
	if segment == "outbox" && ending[event] {
		t.ended = max(t.ended, s.end())
	}
}

// index makes the trace that of its order. A request about an order, in a trace of its own, is not the order's trace.
func (r *ring) index(t *trace, s *span) {
	if t.order == uuid.Nil {
		t.order, _ = uuid.Parse(s.attribute(orderKey)) // another text is no order's id
	}
	if !t.saga || t.order == uuid.Nil {
		return
	}
	if r.orders[t.order] == nil {
		r.orders[t.order] = t
	}
}

// service is the bit of a service; there is none for a 65th, nor for a name that is too long.
func (r *ring) service(name string) uint64 {
	place := slices.Index(r.services, name)
	if place < 0 && len(r.services) < 64 && len(name) <= maxWord {
		place = len(r.services)
		r.services = append(r.services, strings.Clone(name))
	}
	if place < 0 {
		return 0
	}
	return 1 << place
}

// link remembers at a trace that a span of another one leads to it. The two may arrive in any order.
func (r *ring) link(from traceID, s *span, to link) {
	t := r.of(to.trace)
	if len(t.from) >= maxFields {
		return
	}
	r.change(t, func() {
		t.from = append(t.from, inbound{
			trace: from, from: s.id, to: to.span, start: s.start, duration: s.duration,
			name: r.words.place[s.name], service: r.words.place[s.service],
		})
	})
}

// evict lets the oldest trace go: of those that are kept longer when they have more than their share. A slow order that
// would go joins them instead.
func (r *ring) evict() {
	oldest := r.recent.Front()
	if oldest == nil || float64(r.keptBytes) > share*float64(r.budget) {
		r.drop(r.kept.Front().Value.(*trace))
		return
	}
	t := oldest.Value.(*trace)
	if t.saga && t.duration() > r.slow() {
		r.keep(t)
		return
	}
	r.drop(t)
}

func (r *ring) drop(t *trace) {
	r.evictions++
	r.used -= t.size()
	delete(r.traces, t.id)
	if r.orders[t.order] == t {
		delete(r.orders, t.order)
	}
	if t.kept {
		r.keptBytes -= t.size()
		r.kept.Remove(t.element)
		return
	}
	r.recent.Remove(t.element)
}

// slow is how long the fastest of the slow orders took.
func (r *ring) slow() int64 {
	if r.evictions%recount == 0 {
		r.evictions++ // not twice for one eviction
		var all []int64
		for element := r.recent.Front(); element != nil; element = element.Next() {
			if t := element.Value.(*trace); t.saga {
				all = append(all, t.duration())
			}
		}
		if r.bar = math.MaxInt64; len(all) >= fewest {
			slices.Sort(all)
			r.bar = all[int(float64(len(all))*(1-slowest))]
		}
	}
	return r.bar
}
