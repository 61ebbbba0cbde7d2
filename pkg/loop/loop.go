// Package loop is the skeleton of every background loop: a round that is repeated, woken, and retried after an error.
package loop

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// maxBackoff bounds how long it stays unnoticed that what failed is back.
const maxBackoff = 4 * time.Second

// New makes a background loop out of one round of it. The round runs once at start, then every interval
// and whenever woken (wake may be nil), until ctx ends. An error is logged once and the round is tried
// again after a growing, jittered pause; it never ends the loop.
func New(name string, log *slog.Logger, every time.Duration, wake <-chan struct{},
	runOnce func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for failures := 0; ; {
			pause := every
			if err := runOnce(ctx); err != nil && ctx.Err() == nil {
				failures++
				pause = Backoff(failures)
				log.WarnContext(ctx, "loop failed, will try again", "loop", name, "failures", failures, "pause", pause, "error",
					err)
			} else {
				failures = 0
			}
			if !Rest(ctx, pause, wake) {
				return nil
			}
		}
	}
}

// Rest waits until the pause is over or wake is signalled (nil never is); false means that ctx has ended.
func Rest(ctx context.Context, pause time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}

// Wake signals a channel of capacity 1, for a loop that rests on it now or next time. Many signals are one.
func Wake(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// Backoff is how long to pause after so many failures in a row: exponential from 100 ms, capped at
// 4 s, with full jitter above the half so that replicas do not come back together.
func Backoff(failures int) time.Duration {
	d := maxBackoff
	if failures < 7 {
		d = min(maxBackoff, 100*time.Millisecond<<max(0, failures-1))
	}
	return d/2 + rand.N(d/2)
}
