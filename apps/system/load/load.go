// Package load puts orders on a system in the two ways that measure different things, records how long they took,
// and brings together who waits for the end of a saga and who learns of it. The benchmark, the console and the
// chaos tests use it.
package load

import (
	"cmp"
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// Closed keeps n callers busy: each makes its next call as soon as the last one has returned, until ctx ends or a
// call fails. A slow system gets fewer calls, so this measures throughput. It returns the first error of a call,
// but none of a call that ended with ctx.
func Closed(ctx context.Context, n int, call func(ctx context.Context, caller int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for caller := range n {
		group.Go(func() error {
			for ctx.Err() == nil {
				if err := call(ctx, caller); err != nil && ctx.Err() == nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// Rate is how often calls are made, whatever has become of those before.
type Rate struct {
	PerSecond float64
	Total     int // calls in all; zero: until the context ends
	// AtOnce bounds the calls under way; zero: no bound. A call that has to wait for its place keeps its due time.
	AtOnce int
}

// Open makes calls at a rate until all are made, ctx ends or a call fails, and waits for the last ones; they do not
// end with ctx. Each gets the time at which it was due: a latency that is counted from then shows also what a slow
// system made others wait. It returns the first error of a call.
func Open(ctx context.Context, r Rate, call func(ctx context.Context, due time.Time) error) error {
	group, calls := errgroup.WithContext(context.WithoutCancel(ctx))
	group.SetLimit(cmp.Or(r.AtOnce, -1))
	began := time.Now()
	for n := 0; ctx.Err() == nil && (r.Total == 0 || n < r.Total); n++ {
		due := began.Add(time.Duration(float64(n) / r.PerSecond * float64(time.Second)))
		select {
		case <-ctx.Done():
		case <-calls.Done(): // one has failed
			return group.Wait()
		case <-time.After(time.Until(due)):
			group.Go(func() error { return call(calls, due) })
		}
	}
	return group.Wait()
}

// SKU is one of those that a load's orders are spread over, by any number from 0: with one SKU alone, every order
// would wait for the same row.
func SKU(n int) string {
	skus := []string{"widget", "gadget", "gizmo"}
	return skus[n%len(skus)]
}
