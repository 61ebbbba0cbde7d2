package sagactl

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/internal/bench"
)

// against are the flags of bench that compare this build with an earlier one.
type against struct {
	earlier string // folder with its programs
	pairs   int
	traces  float64 // the share that this build records
	many    int     // processes of each service
}

// comparing are the flags of which each one asks for it.
var comparing = []string{"against", "pairs", "traces", "replicas"}

// addFlags adds the flags. Those of the other comparison cannot be meant together with them.
func (a *against) addFlags(c *cobra.Command) {
	c.Flags().StringVar(&a.earlier, "against", "", "compares with an earlier build instead: the folder with its programs")
	c.Flags().IntVar(&a.pairs, "pairs", 7, "with --against: runs of each build, alternating; a verdict needs 7")
	c.Flags().Float64Var(&a.traces, "traces", 0,
		"compares with recording no traces: the share of orders to record; with --against, this build records so many")
	c.Flags().IntVar(&a.many, "replicas", 1,
		"compares with one process of each service: so many of each; with --against, both builds have so many")
	for _, flag := range []string{"repetitions", "open-loop", "idle"} {
		for _, compares := range comparing {
			c.MarkFlagsMutuallyExclusive(compares, flag)
		}
	}
}

// options are those of the comparison. The load is that of 64 orders in flight where none was asked for.
func (a *against) options(c *cobra.Command, o bench.Options) (bench.AgainstOptions, error) {
	all := bench.AgainstOptions{
		Dir: o.Dir, Duration: o.Duration, Pairs: a.pairs, InFlight: []int{64}, Traces: a.traces,
		Replicas: a.many, Before: a.many, Progress: o.Progress,
	}
	if c.Flags().Changed("in-flight") {
		all.InFlight = o.InFlight
	}
	if all.Pairs < 1 {
		return all, fmt.Errorf("--pairs must be at least 1, not %d", all.Pairs)
	}
	for _, n := range all.InFlight {
		if n < 1 {
			return all, fmt.Errorf("--in-flight must be at least 1, not %d", n)
		}
	}
	if !(all.Traces >= 0 && all.Traces <= 1) {
		return all, fmt.Errorf("--traces must be from 0 to 1, not %v", all.Traces)
	}
	if all.Replicas < 1 {
		return all, fmt.Errorf("--replicas must be at least 1, not %d", all.Replicas)
	}
	self, err := os.Executable()
	if err != nil {
		return all, fmt.Errorf("find the programs: %w", err)
	}
	own := cmp.Or(o.Bin, filepath.Dir(self))
	if (c.Flags().Changed("traces") || c.Flags().Changed("replicas")) && !c.Flags().Changed("against") {
		a.earlier, all.Before = own, 1
	}
	if all.Earlier, err = bench.FindBuild(a.earlier); err != nil {
		return all, fmt.Errorf("--against: %w", err)
	}
	if all.This, err = bench.FindBuild(own); err != nil {
		return all, fmt.Errorf("--bin: %w", err)
	}
	return all, nil
}

func (p *program) runAgainst(ctx context.Context, o bench.AgainstOptions) error {
	comparisons, err := bench.Against(ctx, o)
	if err != nil {
		return &Failure{failed, err, "tail " + filepath.Join(o.Dir, "*", "*.log")}
	}
	sentence, holds := bench.Verdict(comparisons)
	if p.output == "json" {
		err = p.json(map[string]any{"comparisons": comparisons, "verdict": sentence, "holds": holds})
	} else {
		p.showAgainst(comparisons)
		fmt.Fprintln(p.out, "\n"+sentence)
	}
	if err == nil && !holds {
		return &Failure{Code: failed}
	}
	return err
}

// showAgainst prints the pairs of each load, and below them the medians with their spreads.
func (p *program) showAgainst(comparisons []bench.Comparison) {
	rows := [][]string{{
		"LOAD", "PAIR", "SAGAS/S: THIS#", "EARLIER#", "RATIO#", "COMPLETED P50: THIS#", "EARLIER#", "RATIO#",
		"CPU MS: THIS#", "EARLIER#", "RATIO#", "COMMITS: THIS#", "EARLIER#",
	}}
	for _, c := range comparisons {
		for n, pair := range c.Pairs {
			this, earlier := pair.This, pair.Earlier
			rows = append(rows, []string{
				c.Load, strconv.Itoa(n + 1),
				fmt.Sprintf("%.0f", this.PerSecond), fmt.Sprintf("%.0f", earlier.PerSecond), decimals(pair.Speed()),
				milliseconds(this.Completed.P50), milliseconds(earlier.Completed.P50), decimals(pair.Latency()),
				known(this.Cost.Total()), known(earlier.Cost.Total()), known(pair.CPU()),
				known(this.Cost.Commits), known(earlier.Cost.Commits),
			})
		}
		rows = append(rows, []string{
			c.Load, "median", "", "", c.Over(bench.Pair.Speed).String(), "", "", c.Over(bench.Pair.Latency).String(),
			"", "", c.Over(bench.Pair.CPU).String(), "", "",
		})
	}
	table(p.out, p.width(), rows)
}

// known is a number, or nothing where a build does not let us read it.
func known(f float64) string {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return ""
	}
	return decimals(f)
}
