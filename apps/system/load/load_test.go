package load_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ordersaga/apps/system/load"
)

func TestClosed_KeepsSoManyCallsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // its clock moves only when all goroutines wait
		ctx, stop := context.WithTimeout(t.Context(), 995*time.Millisecond) // in the hundredth round
		defer stop()
		var calls atomic.Int64
		err := load.Closed(ctx, 4, func(context.Context, int) error {
			<-time.After(10 * time.Millisecond)
			calls.Add(1)
			return nil
		})
		if err != nil || calls.Load() != 400 {
			t.Errorf("%v, %d calls in a hundred rounds, 4 at a time; want 400", err, calls.Load())
		}
	})
}

func TestClosed_EndsWithTheFirstFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	err := load.Closed(t.Context(), 3, func(ctx context.Context, caller int) error {
		if caller == 1 {
			return broken
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, broken) {
		t.Errorf("the error is %v, want that of the call", err)
	}
}

func TestOpen_CallsAreDueAtTheRateHoweverSlowTheyAre(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		atOnce  int
		started time.Duration // the last call
	}{
		"unbounded":         {0, 19 * time.Millisecond},
		"ten at a time":     {10, time.Second + 9*time.Millisecond},
		"twenty at a time":  {20, 19 * time.Millisecond},
		"one after another": {1, 19 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // its clock moves only when all goroutines wait
				began := time.Now()
				var due, started atomic.Int64 // of the last call
				rate := load.Rate{PerSecond: 1000, Total: 20, AtOnce: test.atOnce}
				err := load.Open(t.Context(), rate, func(_ context.Context, at time.Time) error {
					due.Store(max(due.Load(), int64(at.Sub(began))))
					started.Store(max(started.Load(), int64(time.Since(began))))
					<-time.After(time.Second)
					return nil
				})
				if err != nil || time.Duration(due.Load()) != 19*time.Millisecond || time.Duration(started.Load()) != test.started {
					t.Errorf("%v, the last call was due after %v and made after %v; want 19 ms and %v",
						err, time.Duration(due.Load()), time.Duration(started.Load()), test.started)
				}
			})
		})
	}
}

func TestOpen_WhatIsUnderWayMayFinishAfterTheContextHasEnded(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	finished := 0
	err := load.Open(ctx, load.Rate{PerSecond: 1}, func(ctx context.Context, _ time.Time) error {
		stop()
		finished++
		return ctx.Err()
	})
	if err != nil || finished != 1 {
		t.Errorf("%v, %d calls finished", err, finished)
	}
}

func TestOpen_EndsWithTheFirstFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	err := load.Open(t.Context(), load.Rate{PerSecond: 1000}, func(context.Context, time.Time) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("the error is %v, want that of the call", err)
	}
}

func TestLatencies_BoundsAndQuantiles(t *testing.T) {
	t.Parallel()
	l := load.NewLatencies()
	l.Add(time.Hour)
	l.Reset()
	for ms := 1; ms <= 98; ms++ {
		l.Add(time.Duration(ms) * time.Millisecond)
	}
	l.Add(-time.Second)
	l.Add(time.Hour)
	if l.Count() != 100 || l.At(0) > time.Millisecond || l.At(50).Round(time.Millisecond) != 49*time.Millisecond ||
		l.At(100).Round(time.Second) != 2*time.Minute {
		t.Errorf("%d durations from %v to %v, half of them below %v", l.Count(), l.At(0), l.At(100), l.At(50))
	}
}

func TestEnds_EitherSideMayComeFirst(t *testing.T) {
	t.Parallel()
	ends := load.NewEnds()
	at := time.Now()
	ends.Record("early", load.End{Confirmed: true, At: at})
	ends.Record("early", load.End{Confirmed: false, At: at}) // redelivered
	if end, err := ends.Await(t.Context(), "early"); err != nil || end != (load.End{Confirmed: true, At: at}) {
		t.Errorf("an end that came first is %v, %v", end, err)
	}
	got := make(chan load.End)
	go func() {
		end, _ := ends.Await(t.Context(), "late")
		got <- end
	}()
	ends.Record("late", load.End{At: at})
	if end := <-got; end != (load.End{At: at}) {
		t.Errorf("an end that came second is %v", end)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := ends.Await(ctx, "never"); !errors.Is(err, context.Canceled) {
		t.Errorf("no end: %v", err)
	}
}
