// Package sagas shows the sagas of all orders as they happen. It keeps the newest in memory, and builds them from the
// stream alone at every start.
package sagas

import (
	"container/list"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/loop"
)

const (
	// maxSagas bounds the board's memory to about 20 MB. The sagas that have not changed for longest are dropped first.
	maxSagas = 20_000
	// eventsPerSaga is an estimate; from maxSagas times so many events back the stream is read at the start.
	eventsPerSaga = 6
)

// EndFunc gets every order that ends. It must not block.
type EndFunc func(order string, confirmed bool, at time.Time)

// Board is the newest sagas.
type Board struct {
	nats string
	log  *slog.Logger

	mu       sync.Mutex
	sagas    map[string]*list.Element
	byChange *list.List // of *saga; the one that changed last stands at the end
	next     uint64     // the sequence that is read next
	current  bool       // all of the stream was read, and the broker answers
	changed  chan struct{}
	onEnd    map[*EndFunc]bool

	pages   atomic.Int64  // that are open
	visited chan struct{} // one was opened
}

// saga is one row of the board.
type saga struct {
	*sagaview.Saga
	order       string
	first, last uint64 // sequences of its events
	step        string // the last event
	began, at   time.Time
	what, why   string
}

// NewBoard makes an empty board that reads the broker at an address, which carries a read-only login.
func NewBoard(nats string, log *slog.Logger) *Board {
	b := &Board{
		nats: nats, log: log, onEnd: map[*EndFunc]bool{}, changed: make(chan struct{}), visited: make(chan struct{}, 1),
	}
	b.clear()
	return b
}

func (b *Board) clear() {
	b.sagas, b.byChange, b.next = map[string]*list.Element{}, list.New(), 0
}

// notify wakes whoever waits for a change. The lock is held.
func (b *Board) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// setCurrent records whether the board shows all of the stream.
func (b *Board) setCurrent(current bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.current != current {
		b.current = current
		b.notify()
	}
}

// Visit counts an open page until the returned function is called.
func (b *Board) Visit() (leave func()) {
	b.pages.Add(1)
	loop.Wake(b.visited)
	return func() { b.pages.Add(-1) }
}

// Waiting counts the orders in progress by the service whose step is next.
func (b *Board) Waiting() map[events.Service]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting := map[events.Service]int{}
	for _, element := range b.sagas {
		if s := element.Value.(*saga); !s.Ended() {
			waiting[s.Next()]++
		}
	}
	return waiting
}

// OnEnd registers a function until the returned one is called.
func (b *Board) OnEnd(f EndFunc) (leave func()) {
	gone := b.Visit()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onEnd[&f] = true
	return func() {
		gone()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.onEnd, &f)
	}
}

// add puts one event on the board.
func (b *Board) add(seen eventlog.Seen) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = seen.Sequence + 1
	if seen.Problem != nil {
		return nil // it is no event, so it is about no order
	}
	s := b.saga(seen)
	ended := s.Ended()
	s.Apply(seen.Event)
	s.last, s.step, s.at = seen.Sequence, seen.Event.Type().Name, seen.Envelope.Time
	if seen.Sequence == s.first { // OrderCreated; of an order that began long ago, the oldest event that is read
		_, s.what = sagaview.Describe(seen.Event)
	}
	switch event := seen.Event.(type) {
	case events.OrderCancelled:
		s.why = event.Reason
	case events.IncidentOpened:
		s.why = event.Kind
	}
	if !ended && s.Ended() {
		for f := range b.onEnd {
			(*f)(s.order, s.State == sagaview.Succeeded, s.at)
		}
	}
	b.notify()
	return nil
}

// saga is the event's saga, which becomes the one that changed last. The lock is held.
func (b *Board) saga(seen eventlog.Seen) *saga {
	if element := b.sagas[seen.Envelope.Subject]; element != nil {
		b.byChange.MoveToBack(element)
		return element.Value.(*saga)
	}
	s := &saga{Saga: sagaview.NewSaga(), order: seen.Envelope.Subject, first: seen.Sequence, began: seen.Envelope.Time}
	b.sagas[s.order] = b.byChange.PushBack(s)
	if oldest := b.byChange.Front(); b.byChange.Len() > maxSagas {
		delete(b.sagas, oldest.Value.(*saga).order)
		b.byChange.Remove(oldest)
	}
	return s
}
