package orders

import (
	"slices"
	"time"

	generator "example.com/ordersaga/apps/system/load"
)

// Times are how long something took, in milliseconds.
type Times struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Bars  []Bar   `json:"bars"`
}

// Bar counts the durations above the bound of the bar before and up to its own.
type Bar struct {
	UpTo  int `json:"up_to"` // milliseconds; 0: no bound
	Count int `json:"count"`
}

// bounds are the bars' ends in milliseconds. Each is about half as long again as the one before, so that both a
// millisecond and ten seconds can be seen.
var bounds = [...]int{
	1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10000,
}

// histogram counts durations in memory of a fixed size.
type histogram struct {
	exact *generator.Latencies
	bars  []int
}

func newHistogram() histogram {
	return histogram{generator.NewLatencies(), make([]int, len(bounds)+1)}
}

func (h *histogram) add(d time.Duration) {
	h.exact.Add(d)
	at, _ := slices.BinarySearchFunc(bounds[:], d, func(bound int, d time.Duration) int {
		return int(time.Duration(bound)*time.Millisecond - d)
	})
	h.bars[at]++
}

func (h *histogram) times() Times {
	at := func(percent float64) float64 { return float64(h.exact.At(percent).Microseconds()) / 1000 }
	t := Times{Count: h.exact.Count(), P50: at(50), P95: at(95), P99: at(99), Bars: make([]Bar, len(h.bars))}
	for i, count := range h.bars {
		t.Bars[i].Count = count
		if i < len(bounds) {
			t.Bars[i].UpTo = bounds[i]
		}
	}
	return t
}
