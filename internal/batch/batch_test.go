package batch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ordersaga/internal/batch"
)

// pass lets the clock of a synctest bubble go on, which takes no time at all.
func pass(d time.Duration) { <-time.After(d) }

// doubles answers each request with its double, and keeps the batches. Every commit takes a second.
func doubles(batches *[][]int) func(context.Context, []int) ([]int, error) {
	return func(_ context.Context, reqs []int) ([]int, error) {
		*batches = append(*batches, reqs)
		pass(time.Second)
		res := make([]int, len(reqs))
		for i, r := range reqs {
			res[i] = 2 * r
		}
		return res, nil
	}
}

func TestBatch_WhatWaitsTogetherIsCommittedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		g := batch.New(4, doubles(&batches))
		began := time.Now()
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				if got, err := g.Do(t.Context(), i); got != 2*i || err != nil {
					t.Errorf("request %d was answered with %d (%v)", i, got, err)
				}
			})
			synctest.Wait() // one after the other, so that the order is known
		}
		all.Wait()
		// The first goes alone and at once; the others have gathered meanwhile, four at a time.
		if want := [][]int{{0}, {1, 2, 3, 4}, {5, 6, 7, 8}, {9}}; !slices.EqualFunc(batches, want, slices.Equal) {
			t.Errorf("the batches were %v, want %v", batches, want)
		}
		// The last one, alone after so many, waits a moment for more; the full batches do not.
		if took := time.Since(began); took != 4*time.Second+5*time.Millisecond {
			t.Errorf("four commits took %v", took)
		}
	})
}

func TestBatch_ARequestThatNobodyWaitsForIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		g := batch.New(4, doubles(&batches))
		var all sync.WaitGroup
		all.Go(func() { _, _ = g.Do(t.Context(), 1) })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := g.Do(ctx, 2); !errors.Is(err, context.Canceled) {
				t.Errorf("who hung up was told %v", err)
			}
		})
		all.Go(func() { _, _ = g.Do(t.Context(), 3) })
		synctest.Wait()
		cancel()
		all.Wait()
		if want := [][]int{{1}, {3}}; !slices.EqualFunc(batches, want, slices.Equal) {
			t.Errorf("the batches were %v, want %v", batches, want)
		}
	})
}

// One client that hangs up must not roll back what the others wait for.
func TestBatch_ACommitOutlivesWhoAskedForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan error, 1)
		g := batch.New(4, func(ctx context.Context, reqs []int) ([]int, error) {
			pass(time.Second)
			seen <- ctx.Err()
			return reqs, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = g.Do(ctx, 1) }()
		synctest.Wait()
		cancel()
		if err := <-seen; err != nil {
			t.Errorf("the commit saw %v", err)
		}
	})
}

func TestBatch_AFailedCommitIsEverybodysError(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	for name, commit := range map[string]func([]int) ([]int, error){
		"an error":             func([]int) ([]int, error) { return nil, no },
		"a panic":              func([]int) ([]int, error) { panic("no") },
		"an answer too little": func(reqs []int) ([]int, error) { return reqs[1:], nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fails := true
				g := batch.New(4, func(_ context.Context, reqs []int) ([]int, error) {
					pass(time.Second)
					if fails {
						return commit(reqs)
					}
					return reqs, nil
				})
				var all sync.WaitGroup
				for range 3 {
					all.Go(func() {
						if _, err := g.Do(t.Context(), 1); err == nil {
							t.Error("a failed commit was answered")
						}
					})
				}
				all.Wait()
				fails = false
				if _, err := g.Do(t.Context(), 1); err != nil {
					t.Errorf("the batcher does not go on: %v", err)
				}
			})
		})
	}
}

func TestBatch_TooManyRequestsAreShed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var batches [][]int
		g := batch.New(2, doubles(&batches))
		var all sync.WaitGroup
		var shed, answered int
		var mu sync.Mutex
		for i := range 200 {
			all.Go(func() {
				_, err := g.Do(t.Context(), i)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, batch.ErrBusy):
					shed++
				case err == nil:
					answered++
				}
			})
			synctest.Wait()
		}
		all.Wait()
		// One runs, 64 batches of 2 wait.
		if answered != 129 || shed != 200-129 {
			t.Errorf("%d were answered and %d shed", answered, shed)
		}
	})
}

func BenchmarkGroup(b *testing.B) {
	g := batch.New(256, func(_ context.Context, reqs []int) ([]int, error) { return reqs, nil })
	b.SetParallelism(64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := g.Do(b.Context(), 1); err != nil {
				b.Error(err)
			}
		}
	})
}
