package mailbox

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Struggling is an event that was put off, and has not taken effect since.
type Struggling struct {
	EventID  string    `json:"event_id"`
	OrderID  string    `json:"order_id"`
	Type     string    `json:"type"`
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since"` // in the stream
	LastAt   time.Time `json:"last_at"`
	NextAt   time.Time `json:"next_at"`
	Reason   string    `json:"reason"` // of the last failure
}

const (
	// Struggles is after how many attempts an event counts as struggling: they take about three seconds, which whatever
	// heals by itself within a moment does not.
	Struggles = 5
	// unseen is how much later than expected an event may come back. After that another replica has it.
	unseen = 30 * time.Second
	// manyStruggle is how many are known before those that others have are looked for: as many as the broker lets a
	// consumer have unsettled.
	manyStruggle = 1024
)

// strugglers are the events that this process has put off. They cost nothing while there are none, and never a write:
// who struggles comes back within seconds, and is known again after a restart.
type strugglers struct {
	any atomic.Bool
	mu  sync.Mutex
	by  map[uuid.UUID]Struggling
}

func (s *strugglers) putOff(d delivery, attempt int, delay time.Duration, cause error) {
	now := time.Now()
	one := Struggling{
		EventID: d.envelope.ID, OrderID: d.event.Order(), Type: d.envelope.Type,
		Attempts: attempt, Since: now, LastAt: now, NextAt: now.Add(delay), Reason: text(cause.Error()),
	}
	if meta, err := d.msg.Metadata(); err == nil {
		one.Since = meta.Timestamp
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uuid.UUID]Struggling{}
	}
	if len(s.by) >= manyStruggle {
		s.forget(now)
	}
	s.by[d.id] = one
	s.any.Store(true)
}

// settled forgets events that have taken effect, or are parked.
func (s *strugglers) settled(batch []delivery) {
	if !s.any.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range batch {
		delete(s.by, d.id)
	}
	s.any.Store(len(s.by) > 0)
}

// forget drops what has gone to another replica. The lock is held.
func (s *strugglers) forget(now time.Time) {
	maps.DeleteFunc(s.by, func(_ uuid.UUID, one Struggling) bool { return now.Sub(one.NextAt) > unseen })
	s.any.Store(len(s.by) > 0)
}

// list is who was tried this often, who waits longest first.
func (s *strugglers) list(attempts int) []Struggling {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(time.Now())
	found := []Struggling{}
	for one := range maps.Values(s.by) {
		if one.Attempts >= attempts {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b Struggling) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.EventID, b.EventID))
	})
	return found
}

// Struggling is the events that this process has tried at least this often, without success so far. They are tried
// again, for ever; none of them is a dead letter.
func (m *Mailbox) Struggling(attempts int) []Struggling { return m.inbox.strugglers.list(attempts) }
