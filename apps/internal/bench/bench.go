// Package bench measures the system: against the same work without messaging ([Run]), against an earlier build
// ([Against]), and gRPC against REST ([RunRPC]). The two sides of a comparison always alternate in the same run, so
// that a slow minute of the machine hits both.
package bench

import (
	"context"
	"fmt"
	"io"
	"maps"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/load"
	"example.com/ordersaga/apps/system/slo"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/pkg/events"
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
	Progress    io.Writer     // gets one line before each run
}

// Result is one side of one run, or the median of several.
type Result struct {
	Side      string        `json:"side"` // saga or baseline
	Load      string        `json:"load"` // "16 in flight", "open loop at 50 %"
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

// Report is everything that was measured.
type Report struct {
	Results    []Result      `json:"results"` // medians
	Idle       []Idle        `json:"idle"`
	Objectives []slo.Outcome `json:"objectives"` // of the order contract
}

// Run starts a system and a baseline and measures both in turn. The baseline does an order's work without messaging:
// on the same Postgres, behind the same HTTP front. Where something was lost, the error says so beside the report.
func Run(ctx context.Context, o Options) (Report, error) {
	s, err := supervisor.Start(ctx, supervisor.Options{Dir: o.Dir, Bin: o.Bin})
	if err != nil {
		return Report{}, err
	}
	defer s.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // what was measured counts
	baseline, err := startBaseline(ctx, s)
	defer baseline.stop()
	if err != nil {
		return Report{}, err
	}
	stream, err := eventlog.Open(s.Describe().NATS)
	if err != nil {
		return Report{}, err
	}
	defer stream.Close()
	saga, err := sagaSide(ctx, s.Describe(), stream)
	if err != nil {
		return Report{}, err
	}
	plain, err := newSide("baseline", baseline.url, baseline.databases)
	if err != nil {
		return Report{}, err
	}
	skus := benchSKUs()
	for _, prefix := range []string{"", baselinePrefix} {
		if err := addSKUs(ctx, s.Superuser(), prefix, skus); err != nil {
			return Report{}, err
		}
	}
	saga.skus, plain.skus = skus, skus
	pids := s.Describe().PIDs
	maps.Copy(pids, baseline.pids())
	m, err := newMeter(ctx, s.Superuser(), pids)
	if err != nil {
		return Report{}, err
	}
	defer m.close(context.WithoutCancel(ctx))
	report, err := o.measure(ctx, []*side{saga, plain}, m, s.Describe().PIDs)
	if err != nil {
		return report, err
	}
	fmt.Fprintln(o.Progress, "checking that nothing was lost")
	return report, checkNothingLost(ctx, s.Describe())
}

// side is one of the two that are compared.
type side struct {
	name      string
	customer  *client.Client
	databases []string
	ends      *load.Ends // nil: an answer is the end
	skus      []string   // the orders are spread over them
}

func newSide(name, url string, databases []string) (*side, error) {
	customer, err := client.New(endpoints.Description{URLs: map[string]string{string(events.Order): url}})
	skus := []string{load.SKU(0), load.SKU(1), load.SKU(2)} // those that every build has
	return &side{name: name, customer: customer, databases: databases, skus: skus}, err
}

// sagaSide is a running system, the ends of whose sagas are learnt from the stream.
func sagaSide(ctx context.Context, s endpoints.Description, stream *eventlog.Stream) (*side, error) {
	var databases []string
	for _, service := range events.Consumers {
		databases = append(databases, string(service))
	}
	saga, err := newSide("saga", s.URLs[string(events.Order)], databases)
	if err != nil {
		return nil, err
	}
	saga.ends, err = load.Watch(ctx, stream)
	return saga, err
}

// measure measures, in each repetition, both sides under each load.
func (o Options) measure(ctx context.Context, sides []*side, m *meter, idle map[string]int) (report Report, err error) {
	if report.Idle, err = watchIdle(ctx, idle, o.Idle); err != nil {
		return report, err
	}
	var all []Result
	both := func(repetition int, w workload) error {
		for _, side := range sides {
			fmt.Fprintf(o.Progress, "%d/%d  %-9s %s\n", repetition+1, o.Repetitions, side.name, w)
			result, err := measure(ctx, side, w, o.Duration, m)
			if err != nil {
				return fmt.Errorf("measure %s at %s: %w", side.name, w, err)
			}
			all = append(all, result)
		}
		return nil
	}
	rate := 0.0 // the open loop's: set by the first repetition and kept
	for n := range o.Repetitions {
		for _, inFlight := range o.InFlight {
			if err := both(n, workload{inFlight: inFlight}); err != nil {
				return report, err
			}
			if inFlight != hotInFlight {
				continue
			}
			if err := both(n, workload{inFlight: inFlight, hot: true}); err != nil {
				return report, err
			}
		}
		if rate == 0 {
			rate = o.OpenLoop * slowest(all, workload{inFlight: 64})
		}
		if rate > 0 {
			if err := both(n, workload{perSecond: rate, share: o.OpenLoop}); err != nil {
				return report, err
			}
		}
	}
	report.Results = medians(all)
	objectives, err := slo.Orders()
	report.Objectives = outcomes(objectives, report.Results)
	return report, err
}

// slowest is the rate of the slower side under a load; zero where none was measured.
func slowest(results []Result, w workload) (rate float64) {
	for _, r := range results {
		if r.Load == w.String() && (rate == 0 || r.PerSecond < rate) {
			rate = r.PerSecond
		}
	}
	return rate
}

// checkNothingLost makes sure that what was fast was also right.
func checkNothingLost(ctx context.Context, s endpoints.Description) error {
	checked, err := verify.Check(ctx, s, verify.Options{AtRest: true, Within: time.Minute})
	if err != nil {
		return err
	}
	for _, result := range checked.Results {
		if !result.Holds {
			return fmt.Errorf("after the load %s is violated: %s: %v",
				result.ID, result.Sentence, result.Offenders[:min(3, len(result.Offenders))])
		}
	}
	return nil
}
