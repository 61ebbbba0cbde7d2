package loop

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLoop_RunsAtOnceWhenWokenAndAfterFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		wake := make(chan struct{})
		var rounds atomic.Int32
		var fail atomic.Bool
		run := New("test", slog.New(slog.DiscardHandler), time.Hour, wake, func(context.Context) error {
			rounds.Add(1)
			if fail.Load() {
				return errors.New("broken")
			}
			return nil
		})
		ended := make(chan error)
		go func() { ended <- run(ctx) }()

		synctest.Wait()
		if n := rounds.Load(); n != 1 {
			t.Fatalf("%d rounds at start, want 1", n)
		}
		fail.Store(true)
		wake <- struct{}{}
		synctest.Wait()
		if n := rounds.Load(); n != 2 {
			t.Fatalf("%d rounds after waking, want 2", n)
		}
		<-time.After(time.Minute) // the bubble's clock: failures are retried long before the hour is over
		synctest.Wait()
		if n := rounds.Load(); n < 5 {
			t.Errorf("%d rounds in a minute of failures, want it to try repeatedly", n)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ended with %v, want nil", err)
		}
	})
}

func TestBackoff_GrowsToItsCap(t *testing.T) {
	t.Parallel()
	for failures, most := range map[int]time.Duration{1: 100 * time.Millisecond, 3: 400 * time.Millisecond, 7: 4 * time.Second, 1000: 4 * time.Second} {
		for range 100 {
			if got := Backoff(failures); got < most/2 || got > most {
				t.Fatalf("after %d failures: %v, want between %v and %v", failures, got, most/2, most)
			}
		}
	}
}
