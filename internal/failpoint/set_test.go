package failpoint_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ordersaga/internal/failpoint"
)

const point = failpoint.InboxBeforeCommit

// pass lets the clock of a synctest bubble go on, which takes no time at all.
func pass(d time.Duration) { <-time.After(d) }

func arm(t *testing.T, s *failpoint.Set, f failpoint.Fault) string {
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

func TestSet_NothingFiresUnlessArmed(t *testing.T) {
	t.Parallel()
	cleared := failpoint.NewSet()
	arm(t, cleared, failpoint.Fault{Kind: failpoint.Error})
	cleared.Clear("")
	elsewhere := failpoint.NewSet()
	arm(t, elsewhere, failpoint.Fault{Kind: failpoint.Error, Point: failpoint.RelayMarked})
	somebody := failpoint.NewSet()
	arm(t, somebody, failpoint.Fault{Kind: failpoint.Error, Order: "somebody"})
	duplicate := failpoint.NewSet()
	arm(t, duplicate, failpoint.Fault{Kind: failpoint.Duplicate})
	for name, s := range map[string]*failpoint.Set{
		"in a nil set": nil, "in an empty set": failpoint.NewSet(), "when all was cleared": cleared,
		"at another point": elsewhere, "to another order": somebody, "in At when a duplicate is armed": duplicate,
	} {
		if err := s.At(t.Context(), point, "nobody"); err != nil {
			t.Errorf("%s At returned %v", name, err)
		}
		if s != duplicate && s.Duplicate(point) {
			t.Errorf("%s Duplicate returned true", name)
		}
	}
}

func TestSet_AnErrorFires(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault failpoint.Fault
		fired []bool
	}{
		"once":                             {failpoint.Fault{Times: 1}, []bool{true, false, false}},
		"twice":                            {failpoint.Fault{Times: 2}, []bool{true, true, false}},
		"any number of times":              {failpoint.Fault{}, []bool{true, true, true}},
		"for one of the orders of a batch": {failpoint.Fault{Order: "b"}, []bool{true, true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := failpoint.NewSet()
			test.fault.Kind, test.fault.Text = failpoint.Error, "no luck"
			arm(t, s, test.fault)
			fired := 0
			for i, want := range test.fired {
				err := s.At(t.Context(), point, "a", "b")
				if got := errors.Is(err, failpoint.ErrArmed); got != want {
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

func TestSet_APercentageFires(t *testing.T) {
	t.Parallel()
	s := failpoint.NewSet()
	arm(t, s, failpoint.Fault{Kind: failpoint.Error, Percent: 30})
	for range 2000 {
		_ = s.At(t.Context(), point)
	}
	// Ten standard deviations around 600: wrong once in the age of the universe.
	if fired := s.List()[0].Fired; fired < 395 || fired > 805 {
		t.Errorf("fired %d of 2000 times at 30 percent", fired)
	}
}

func TestSet_ADuplicateIsAskedFor(t *testing.T) {
	t.Parallel()
	s := failpoint.NewSet()
	arm(t, s, failpoint.Fault{Kind: failpoint.Duplicate, Times: 1, Order: "a"})
	if s.Duplicate(point, "b") {
		t.Error("fired for another order")
	}
	if !s.Duplicate(point, "a") || s.Duplicate(point, "a") {
		t.Error("did not say yes exactly once")
	}
}

func TestSet_ADelayTakesItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := failpoint.NewSet()
		arm(t, s, failpoint.Fault{Kind: failpoint.Delay, Delay: time.Minute})
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

func TestSet_AFaultExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := failpoint.NewSet()
		arm(t, s, failpoint.Fault{Kind: failpoint.Error, For: time.Minute})
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

func TestHold_WaitsUntilReleased(t *testing.T) {
	t.Parallel()
	for name, free := range map[string]func(s *failpoint.Set, id string, cancel func()){
		"until released":         func(s *failpoint.Set, id string, _ func()) { s.Release(id) },
		"until cleared":          func(s *failpoint.Set, id string, _ func()) { s.Clear(id) },
		"until expired":          func(*failpoint.Set, string, func()) { pass(time.Hour) },
		"until its context ends": func(_ *failpoint.Set, _ string, cancel func()) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := failpoint.NewSet()
				id := arm(t, s, failpoint.Fault{Kind: failpoint.Hold, For: time.Hour})
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

func TestHold_AReleaseIsOneStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := failpoint.NewSet()
		id := arm(t, s, failpoint.Fault{Kind: failpoint.Hold})
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
func TestSet_AnUnarmedPointAllocatesNothing(t *testing.T) {
	s, orders := failpoint.NewSet(), []string{"a"}
	if n := testing.AllocsPerRun(100, func() { _ = s.At(t.Context(), point, orders...) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkUnarmed(b *testing.B) {
	s, ctx := failpoint.NewSet(), b.Context()
	for b.Loop() {
		_ = s.At(ctx, point, "order")
	}
}

func BenchmarkNil(b *testing.B) {
	var s *failpoint.Set
	ctx := b.Context()
	for b.Loop() {
		_ = s.At(ctx, point, "order")
	}
}
