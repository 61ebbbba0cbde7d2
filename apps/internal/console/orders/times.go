package orders

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Times are how long something took, in milliseconds.
type Times struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Bars  []Bar   `json:"bars"`
}

// Bar is how many took so long: longer than the bar before says, and at most this.
type Bar struct {
	UpTo  int `json:"up_to"` // 0: for ever
	Count int `json:"count"`
}

// steps are the bars' ends in milliseconds: each about half as long again as the one before, so that both a
// millisecond and ten seconds have their place.
var steps = []int{1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10000}

// times collects durations in memory that does not grow with them.
type times struct {
	exact *hdrhistogram.Histogram // µs
	bars  []int
}

func newTimes() *times {
	return &times{hdrhistogram.New(1, time.Minute.Microseconds()*2, 3), make([]int, len(steps)+1)}
}

func (t *times) add(d time.Duration) {
	d = max(d, time.Microsecond) // the clocks of two processes may disagree by more than nothing took
	_ = t.exact.RecordValue(min(d, 2*time.Minute).Microseconds())
	at, exactly := slices.BinarySearch(steps, int(d.Milliseconds()))
	if exactly && d > time.Duration(steps[at])*time.Millisecond {
		at++
	}
	t.bars[at]++
}

func (t *times) picture() Times {
	at := func(q float64) float64 { return float64(t.exact.ValueAtQuantile(q)) / 1000 }
	picture := Times{Count: int(t.exact.TotalCount()), P50: at(50), P95: at(95), P99: at(99), Bars: make([]Bar, len(t.bars))}
	for i, count := range t.bars {
		picture.Bars[i].Count = count
		if i < len(steps) {
			picture.Bars[i].UpTo = steps[i]
		}
	}
	return picture
}
