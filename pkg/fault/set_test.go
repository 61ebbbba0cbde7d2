package fault_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ordersaga/pkg/fault"
)

const point = fault.InboxBeforeCommit

// pass lets the clock of a synctest bubble go on, which takes no time at all.
func pass(d time.Duration) { <-time.After(d) }

func arm(t *testing.T, s *fault.Set, f fault.Fault) string {
	t.Helper()
	if f.Point == "" {
		f.Point = point
	}
	id, err := s.Arm(f)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestNothingHappens(t *testing.T) {
	t.Parallel()
	cleared := fault.NewSet()
	arm(t, cleared, fault.Fault{Kind: fault.Error})
	cleared.Clear("")
	elsewhere := fault.NewSet()
	arm(t, elsewhere, fault.Fault{Kind: fault.Error, Point: fault.RelayMarked})
	somebody := fault.NewSet()
	arm(t, somebody, fault.Fault{Kind: fault.Error, Order: "somebody"})
	duplicate := fault.NewSet()
	arm(t, duplicate, fault.Fault{Kind: fault.Duplicate})
	for name, s := range map[string]*fault.Set{
		"in a nil set": nil, "in an empty set": fault.NewSet(), "when all was cleared": cleared,
		"at another point": elsewhere, "to another order": somebody, "in At when a duplicate is armed": duplicate,
	} {
		if err := s.At(t.Context(), point, "nobody"); err != nil {
			t.Errorf("%s At returned %v", name, err)
		}
		if s != duplicate && s.Duplicate(point) {
			t.Errorf("%s Duplicate said yes", name)
		}
	}
}

func TestAnErrorFires(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault fault.Fault
		fired []bool
	}{
		"once":                             {fault.Fault{Times: 1}, []bool{true, false, false}},
		"twice":                            {fault.Fault{Times: 2}, []bool{true, true, false}},
		"any number of times":              {fault.Fault{}, []bool{true, true, true}},
		"for one of the orders of a batch": {fault.Fault{Order: "b"}, []bool{true, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fault.NewSet()
			test.fault.Kind, test.fault.Text = fault.Error, "no luck"
			arm(t, s, test.fault)
			fired := 0
			for i, want := range test.fired {
				err := s.At(t.Context(), point, "a", "b")
				if got := errors.Is(err, fault.ErrArmed); got != want {
					t.Errorf("call %d: %v", i, err)
				}
				if want {
					fired++
				}
			}
			if a := s.List()[0]; a.Hits != len(test.fired) || a.Fired != fired {
				t.Errorf("counted %d hits and %d fired, want %d and %d", a.Hits, a.Fired, len(test.fired), fired)
			}
		})
	}
}

func TestAPercentageFires(t *testing.T) {
	t.Parallel()
	s := fault.NewSet()
	arm(t, s, fault.Fault{Kind: fault.Error, Percent: 30})
	for range 2000 {
		_ = s.At(t.Context(), point)
	}
	// Ten standard deviations around 600: wrong once in the age of the universe.
	if fired := s.List()[0].Fired; fired < 395 || fired > 805 {
		t.Errorf("fired %d of 2000 times at 30 percent", fired)
	}
}

func TestADuplicateIsAskedFor(t *testing.T) {
	t.Parallel()
	s := fault.NewSet()
	arm(t, s, fault.Fault{Kind: fault.Duplicate, Times: 1, Order: "a"})
	if s.Duplicate(point, "b") {
		t.Error("said yes for another order")
	}
	if !s.Duplicate(point, "a") || s.Duplicate(point, "a") {
		t.Error("did not say yes exactly once")
	}
}

func TestADelayTakesItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := fault.NewSet()
		arm(t, s, fault.Fault{Kind: fault.Delay, Delay: time.Minute})
		began := time.Now()
		if err := s.At(t.Context(), point); err != nil || time.Since(began) != time.Minute {
			t.Errorf("came back with %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.At(ctx, point); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("came back with %v when its context had ended", err)
		}
	})
}

func TestAFaultExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := fault.NewSet()
		arm(t, s, fault.Fault{Kind: fault.Error, For: time.Minute})
		pass(59 * time.Second)
		if err := s.At(t.Context(), point); err == nil {
			t.Error("did not fire in its time")
		}
		pass(time.Second)
		if err := s.At(t.Context(), point); err != nil {
			t.Errorf("fired after its time: %v", err)
		}
		if len(s.List()) != 0 || s.Armed() {
			t.Error("still armed after its time")
		}
	})
}

func TestWhoIsHeldWaits(t *testing.T) {
	t.Parallel()
	for name, free := range map[string]func(s *fault.Set, id string, cancel func()){
		"until released":         func(s *fault.Set, id string, _ func()) { s.Release(id) },
		"until cleared":          func(s *fault.Set, id string, _ func()) { s.Clear(id) },
		"until expired":          func(*fault.Set, string, func()) { pass(time.Hour) },
		"until its context ends": func(_ *fault.Set, _ string, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := fault.NewSet()
				id := arm(t, s, fault.Fault{Kind: fault.Hold, For: time.Hour})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := false
				go func() { _ = s.At(ctx, point); done = true }()
				synctest.Wait()
				if done || s.List()[0].Holding != 1 {
					t.Fatal("was not held")
				}
				free(s, id, cancel)
				synctest.Wait()
				if !done {
					t.Error("is still held")
				}
			})
		})
	}
}

func TestAReleaseIsOneStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := fault.NewSet()
		id := arm(t, s, fault.Fault{Kind: fault.Hold})
		steps := 0
		go func() {
			for range 3 {
				_ = s.At(t.Context(), point)
				steps++
			}
		}()
		for want := range 4 {
			synctest.Wait()
			if steps != want {
				t.Fatalf("made %d steps after %d releases", steps, want)
			}
			s.Release(id)
		}
	})
}

// A point that is not armed must not be a reason to leave it out of a hot path.
func TestAnUnarmedPointAllocatesNothing(t *testing.T) {
	s, orders := fault.NewSet(), []string{"a"}
	if n := testing.AllocsPerRun(100, func() { _ = s.At(t.Context(), point, orders...) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkUnarmed(b *testing.B) {
	s, ctx := fault.NewSet(), b.Context()
	for b.Loop() {
		_ = s.At(ctx, point, "order")
	}
}

func BenchmarkNil(b *testing.B) {
	var s *fault.Set
	ctx := b.Context()
	for b.Loop() {
		_ = s.At(ctx, point, "order")
	}
}
