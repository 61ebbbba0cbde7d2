//go:build chaos

package chaos

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rare are the paths that a run is for, and the counters that tell of them. One that was never taken proves
// nothing about what is on it. Tombstones are counted in the tables, see [storm.tombstonesHit].
var rare = map[string]string{
	"a duplicate was absorbed":                                  "inbox_duplicates_total",
	"a message was delivered again":                             "inbox_redeliveries_total",
	"an event was published again after the broker had lost it": "outbox_republished_total",
	"a lease was taken over":                                    "payment_leases_taken_over_total",
	"an unknown outcome was resolved by look-up":                `payment_unknown_resolved_total{by="look_up"}`,
	"an unknown outcome was resolved by its key":                `payment_unknown_resolved_total{by="same_key"}`,
	"a delivery was retried later, after a failure":             "inbox_retries_total",
}

// meter adds up counters over processes and their deaths: a counter that has become smaller began anew.
type meter struct {
	mu     sync.Mutex
	last   map[string]float64
	totals map[string]float64 // by metric, with its labels and without
}

// watch reads every process's counters twice a second until ctx ends.
func (m *meter) watch(ctx context.Context, urls map[string]string) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		for process, url := range urls {
			m.read(ctx, process, url+"/metrics")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (m *meter) read(ctx context.Context, process, url string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return // it is dead, or asleep
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); ok && err == nil && name[0] != '#' {
			m.add(process, name, number)
		}
	}
}

func (m *meter) add(process, name string, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	metric, _, _ := strings.Cut(name, "{")
	before := m.last[process+" "+name]
	if value < before {
		before = 0
	}
	m.totals[metric] += value - before
	if metric != name {
		m.totals[name] += value - before
	}
	m.last[process+" "+name] = value
}
