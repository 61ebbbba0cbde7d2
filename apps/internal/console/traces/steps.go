package traces

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// maxSteps bounds the histograms: two of 25 kB for each step. A span of another step counts for none.
	maxSteps = 128
	// window is how long one histogram is filled; the numbers are those of this one and of the one before.
	window = 5 * time.Minute
	// longest is the longest duration that is told apart, in microseconds.
	longest = int64(10 * time.Minute / time.Microsecond)
)

// Step is how long the spans of one name in one service took.
type Step struct {
	Name    string `json:"name"`
	Service string `json:"service"`
	Count   int64  `json:"count"`
	P50     int64  `json:"p50_ns"`
	P99     int64  `json:"p99_ns"`
}

type stepName struct{ name, service string }

// steps are histograms of all spans of the last five to ten minutes, whether their traces are still in the ring or not.
// A quantile is exact to one in a hundred.
type steps struct {
	since         time.Time
	now, previous map[stepName]*hdrhistogram.Histogram
}

func newSteps() steps { return steps{now: map[stepName]*hdrhistogram.Histogram{}} }

func (s *steps) add(name, service string, nanoseconds int64) {
	if now := time.Now(); now.Sub(s.since) > window {
		s.since, s.previous, s.now = now, s.now, map[stepName]*hdrhistogram.Histogram{}
	}
	h := s.now[stepName{name, service}]
	if h == nil {
		if len(s.now) >= maxSteps || len(name) > maxWord || len(service) > maxWord {
			return
		}
		h = hdrhistogram.New(1, longest, 2)
		s.now[stepName{strings.Clone(name), strings.Clone(service)}] = h
	}
	_ = h.RecordValue(min(nanoseconds/1000, longest)) // it is in the range
}

// all are the steps, the one with the largest p99 first.
func (s *steps) all() []Step {
	merged := map[stepName]*hdrhistogram.Histogram{}
	for _, part := range []map[stepName]*hdrhistogram.Histogram{s.now, s.previous} {
		for name, h := range part {
			if merged[name] == nil {
				merged[name] = hdrhistogram.New(1, longest, 2)
			}
			merged[name].Merge(h)
		}
	}
	steps := []Step{}
	for of, h := range merged {
		steps = append(steps, Step{
			Name: of.name, Service: of.service, Count: h.TotalCount(),
			P50: h.ValueAtQuantile(50) * 1000, P99: h.ValueAtQuantile(99) * 1000,
		})
	}
	slices.SortFunc(steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(b.P99, a.P99), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Service, b.Service))
	})
	return steps
}
