package mailbox

import (
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

// flights keeps book of what was published and not marked yet. The broker's answers come on goroutines of
// their own; the relay collects them once a round.
type flights struct {
	mu     sync.Mutex
	flying map[*nats.Msg]flight // no answer yet
	acked  []ack                // acknowledged, and to be marked
	failed error                // an answer that was an error, since the last round
}

type flight struct {
	id    uuid.UUID
	since time.Time
}

type ack struct {
	id  uuid.UUID
	seq uint64
}

func newFlights() *flights { return &flights{flying: make(map[*nats.Msg]flight)} }

func (f *flights) start(msg *nats.Msg, id uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flying[msg] = flight{id, time.Now()}
}

func (f *flights) cancel(msg *nats.Msg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.flying, msg)
}

// landed says how many acknowledgements wait to be marked, and whether this one was still expected.
func (f *flights) landed(msg *nats.Msg, seq uint64) (waiting int, expected bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	flight, expected := f.flying[msg]
	if expected {
		delete(f.flying, msg)
		f.acked = append(f.acked, ack{flight.id, seq})
	}
	return len(f.acked), expected
}

func (f *flights) lost(msg *nats.Msg, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, expected := f.flying[msg]; expected {
		delete(f.flying, msg)
		f.failed = err
	}
}

// collect hands out the acknowledgements, and the ids of all rows that are under way and must not be taken
// now. After an error it hands out nothing, once.
func (f *flights) collect() (acked []ack, busy []uuid.UUID, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != nil {
		err, f.failed = f.failed, nil
		return nil, nil, fmt.Errorf("not acknowledged: %w", err)
	}
	busy = make([]uuid.UUID, 0, len(f.flying)+len(f.acked))
	for msg, flight := range f.flying {
		// The client answers every publication in the end, with a timeout at the latest. Should it ever
		// not, the row must not stay away from the next rounds for ever.
		if time.Since(flight.since) > 2*ackTime {
			delete(f.flying, msg)
			continue
		}
		busy = append(busy, flight.id)
	}
	for _, a := range f.acked {
		busy = append(busy, a.id)
	}
	acked, f.acked = f.acked, nil
	return acked, busy, nil
}

// keep takes back what could not be marked.
func (f *flights) keep(acked []ack) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acked = append(f.acked, acked...)
}

// forget drops everything: what another broker said is worth nothing now. The rows are published again.
func (f *flights) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.flying)
	f.acked, f.failed = nil, nil
}

// none says that nothing is under way.
func (f *flights) none() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.flying) == 0 && len(f.acked) == 0
}
