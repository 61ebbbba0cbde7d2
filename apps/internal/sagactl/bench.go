package sagactl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/internal/bench"
	"example.com/ordersaga/apps/internal/bench/baseline"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/slo"
)

func (p *program) bench() *cobra.Command {
	o, earlier, histories := bench.Options{Progress: p.err}, against{}, []int(nil)
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measures the system against the same work without messaging.",
		Long: `Starts a system of its own and measures it against a baseline: the same local transactions in sequence in one
process, behind the same HTTP front, with the same card gateway, on the same Postgres, without messaging. Both take
turns. Orders are spread over 200 SKUs; one more row at 64 in flight has one SKU for all. The table shows the medians of
the repetitions. Below it, the order contract's objectives stand beside what was
measured; an objective that this machine missed does not change the exit code.

With --against, this build is measured against an earlier one. Each run starts a fresh system with the programs of one
build, and the builds alternate (this, earlier, earlier, this, …). The last line is the verdict: "not slower" when the
median of at least 7 ratios of sagas per second is 0.97 or more. Otherwise the exit code is 1.
With --traces, this build is measured against itself: what recording traces costs. With --replicas, too: several
processes of each service against one. All orders are placed at the first one.
With --history 1000,1000000, a fresh system for each number gets so many finished orders before the load. The tables
have what a saga, reading, verify and the start of a process then take.`,
		Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			if len(histories) > 0 {
				return p.runHistory(c.Context(), o, histories)
			}
			if !slices.ContainsFunc(comparing, c.Flags().Changed) {
				return p.runBench(c.Context(), o)
			}
			compared, err := earlier.options(c, o)
			if err != nil {
				return &Failure{usage, err, "sagactl bench --help"}
			}
			return p.runAgainst(c.Context(), compared)
		}),
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", filepath.Join(filepath.Dir(endpoints.DefaultFile), "bench"), "keeps data and logs")
	f.StringVar(&o.Bin, "bin", "", "holds the programs; without: where sagactl stands, or bin/ of the repository")
	f.DurationVar(&o.Duration, "duration", 6*time.Second, "of each run, after a warm-up")
	f.IntVar(&o.Repetitions, "repetitions", 3, "of each run")
	f.IntSliceVar(&o.InFlight, "in-flight", []int{1, 16, 64, 256}, "closed loop: how many orders at a time")
	f.Float64Var(&o.OpenLoop, "open-loop", 0.5, "open loop: share of the slower side's rate at 64 in flight; 0: none")
	f.DurationVar(&o.Idle, "idle", 10*time.Second, "how long to watch the idle system")
	f.IntSliceVar(&histories, "history", nil, "measures with so many finished orders behind; several: one after the other")
	earlier.addFlags(c)
	for _, flag := range append(comparing, "open-loop", "idle") {
		c.MarkFlagsMutuallyExclusive("history", flag)
	}
	c.AddCommand(&cobra.Command{
		Use: "baseline", Short: "Serves the baseline; bench starts it.", Hidden: true, Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error { return baseline.Run(c.Context(), os.Getenv) }),
	})
	c.AddCommand(p.benchRPC())
	return c
}

func (p *program) runBench(ctx context.Context, o bench.Options) error {
	report, err := bench.Run(ctx, o)
	switch { // what was measured is shown even when something was lost
	case len(report.Results) == 0:
	case p.output == "json":
		err = errors.Join(err, p.json(report))
	default:
		p.showBench(report)
	}
	if err != nil {
		return &Failure{failed, err, "tail " + filepath.Join(o.Dir, "logs", "*.log")}
	}
	return nil
}

func (p *program) showBench(report bench.Report) {
	rows := [][]string{{
		"LOAD", "SIDE", "ORDERS/S#", "RATIO#", "ACCEPTED P50#", "P99#", "COMPLETED P50#", "P95#", "P99#",
		"CPU MS: SERVICES#", "GATEWAY#", "POSTGRES#", "NATS#", "COMMITS#", "FSYNCS#", "PAGES#",
	}}
	baselines := map[string]float64{}
	for _, r := range report.Results {
		if r.Side == "baseline" {
			baselines[r.Load] = r.PerSecond
		}
	}
	for _, r := range report.Results {
		services, ratio := r.Cost.CPU["services"], ""
		if r.Side == "baseline" {
			services = r.Cost.CPU["baseline"]
		} else {
			ratio = fmt.Sprintf("%.2f", r.PerSecond/baselines[r.Load])
		}
		rows = append(rows, []string{
			r.Load, r.Side, strconv.Itoa(int(r.PerSecond + 0.5)), ratio,
			milliseconds(r.Accepted.P50), milliseconds(r.Accepted.P99),
			milliseconds(r.Completed.P50), milliseconds(r.Completed.P95), milliseconds(r.Completed.P99),
			decimals(services), decimals(r.Cost.CPU["gateway"]), decimals(r.Cost.CPU["postgres"]), decimals(r.Cost.CPU["nats"]),
			decimals(r.Cost.Commits), decimals(r.Cost.Fsyncs), decimals(r.Cost.Pages),
		})
	}
	table(p.out, p.width(), rows)
	fmt.Fprintln(p.out)
	rows = [][]string{{"IDLE", "CPU % OF A CORE#", "MEMORY MIB#"}}
	total := 0.0
	for _, idle := range report.Idle {
		total += idle.CPU
		rows = append(rows, []string{idle.Process, decimals(idle.CPU), decimals(float64(idle.RSS) / (1 << 20))})
	}
	table(p.out, p.width(), append(rows, []string{"together", decimals(total), ""}))
	p.showObjectives(report.Objectives)
}

// showObjectives shows the contracts' objectives beside what was measured.
func (p *program) showObjectives(outcomes []slo.Outcome) {
	fmt.Fprintln(p.out)
	rows := [][]string{{"OBJECTIVE OF", "WHAT", "WHILE", "OBJECTIVE#", "MEASURED#", "VERDICT"}}
	for _, o := range outcomes {
		rows = append(rows, []string{o.Operation, o.Measure, o.While, o.Bound(), decimals(o.Measured), o.Verdict()})
	}
	table(p.out, p.width(), rows)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", milli(d)) }

func milli(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func decimals(f float64) string { return fmt.Sprintf("%.2f", f) }
