package bench

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// measure runs one side under one load for d, and reads what was used before and after.
func measure(ctx context.Context, s *side, l load, d time.Duration, read func(context.Context) (reading, error)) (Result, error) {
	r := newRun(s)
	loading, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		if l.inFlight > 0 {
			ended <- r.closed(loading, l.inFlight)
		} else {
			ended <- r.open(loading, l.share*l.reached())
		}
	}()
	if err := during(ctx, warmUp, ended); err != nil {
		return Result{}, err
	}
	before, err := read(ctx)
	if err != nil {
		return Result{}, err
	}
	r.begin()
	began := time.Now()
	if err := during(ctx, d, ended); err != nil {
		return Result{}, err
	}
	r.end()
	took := time.Since(began)
	after, err := read(ctx)
	if err != nil {
		return Result{}, err
	}
	stop()
	if err := <-ended; err != nil {
		return Result{}, err
	}
	return Result{
		Side: s.name, Load: l.String(), InFlight: l.inFlight, Done: r.done, Took: took,
		PerSecond: float64(r.done) / took.Seconds(),
		Accepted:  quantiles(r.accepted), Completed: quantiles(r.completed),
		Cost: after.since(before, r.done),
	}, nil
}

// during waits, unless the load ends by itself, which it must not.
func during(ctx context.Context, d time.Duration, ended <-chan error) error {
	select {
	case <-time.After(d):
		return nil
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func quantiles(h *hdrhistogram.Histogram) Quantiles {
	at := func(q float64) time.Duration { return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond }
	return Quantiles{at(50), at(95), at(99)}
}

// median is the middle of several results, number by number.
func median(results []Result) Result {
	m := results[0]
	m.PerSecond = middle(results, func(r Result) float64 { return r.PerSecond })
	m.Done = middle(results, func(r Result) int { return r.Done })
	m.Accepted = medianQuantiles(results, func(r Result) Quantiles { return r.Accepted })
	m.Completed = medianQuantiles(results, func(r Result) Quantiles { return r.Completed })
	m.Cost = Cost{
		CPU:     map[string]float64{},
		Commits: middle(results, func(r Result) float64 { return r.Cost.Commits }),
		Fsyncs:  middle(results, func(r Result) float64 { return r.Cost.Fsyncs }),
	}
	for group := range results[0].Cost.CPU {
		m.Cost.CPU[group] = middle(results, func(r Result) float64 { return r.Cost.CPU[group] })
	}
	return m
}

func medianQuantiles(results []Result, of func(Result) Quantiles) Quantiles {
	return Quantiles{
		P50: middle(results, func(r Result) time.Duration { return of(r).P50 }),
		P95: middle(results, func(r Result) time.Duration { return of(r).P95 }),
		P99: middle(results, func(r Result) time.Duration { return of(r).P99 }),
	}
}

func middle[T cmp.Ordered](results []Result, of func(Result) T) T {
	values := make([]T, len(results))
	for i, r := range results {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
