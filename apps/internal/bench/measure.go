package bench

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/load"
)

const (
	// warmUp fills pools and caches; nothing in it counts.
	warmUp = 2 * time.Second
	// orderLimit is how long an order may take before the run is called broken.
	orderLimit = 30 * time.Second
	// hotInFlight is the load that is also measured with one SKU for all orders.
	hotInFlight = 64
)

// workload is how orders come in: a closed loop with so many in flight, or an open loop at a rate.
type workload struct {
	inFlight  int     // zero: an open loop
	perSecond float64 // of the open loop
	share     float64 // of what the closed loop reached, that perSecond is
	hot       bool    // all orders want the same SKU
}

// String is the load in words; it is the same in every repetition.
func (w workload) String() string {
	switch {
	case w.hot:
		return fmt.Sprintf("%d in flight, one SKU", w.inFlight)
	case w.inFlight > 0:
		return fmt.Sprintf("%d in flight", w.inFlight)
	}
	return fmt.Sprintf("open loop at %.0f %%", w.share*100)
}

// run places orders until ctx ends.
func (w workload) run(ctx context.Context, order func(ctx context.Context, due time.Time) error) error {
	if w.inFlight == 0 {
		return load.Open(ctx, load.Rate{PerSecond: w.perSecond}, order)
	}
	return load.Closed(ctx, w.inFlight, func(ctx context.Context, _ int) error { return order(ctx, time.Now()) })
}

// measure runs one side under one load for d, and reads the meter before and after.
func measure(ctx context.Context, s *side, w workload, d time.Duration, m *meter) (Result, error) {
	accepted, completed := load.NewLatencies(), load.NewLatencies()
	loading, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- w.run(loading, func(ctx context.Context, due time.Time) error {
			sku := s.skus[0]
			if !w.hot {
				sku = s.skus[int(due.UnixMicro())%len(s.skus)]
			}
			return s.order(ctx, sku, due, accepted, completed)
		})
	}()
	if err := during(ctx, warmUp, ended); err != nil {
		return Result{}, err
	}
	before, err := m.read(ctx, s.databases)
	if err != nil {
		return Result{}, err
	}
	accepted.Reset()
	completed.Reset()
	began := time.Now()
	if err := during(ctx, d, ended); err != nil {
		return Result{}, err
	}
	took, done := time.Since(began), completed.Count()
	r := Result{
		Side: s.name, Load: w.String(), InFlight: w.inFlight, Done: done, Took: took,
		PerSecond: float64(done) / took.Seconds(), Accepted: quantiles(accepted), Completed: quantiles(completed),
	}
	after, err := m.read(ctx, s.databases)
	if err != nil {
		return Result{}, err
	}
	r.Cost = after.since(before, done)
	stop()
	return r, <-ended
}

// order places an order and waits for the end of its saga; how long after due both were is recorded.
func (s *side) order(ctx context.Context, sku string, due time.Time, accepted, completed *load.Latencies) error {
	ctx, cancel := context.WithTimeout(ctx, orderLimit)
	defer cancel()
	order, _, err := s.customer.Place(ctx, client.One(sku, 1))
	if err != nil {
		return err
	}
	accepted.Add(time.Since(due))
	if s.ends != nil {
		end, err := s.ends.Await(ctx, order.Id)
		if err != nil {
			return err
		}
		if !end.Confirmed {
			return fmt.Errorf("order %s was cancelled", order.Id)
		}
	}
	completed.Add(time.Since(due))
	return nil
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

func quantiles(l *load.Latencies) Quantiles { return Quantiles{l.At(50), l.At(95), l.At(99)} }

// medians are the middle of all results of a side under a load, number by number, in the order of the first ones.
func medians(all []Result) (medians []Result) {
	for len(all) > 0 {
		first := all[0]
		other := func(r Result) bool { return r.Load != first.Load || r.Side != first.Side }
		same := slices.DeleteFunc(slices.Clone(all), other)
		all = slices.DeleteFunc(all, func(r Result) bool { return !other(r) })
		medians = append(medians, median(same))
	}
	return medians
}

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
		Pages:   middle(results, func(r Result) float64 { return r.Cost.Pages }),
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
