package failpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"time"
)

// ErrArmed is what every error made by a fault is.
var ErrArmed = errors.New("armed fault")

// At does whatever is armed at the point, if it is armed for one of these orders or for any: it returns the
// armed error, comes back late, waits, or does not come back. Otherwise it returns nil at once.
func (s *Set) At(ctx context.Context, p Point, orders ...string) error {
	if !s.Armed() {
		return nil
	}
	return s.at(ctx, p, orders)
}

func (s *Set) at(ctx context.Context, p Point, orders []string) error {
	for _, fired := range s.fire(p, orders, false) {
		switch fired.Kind {
		case Crash:
			Die()
		case Error:
			return fmt.Errorf("%w at %s: %s", ErrArmed, p, cmp.Or(fired.Text, "as if something had failed"))
		case Delay:
			if err := wait(ctx, time.After(fired.Delay), fired.gone, nil); err != nil {
				return err
			}
		case Hold:
			if err := s.hold(ctx, fired); err != nil {
				return err
			}
		case Duplicate: // asked for by Duplicate alone
		}
	}
	return nil
}

// Hook is [Set.At] for a library that knows points by their names; nil for a nil Set.
func (s *Set) Hook() func(ctx context.Context, point string, orders ...string) error {
	if s == nil {
		return nil
	}
	return func(ctx context.Context, point string, orders ...string) error {
		return s.At(ctx, Point(point), orders...)
	}
}

// Duplicate reports whether the caller shall do once more what it just did at this point.
func (s *Set) Duplicate(p Point, orders ...string) bool {
	return s.Armed() && len(s.fire(p, orders, true)) > 0
}

// firing is what a fault needs after the set's lock is released.
type firing struct {
	*Armed
	release, gone <-chan struct{}
}

// fire counts and returns what fires now at the point.
func (s *Set) fire(p Point, orders []string, duplicate bool) []firing {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(time.Now())
	var fired []firing
	for _, a := range s.armed {
		if a.Point != p || (a.Kind == Duplicate) != duplicate || a.Order != "" && !slices.Contains(orders, a.Order) {
			continue
		}
		a.Hits++
		if a.spent() || a.Percent != 0 && rand.N(100) >= a.Percent {
			continue
		}
		a.Fired++
		s.note(a.Fault, orders)
		fired = append(fired, firing{a, a.release, a.gone})
	}
	return fired
}

func (a *Armed) spent() bool { return a.Times > 0 && a.Fired >= a.Times }

// expire disarms what has been armed long enough. The lock is held.
func (s *Set) expire(now time.Time) {
	s.armed = slices.DeleteFunc(s.armed, func(a *Armed) bool {
		if a.For == 0 || now.Sub(a.Since) < a.For {
			return false
		}
		close(a.gone)
		return true
	})
	s.active.Store(len(s.armed) > 0)
}

func (s *Set) hold(ctx context.Context, f firing) error {
	s.count(f.Armed, 1)
	defer s.count(f.Armed, -1)
	var expired <-chan time.Time
	if f.For > 0 {
		expired = time.After(time.Until(f.Since.Add(f.For)))
	}
	return wait(ctx, expired, f.gone, f.release)
}

func (s *Set) count(a *Armed, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Holding += n
}

// wait ends with the first of these; it is an error only when ctx does.
func wait(ctx context.Context, over <-chan time.Time, gone, release <-chan struct{}) error {
	select {
	case <-over:
	case <-gone:
	case <-release:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Die ends the process as SIGKILL does, with nothing flushed and no deferred function run. The first process
// of a container cannot kill itself, so there it exits with the code of one that was killed.
func Die() {
	if os.Getpid() == 1 {
		os.Exit(137)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // cannot fail for oneself
	select {}                                      // the signal arrives before anything else may happen
}
