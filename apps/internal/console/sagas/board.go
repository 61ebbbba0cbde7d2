// Package sagas shows the sagas of all orders as they happen. It keeps a picture of the newest ones in memory, made
// from the stream alone and made again from it at every start.
package sagas

import (
	"container/list"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/sagaview"
)

// kept bounds how many sagas are on the board: about 20 MB. Those that have not changed for longest leave it.
const kept = 20_000

// perSaga is about how many events a saga has; from so far back the stream is read at the start.
const perSaga = 6

// Board is the newest sagas.
type Board struct {
	nats string
	log  *slog.Logger

	mu      sync.Mutex
	sagas   map[string]*list.Element
	changed *list.List // of *saga; what changed last stands at the end
	next    uint64     // the sequence that is read next
	reading bool       // all there is was read, and the broker answers
	news    chan struct{}
	endings map[int]func(order string, confirmed bool, at time.Time)
	asked   int // how often somebody has asked for endings

	pages   atomic.Int64  // how many look
	visited chan struct{} // one has come
}

// saga is one row of the board.
type saga struct {
	*sagaview.Saga
	order       string
	first, last uint64 // sequences of its events
	step        string // the last event
	began, at   time.Time
	what        string
}

// NewBoard makes an empty board that reads the broker at an address, which carries a login that may look.
func NewBoard(nats string, log *slog.Logger) *Board {
	b := &Board{nats: nats, log: log, news: make(chan struct{}), visited: make(chan struct{}, 1),
		endings: map[int]func(string, bool, time.Time){}}
	b.clear()
	return b
}

func (b *Board) clear() {
	b.sagas, b.changed, b.next = map[string]*list.Element{}, list.New(), 0
}

// tell wakes whoever waits for news. The lock is held.
func (b *Board) tell() {
	close(b.news)
	b.news = make(chan struct{})
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
	if !ended && s.Ended() {
		for _, hear := range b.endings {
			hear(s.order, s.State == sagaview.Succeeded, seen.Envelope.Time)
		}
	}
	s.last, s.step, s.at = seen.Sequence, seen.Event.Type().Name, seen.Envelope.Time
	if seen.Sequence == s.first {
		_, s.what = sagaview.Describe(seen.Event) // what was ordered; of one that began long ago, the oldest that is read
	}
	b.tell()
	return nil
}

// Endings has hear told of every order that ends, as soon as the board knows, until the returned function is called.
// It must not block.
func (b *Board) Endings(hear func(order string, confirmed bool, at time.Time)) (leave func()) {
	gone := b.visit()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	id := b.asked
	b.endings[id] = hear
	return func() {
		gone()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.endings, id)
	}
}

// saga is the event's saga, which becomes the one that changed last. The lock is held.
func (b *Board) saga(seen eventlog.Seen) *saga {
	if element := b.sagas[seen.Envelope.Subject]; element != nil {
		b.changed.MoveToBack(element)
		return element.Value.(*saga)
	}
	s := &saga{Saga: sagaview.NewSaga(), order: seen.Envelope.Subject, first: seen.Sequence, began: seen.Envelope.Time}
	b.sagas[s.order] = b.changed.PushBack(s)
	if oldest := b.changed.Front(); b.changed.Len() > kept {
		delete(b.sagas, oldest.Value.(*saga).order)
		b.changed.Remove(oldest)
	}
	return s
}
