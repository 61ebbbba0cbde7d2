package bench

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// AgainstOptions say how this build is compared with an earlier one.
type AgainstOptions struct {
	This     Build
	Earlier  Build
	Dir      string        // keeps data and logs
	Duration time.Duration // of each run, after a warm-up
	Pairs    int           // runs of each build, alternating
	InFlight []int         // closed loop: so many orders at a time
	Traces   float64       // the share of orders that this build traces; the earlier one traces none
	Replicas int           // processes of each service of this build
	Before   int           // the same of the earlier one
	Progress io.Writer     // gets one line before each run
}

// Comparison is what both builds did under one load.
type Comparison struct {
	Load  string `json:"load"`
	Pairs []Pair `json:"pairs"`
}

// Pair is one run of each build, one directly after the other.
type Pair struct {
	This    Result `json:"this"`
	Earlier Result `json:"earlier"`
}

// Speed is this build's sagas a second, divided by the earlier build's.
func (p Pair) Speed() float64 { return p.This.PerSecond / p.Earlier.PerSecond }

// Latency is this build's median time until a saga has ended, divided by the earlier build's.
func (p Pair) Latency() float64 {
	return float64(p.This.Completed.P50) / float64(p.Earlier.Completed.P50)
}

// CPU is this build's CPU time a saga, divided by the earlier build's. A machine that is busy disturbs it less than
// the speed.
func (p Pair) CPU() float64 { return p.This.Cost.Total() / p.Earlier.Cost.Total() }

// Spread is the median of several numbers, with the smallest and the largest.
type Spread struct{ Median, Min, Max float64 }

// String is the spread with two decimals: "1.01 (0.98–1.05)".
func (s Spread) String() string { return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Min, s.Max) }

// Over is the spread of one number over all pairs.
func (c Comparison) Over(of func(Pair) float64) Spread {
	values := make([]float64, len(c.Pairs))
	for i, pair := range c.Pairs {
		values[i] = of(pair)
	}
	slices.Sort(values)
	half := len(values) / 2
	return Spread{Median: (values[half] + values[len(values)-1-half]) / 2, Min: values[0], Max: values[len(values)-1]}
}

const (
	// enoughPairs is how many pairs a verdict needs: with seven, three disturbed ones cannot move the median
	// beyond what undisturbed ones have measured.
	enoughPairs = 7
	// notSlower is the smallest median ratio that counts as equal: the project's bound for every change.
	notSlower = 0.97
)

// Verdict is one sentence, and whether this build is not slower than the earlier one under every load.
func Verdict(comparisons []Comparison) (sentence string, holds bool) {
	var measured []string
	holds, enough := true, true
	for _, c := range comparisons {
		speed := c.Over(Pair.Speed)
		enough = enough && len(c.Pairs) >= enoughPairs
		holds = holds && speed.Median >= notSlower
		measured = append(measured, fmt.Sprintf("%v at %s", speed, c.Load))
	}
	word := "slower"
	switch {
	case !enough:
		word = fmt.Sprintf("not decided, fewer than %d pairs", enoughPairs)
	case holds:
		word = "not slower"
	}
	sentence = fmt.Sprintf("%s: median ratio %s; at least %.2f is wanted", word, strings.Join(measured, ", "), notSlower)
	return sentence, holds && enough
}

// Against runs both builds alternately under the same load. Each run has a fresh system of its own, so that no
// build works beside the other one or on more data than it.
func Against(ctx context.Context, o AgainstOptions) ([]Comparison, error) {
	comparisons := make([]Comparison, len(o.InFlight))
	for i, n := range o.InFlight {
		comparisons[i] = Comparison{Load: workload{inFlight: n}.String(), Pairs: make([]Pair, o.Pairs)}
	}
	for n := range o.Pairs {
		for _, earlier := range inTurn(n) {
			build, name, traces, replicas := o.This, "this", o.Traces, o.Replicas
			if earlier {
				build, name, traces, replicas = o.Earlier, "earlier", 0, o.Before
			}
			fmt.Fprintf(o.Progress, "%d/%d  %-7s %s\n", n+1, o.Pairs, name, build)
			results, err := o.measure(ctx, build, filepath.Join(o.Dir, name), traces, replicas)
			if err != nil {
				return nil, fmt.Errorf("measure the %s build: %w", name, err)
			}
			for i, result := range results {
				if earlier {
					comparisons[i].Pairs[n].Earlier = result
				} else {
					comparisons[i].Pairs[n].This = result
				}
			}
		}
	}
	return comparisons, nil
}

// inTurn is in which order a pair runs its builds (true: the earlier one). It changes with every pair, so that a
// machine that gets slower, or faster, favours neither.
func inTurn(pair int) [2]bool {
	return [2]bool{pair%2 == 1, pair%2 == 0}
}
