// Package sagas shows the sagas of all orders as they happen. It keeps the newest in memory, and builds them from the
// stream alone at every start.
package sagas

import (
	"container/list"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

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
	complete bool       // all of the stream was read once
	current  bool       // all of it was read, and the broker answers
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
	b.sagas, b.byChange, b.next, b.complete = map[string]*list.Element{}, list.New(), 0, false
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
	b.complete = b.complete || current
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

// bare are the events of which a saga that is on the board needs nothing but that they happened: most of all that are
// read at a start.
var bare = map[string]events.Event{
	events.InventoryReserved{}.Type().String(): events.InventoryReserved{},
	events.PaymentProcessed{}.Type().String():  events.PaymentProcessed{},
	events.ShipmentCreated{}.Type().String():   events.ShipmentCreated{},
	events.OrderConfirmed{}.Type().String():    events.OrderConfirmed{},
}

// add puts one event on the board.
func (b *Board) add(sequence uint64, message []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = sequence + 1
	var about struct {
		Order string    `json:"subject"`
		Type  string    `json:"type"`
		Time  time.Time `json:"time"`
	}
	if jsonv2.Unmarshal(message, &about) != nil { // in a quarter of the time of encoding/json
		return nil // it is no event, so it is about no order
	}
	event := bare[about.Type]
	if event == nil || b.sagas[about.Order] == nil {
		var err error
		if _, event, err = events.Decode(message); err != nil {
			return nil
		}
	}
	s := b.saga(about.Order, sequence, about.Time)
	ended := s.Ended()
	s.Apply(event)
	s.last, s.step, s.at = sequence, event.Type().Name, about.Time
	if sequence == s.first { // OrderCreated; of an order that began long ago, the oldest event that is read
		_, s.what = sagaview.Describe(event)
	}
	switch event := event.(type) {
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
	if b.complete {
		b.notify()
	}
	return nil
}

// saga is the event's saga, which becomes the one that changed last. The lock is held.
func (b *Board) saga(order string, sequence uint64, began time.Time) *saga {
	if element := b.sagas[order]; element != nil {
		b.byChange.MoveToBack(element)
		return element.Value.(*saga)
	}
	s := &saga{Saga: sagaview.NewSaga(), order: order, first: sequence, began: began}
	b.sagas[s.order] = b.byChange.PushBack(s)
	if oldest := b.byChange.Front(); b.byChange.Len() > maxSagas {
		delete(b.sagas, oldest.Value.(*saga).order)
		b.byChange.Remove(oldest)
	}
	return s
}
