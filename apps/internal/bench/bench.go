// Package bench measures the system against the same work without messaging: sagas per second, how long
// until an order is accepted and until its saga has ended, and what a saga costs in CPU time, commits and
// fsyncs. Both sides run on the same Postgres, behind the same HTTP front, taking turns in the same run, so
// that a slow minute of the machine hits both.
package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/slo"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
)

// Options say what to measure.
type Options struct {
	Bin         string
	Dir         string        // keeps data and logs
	Duration    time.Duration // of each run, after a warm-up
	Repetitions int           // the table shows medians
	InFlight    []int         // closed loop: so many orders at a time
	OpenLoop    float64       // the open loop's rate, as a share of what the closed loop reached at 64
	Idle        time.Duration // how long to watch the idle system
	Progress    io.Writer     // is told what is being measured
}

// Result is one side of one run, or the median of several.
type Result struct {
	Side      string        `json:"side"` // saga or baseline
	Load      string        `json:"load"` // "16 in flight", "600/s offered"
	Done      int           `json:"done"`
	PerSecond float64       `json:"per_second"`
	Accepted  Quantiles     `json:"accepted"`
	Completed Quantiles     `json:"completed"`
	Cost      Cost          `json:"cost"`
	InFlight  int           `json:"in_flight,omitempty"`
	Took      time.Duration `json:"took_ns"`
}

// Quantiles of a latency.
type Quantiles struct {
	P50 time.Duration `json:"p50_ns"`
	P95 time.Duration `json:"p95_ns"`
	P99 time.Duration `json:"p99_ns"`
}

// Cost is what one order cost.
type Cost struct {
	CPU     map[string]float64 `json:"cpu_ms"` // by group of processes
	Commits float64            `json:"commits"`
	Fsyncs  float64            `json:"wal_fsyncs"`
}

// Report is everything that was measured.
type Report struct {
	Results  []Result   `json:"results"` // medians
	Idle     []Idle     `json:"idle"`
	Promises []slo.Kept `json:"promises"` // of the order contract
}

// Idle is what a process needs while nothing happens.
type Idle struct {
	Process string  `json:"process"`
	CPU     float64 `json:"cpu_percent_of_a_core"`
	RSS     int64   `json:"rss_bytes"`
}

// Run measures everything and prints progress.
func Run(ctx context.Context, o Options) (Report, error) {
	s, err := supervisor.Start(ctx, supervisor.Options{Dir: o.Dir, Bin: o.Bin})
	if err != nil {
		return Report{}, err
	}
	defer s.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // what was measured counts
	b, err := newBench(ctx, o, s)
	if err != nil {
		return Report{}, err
	}
	defer b.close(context.WithoutCancel(ctx))
	report, err := b.run(ctx)
	if err != nil {
		return report, err
	}
	return report, b.checkNothingLost(ctx)
}

// checkNothingLost makes sure that what was fast was also right.
func (b *bench) checkNothingLost(ctx context.Context) error {
	fmt.Fprintln(b.Progress, "checking that nothing was lost")
	checked, err := verify.Check(ctx, b.system.Describe(), verify.Options{AtRest: true, Within: time.Minute})
	if err != nil {
		return err
	}
	for _, result := range checked.Results {
		if !result.Holds {
			return fmt.Errorf("after the load %s is violated: %s: %v", result.ID, result.Sentence, result.Offenders[:min(3, len(result.Offenders))])
		}
	}
	return nil
}

type bench struct {
	Options
	system   *supervisor.System
	stream   *eventlog.Stream
	plain    *plain
	meter    *meter
	saga     *side
	baseline *side
}

func newBench(ctx context.Context, o Options, s *supervisor.System) (*bench, error) {
	b := &bench{Options: o, system: s}
	var err error
	if b.stream, err = eventlog.Open(s.Describe().NATS); err != nil {
		return nil, err
	}
	if b.plain, err = startBaseline(ctx, s); err != nil {
		b.close(context.WithoutCancel(ctx))
		return nil, err
	}
	if b.meter, err = newMeter(ctx, s, b.plain); err != nil {
		b.close(context.WithoutCancel(ctx))
		return nil, err
	}
	b.saga = &side{name: "saga", url: s.Describe().URLs["order"], databases: []string{"order", "inventory", "payment", "shipping"}}
	b.baseline = &side{name: "baseline", url: b.plain.url, databases: b.plain.databases}
	b.saga.await, err = newEndings(ctx, b.stream)
	return b, err
}

func (b *bench) close(ctx context.Context) {
	b.stream.Close()
	if b.plain != nil {
		b.plain.stop()
	}
	if b.meter != nil {
		b.meter.close(ctx)
	}
}

// run takes turns: each repetition measures both sides at each load.
func (b *bench) run(ctx context.Context) (Report, error) {
	idle, err := b.meter.idle(ctx, b.system.Describe().PIDs, b.Idle)
	if err != nil {
		return Report{}, err
	}
	all := map[string][]Result{}
	var order []string
	for n := range b.Repetitions {
		for _, load := range b.loads(all) {
			for _, side := range []*side{b.saga, b.baseline} {
				fmt.Fprintf(b.Progress, "%d/%d  %-9s %s\n", n+1, b.Repetitions, side.name, load)
				result, err := measure(ctx, side, load, b.Duration, b.meter.of(side))
				if err != nil {
					return Report{}, fmt.Errorf("measure %s at %s: %w", side.name, load, err)
				}
				key := load.String() + side.name
				if all[key] == nil {
					order = append(order, key)
				}
				all[key] = append(all[key], result)
			}
		}
	}
	report := Report{Idle: idle}
	for _, key := range order {
		report.Results = append(report.Results, median(all[key]))
	}
	given, err := slo.OfOrders()
	report.Promises = promises(given, report.Results)
	return report, err
}

// loads are those of one repetition. The open loop's rate is set by the first closed loop at 64 and kept.
func (b *bench) loads(soFar map[string][]Result) []load {
	var loads []load
	for _, n := range b.InFlight {
		loads = append(loads, load{inFlight: n})
	}
	if b.OpenLoop > 0 && slices.Contains(b.InFlight, 64) {
		loads = append(loads, load{share: b.OpenLoop, reached: func() float64 {
			slowest := 0.0
			for _, side := range []string{"saga", "baseline"} {
				if r := soFar[load{inFlight: 64}.String()+side]; len(r) > 0 && (slowest == 0 || r[0].PerSecond < slowest) {
					slowest = r[0].PerSecond
				}
			}
			return slowest
		}})
	}
	return loads
}
