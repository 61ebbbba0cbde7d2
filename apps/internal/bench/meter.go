package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/postgres"
	"example.com/ordersaga/pkg/events"
)

// Cost is what one order cost.
type Cost struct {
	CPU     map[string]float64 `json:"cpu_ms"` // by group of processes
	Commits float64            `json:"commits"`
	Fsyncs  float64            `json:"wal_fsyncs"`
	Pages   float64            `json:"pages"` // of the databases, that were looked at
}

// Total is the CPU time of all groups, in milliseconds.
func (c Cost) Total() (ms float64) {
	for _, used := range c.CPU {
		ms += used
	}
	return ms
}

// Idle is what a process needs while nothing happens.
type Idle struct {
	Process string  `json:"process"`
	CPU     float64 `json:"cpu_percent_of_a_core"`
	RSS     int64   `json:"rss_bytes"`
}

// meter reads what the processes and Postgres have used so far. A nil meter reads nothing.
type meter struct {
	db     *pgx.Conn
	sql    string
	groups map[string][]int // process ids, by what they are counted as
}

// reading is what was used until a moment.
type reading struct {
	cpu     map[string]time.Duration
	commits int64
	fsyncs  int64
	pages   int64
}

// newMeter reads the server's statistics over any of its databases.
func newMeter(ctx context.Context, database string, pids map[string]int) (*meter, error) {
	db, err := postgres.Connect(ctx, database, postgres.Reading)
	if err != nil {
		return nil, fmt.Errorf("read the statistics: %w", err)
	}
	m := &meter{db: db, groups: map[string][]int{}}
	for process, pid := range pids {
		m.groups[group(process)] = append(m.groups[group(process)], pid)
	}
	var version int
	if err := db.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		m.close(ctx)
		return nil, fmt.Errorf("read the statistics: %w", err)
	}
	fsyncs := `SELECT wal_sync FROM pg_stat_wal`
	if version >= 180000 {
		fsyncs = `SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'`
	}
	m.sql = `SELECT sum(xact_commit)::bigint, (` + fsyncs + `), sum(blks_hit + blks_read)::bigint
		FROM pg_stat_database WHERE datname = ANY ($1)`
	return m, nil
}

// group is what a process is counted as.
func group(process string) string {
	name := strings.TrimPrefix(process, baselinePrefix)
	switch {
	case slices.Contains(events.Consumers, events.Service(name)):
		return "services"
	case name == supervisor.Gateway, name == supervisor.Ambassador:
		return supervisor.Gateway
	case name == supervisor.Provisioner:
		return supervisor.NATS
	case name != process: // the one program that does all the work
		return "baseline"
	}
	return name
}

func (m *meter) close(ctx context.Context) {
	if m != nil {
		_ = m.db.Close(ctx) // it only read
	}
}

// read reads everything. A backend reports its commits about once a second, so what it has not reported yet is
// missing at the beginning and at the end alike.
func (m *meter) read(ctx context.Context, databases []string) (reading, error) {
	r := reading{cpu: map[string]time.Duration{}}
	if m == nil {
		return r, nil
	}
	for group, pids := range m.groups {
		for _, pid := range pids {
			used, err := cpuTime(pid, group == supervisor.Postgres)
			if err != nil {
				return r, err
			}
			r.cpu[group] += used
		}
	}
	if err := m.db.QueryRow(ctx, m.sql, databases).Scan(&r.commits, &r.fsyncs, &r.pages); err != nil {
		return r, fmt.Errorf("read the statistics: %w", err)
	}
	return r, nil
}

// since is what each order cost between two readings.
func (r reading) since(before reading, orders int) Cost {
	per := float64(max(1, orders))
	c := Cost{
		CPU:     map[string]float64{},
		Commits: float64(r.commits-before.commits) / per,
		Fsyncs:  float64(r.fsyncs-before.fsyncs) / per,
		Pages:   float64(r.pages-before.pages) / per,
	}
	for group, used := range r.cpu {
		c.CPU[group] = float64(used-before.cpu[group]) / float64(time.Millisecond) / per
	}
	return c
}

// watchIdle watches the processes while nothing happens; for no time, there is no result.
func watchIdle(ctx context.Context, pids map[string]int, during time.Duration) (all []Idle, err error) {
	if during <= 0 {
		return nil, nil
	}
	names := slices.Sorted(maps.Keys(pids))
	before := map[string]time.Duration{}
	for _, name := range names {
		if before[name], err = cpuTime(pids[name], name == supervisor.Postgres); err != nil {
			return nil, err
		}
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(during):
	}
	for _, name := range names {
		used, err := cpuTime(pids[name], name == supervisor.Postgres)
		if err != nil {
			return nil, err
		}
		rss, err := memory(pids[name], name == supervisor.Postgres)
		if err != nil {
			return nil, err
		}
		all = append(all, Idle{name, 100 * (used - before[name]).Seconds() / during.Seconds(), rss})
	}
	return all, nil
}
