package messaging

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ordersaga/pkg/outbox"
)

// Retrying is an event that failed, and has not taken effect since.
type Retrying struct {
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
	// RetryAlert is the number of attempts from which on a person should look at an event: they take about three seconds,
	// longer than what heals by itself within a moment.
	RetryAlert = 5
	// unseen is how much later than expected an event may be redelivered. After that another replica has it.
	unseen = 30 * time.Second
	// maxRetrying is how many are known before those that other replicas have are removed: as many as the broker lets a
	// consumer have unacknowledged.
	maxRetrying = 1024
)

// retrying is the list of events that this process is retrying. It costs nothing while it is empty, and never a
// write: its events are redelivered within seconds, and are known to a new process then.
type retrying struct {
	any  atomic.Bool
	mu   sync.Mutex
	byID map[string]Retrying
}

func (r *retrying) add(failed outbox.Retry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byID == nil {
		r.byID = map[string]Retrying{}
	}
	if len(r.byID) >= maxRetrying {
		r.expire(failed.LastAt)
	}
	r.byID[failed.EventID] = Retrying{
		EventID: failed.EventID, OrderID: failed.Key, Type: failed.Type, Attempts: failed.Attempts,
		Since: failed.Since, LastAt: failed.LastAt, NextAt: failed.NextAt, Reason: failed.Reason,
	}
	r.any.Store(true)
}

// remove is called for every event that has taken effect or is dead-lettered.
func (r *retrying) remove(id string) {
	if !r.any.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
	r.any.Store(len(r.byID) > 0)
}

// expire removes what has gone to another replica. The lock is held.
func (r *retrying) expire(now time.Time) {
	maps.DeleteFunc(r.byID, func(_ string, one Retrying) bool { return now.Sub(one.NextAt) > unseen })
	r.any.Store(len(r.byID) > 0)
}

// list is the events that were tried at least so often, the oldest first.
func (r *retrying) list(attempts int) []Retrying {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(time.Now())
	found := []Retrying{}
	for one := range maps.Values(r.byID) {
		if one.Attempts >= attempts {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b Retrying) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.EventID, b.EventID))
	})
	return found
}
