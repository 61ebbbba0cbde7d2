package failpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Set is what is armed in one process. A nil Set never fires.
type Set struct {
	active  atomic.Bool // something is armed: all that At looks at otherwise
	service string      // whose process it is: only what it passes can be armed; empty: any point

	mu    sync.Mutex
	armed []*Armed
	last  int      // the last id given
	fired []Fired  // what has fired last, oldest first
	log   *journal // nil: not written anywhere
}

// remembered is how much of what has fired can be asked for.
const remembered = 50

// Armed is a fault in a set, and what has become of it.
type Armed struct {
	Fault
	ID      string
	Since   time.Time
	Hits    int // how often its point was passed by one that it is for
	Fired   int // how often it fired
	Holding int // how many are waiting there

	release chan struct{} // closed and replaced by every release
	gone    chan struct{} // closed when it is disarmed
}

// NewSet makes an empty set.
func NewSet() *Set { return &Set{} }

// Armed reports whether anything is armed at all. Ask it before doing work for the sake of At alone.
func (s *Set) Armed() bool { return s != nil && s.active.Load() }

// Arm arms a fault and returns its id. It refuses a point that the service never passes: nothing would ever happen.
func (s *Set) Arm(f Fault) (string, error) {
	if err := f.check(); err != nil {
		return "", err
	}
	if services := passing(f.Point); s.service != "" && services != nil && !slices.Contains(services, s.service) {
		return "", fmt.Errorf("%s never passes %s, only %s does", s.service, f.Point, strings.Join(services, ", "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	a := &Armed{Fault: f, ID: strconv.Itoa(s.last), Since: time.Now(), release: make(chan struct{}),
		gone: make(chan struct{})}
	s.armed = append(s.armed, a)
	s.active.Store(true)
	return a.ID, nil
}

// List is what is armed, and what was and has fired all its times, oldest first.
func (s *Set) List() []Armed {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(time.Now())
	list := make([]Armed, len(s.armed))
	for i, a := range s.armed {
		list[i] = *a
	}
	return list
}

// Fired is what has fired last, oldest first; also before a crash, where there is a file.
func (s *Set) Fired() []Fired {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.fired)
}

// note remembers that a fault fires. The lock is held.
func (s *Set) note(f Fault, orders []string) {
	line := newFired(f, orders)
	s.log.write(line)
	s.fired = append(s.fired[max(0, len(s.fired)-remembered+1):], line)
}

// Clear disarms one fault, or all with an empty id, and releases who is held there. It reports whether
// there was such a fault.
func (s *Set) Clear(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.armed)
	s.armed = slices.DeleteFunc(s.armed, func(a *Armed) bool {
		if id != "" && a.ID != id {
			return false
		}
		close(a.gone)
		return true
	})
	s.active.Store(len(s.armed) > 0)
	return len(s.armed) < before || id == ""
}

// Release lets those go on who are held by this fault now; who comes later is held again, as long as the
// fault has times left. It reports whether there is such a fault.
func (s *Set) Release(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.armed {
		if a.ID == id {
			close(a.release)
			a.release = make(chan struct{})
			return true
		}
	}
	return false
}
