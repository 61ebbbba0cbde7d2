package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is the longest duration that is recorded as it is. What takes longer counts as this: every caller gives
// up before.
const longest = 2 * time.Minute

// Latencies collects durations, from several goroutines, in memory that does not grow with them.
type Latencies struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram // µs
}

// NewLatencies is an empty collection. Three digits of each duration are kept.
func NewLatencies() *Latencies {
	return &Latencies{histogram: hdrhistogram.New(1, longest.Microseconds(), 3)}
}

// Add records a duration. One below a microsecond, or negative because two processes' clocks disagree, is recorded
// as a microsecond.
func (l *Latencies) Add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.histogram.RecordValue(min(max(d, time.Microsecond), longest).Microseconds()) // it fails only out of bounds
}

// Count is how many durations were recorded.
func (l *Latencies) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.histogram.TotalCount())
}

// At is the duration that percent of all do not exceed; zero without any.
func (l *Latencies) At(percent float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Duration(l.histogram.ValueAtQuantile(percent)) * time.Microsecond
}

// Reset forgets all durations: those of a warm-up.
func (l *Latencies) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.histogram.Reset()
}
