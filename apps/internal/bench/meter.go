package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/supervisor"
)

// meter reads what the processes and Postgres have used so far.
type meter struct {
	db     *pgx.Conn
	groups map[string][]int // process ids, by what they are counted as
}

// reading is what was used until a moment.
type reading struct {
	cpu     map[string]time.Duration
	commits int64
	fsyncs  int64
}

func newMeter(ctx context.Context, s *supervisor.System, p *plain) (*meter, error) {
	db, err := pgx.Connect(ctx, s.Superuser())
	if err != nil {
		return nil, fmt.Errorf("read the statistics: %w", err)
	}
	m := &meter{db: db, groups: map[string][]int{}}
	for i, group := range []string{"gateway", "gateway", "baseline"} { // as startBaseline starts them
		m.groups[group] = append(m.groups[group], p.processes[i].PID())
	}
	for name, pid := range s.Describe().PIDs {
		group := name
		switch name {
		case "order", "inventory", "payment", "shipping":
			group = "services"
		case supervisor.Gateway, supervisor.Ambassador:
			group = "gateway"
		case supervisor.Provisioner:
			group = supervisor.NATS
		}
		m.groups[group] = append(m.groups[group], pid)
	}
	return m, nil
}

// of reads the meters of one side.
func (m *meter) of(s *side) func(context.Context) (reading, error) {
	return func(ctx context.Context) (reading, error) { return m.read(ctx, s) }
}

func (m *meter) close(ctx context.Context) { _ = m.db.Close(ctx) } // it only read

// read reads all meters. A backend tells its commits about once a second, so what it has not told yet is
// missing at the beginning and at the end alike.
func (m *meter) read(ctx context.Context, s *side) (reading, error) {
	r := reading{cpu: map[string]time.Duration{}}
	for group, pids := range m.groups {
		for _, pid := range pids {
			used, err := cpuTime(pid, group == supervisor.Postgres)
			if err != nil {
				return r, err
			}
			r.cpu[group] += used
		}
	}
	if err := m.db.QueryRow(ctx, `SELECT sum(xact_commit)::bigint FROM pg_stat_database WHERE datname = ANY ($1)`, s.databases).Scan(&r.commits); err != nil {
		return r, fmt.Errorf("read the statistics: %w", err)
	}
	fsyncs := `SELECT wal_sync FROM pg_stat_wal`
	var version int
	if err := m.db.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return r, fmt.Errorf("read the statistics: %w", err)
	}
	if version >= 180000 {
		fsyncs = `SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'`
	}
	if err := m.db.QueryRow(ctx, fsyncs).Scan(&r.fsyncs); err != nil {
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
	}
	for group, used := range r.cpu {
		c.CPU[group] = float64(used-before.cpu[group]) / float64(time.Millisecond) / per
	}
	return c
}

// idle watches the system while nothing happens; for no time, there is nothing to say.
func (m *meter) idle(ctx context.Context, pids map[string]int, during time.Duration) ([]Idle, error) {
	if during <= 0 {
		return nil, nil
	}
	before := map[string]time.Duration{}
	for name, pid := range pids {
		used, err := cpuTime(pid, name == supervisor.Postgres)
		if err != nil {
			return nil, err
		}
		before[name] = used
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(during):
	}
	var all []Idle
	for _, name := range slices.Sorted(maps.Keys(pids)) {
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
