package bench

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/load"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
)

// Growth is how a system did with a history behind it.
type Growth struct {
	Orders int                      `json:"orders"` // of the history
	Loads  []Result                 `json:"loads"`  // medians
	Reads  []Read                   `json:"reads"`
	Verify Check                    `json:"verify"`
	Starts map[string]time.Duration `json:"starts_ns"` // until a process was ready
}

// Read is how long a request that reads took, one after the other.
type Read struct {
	What string `json:"what"`
	Quantiles
}

// Check is what sagactl verify --at-rest took.
type Check struct {
	Took time.Duration `json:"took_ns"`
	Peak int64         `json:"peak_bytes"` // of its memory
}

// reads is how many requests of each kind are timed; fewer where they take longer than readTime.
const (
	reads    = 300
	readTime = 20 * time.Second
)

// RunHistory measures a fresh system for each size of its history, under each load. Idle time is not watched.
func RunHistory(ctx context.Context, o Options, sizes []int) (all []Growth, err error) {
	for _, size := range sizes {
		fmt.Fprintf(o.Progress, "a history of %d orders\n", size)
		g, err := o.withHistory(ctx, newHistory(size), filepath.Join(o.Dir, "history-"+strconv.Itoa(size)))
		if err != nil {
			return all, fmt.Errorf("with a history of %d orders: %w", size, err)
		}
		all = append(all, g)
	}
	return all, nil
}

func (o Options) withHistory(ctx context.Context, h history, dir string) (g Growth, err error) {
	g.Orders = h.orders
	s, err := supervisor.Start(ctx, supervisor.Options{Dir: dir, Bin: o.Bin})
	if err != nil {
		return g, err
	}
	defer s.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // what was measured counts
	if err := h.seed(ctx, s); err != nil {
		return g, err
	}
	if g.Starts, err = starts(ctx, s); err != nil {
		return g, err
	}
	if err := addSKUs(ctx, s.Superuser(), "", benchSKUs()); err != nil {
		return g, err
	}
	if err := s.Publish(); err != nil {
		return g, err
	}
	if g.Loads, err = o.loads(ctx, s); err != nil {
		return g, err
	}
	fmt.Fprintln(o.Progress, "     reading")
	if g.Reads, err = h.reads(ctx, s.Describe()); err != nil {
		return g, err
	}
	fmt.Fprintln(o.Progress, "     sagactl verify --at-rest")
	g.Verify, err = verifyAsChild(ctx, dir)
	return g, err
}

// starts ends each process that serves HTTP, one after the other, and times its next start.
func starts(ctx context.Context, s *supervisor.System) (map[string]time.Duration, error) {
	took := map[string]time.Duration{}
	names := []string{supervisor.Gateway, supervisor.Ambassador}
	for _, service := range events.Consumers {
		names = append(names, string(service))
	}
	for _, name := range names {
		if err := s.Down(ctx, name); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := s.Up(ctx, name); err != nil {
			return nil, err
		}
		took[name] = time.Since(began)
	}
	return took, nil
}

// loads measures the system alone: there is no baseline beside it.
func (o Options) loads(ctx context.Context, s *supervisor.System) ([]Result, error) {
	stream, err := eventlog.Open(s.Describe().NATS)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	saga, err := sagaSide(ctx, s.Describe(), stream)
	if err != nil {
		return nil, err
	}
	saga.skus = benchSKUs()
	m, err := newMeter(ctx, s.Superuser(), s.Describe().PIDs)
	if err != nil {
		return nil, err
	}
	defer m.close(context.WithoutCancel(ctx))
	o.OpenLoop, o.Idle = 0, 0
	report, err := o.measure(ctx, []*side{saga}, m, nil)
	return report.Results, err
}

// reads times requests for the first page of the list, for one in the depth of the history, and for single orders.
func (h history) reads(ctx context.Context, s endpoints.Description) (all []Read, err error) {
	customer, err := client.New(s)
	if err != nil {
		return nil, err
	}
	middle := h.id(h.orders/2 + 1)
	deep := base64.RawURLEncoding.EncodeToString(middle[:]) // the order service's own cursors are made so
	list := func(status, cursor string) func(int) error {
		return func(int) error { _, err := customer.List(ctx, status, 50, cursor); return err }
	}
	for _, read := range []struct {
		what string
		do   func(n int) error
	}{
		{"GET /v1/orders?limit=50", list("", "")},
		{"the same, a deep page", list("", deep)},
		{"the same, CANCELLED", list("CANCELLED", deep)},
		{"the same, PENDING", list("PENDING", "")},
		{"GET /v1/orders/{id}", func(n int) error {
			_, err := customer.Get(ctx, h.id(1+n*(h.orders-1)/reads).String())
			return err
		}},
	} {
		latencies := load.NewLatencies()
		for n, first := 0, time.Now(); n < reads && time.Since(first) < readTime; n++ {
			began := time.Now()
			if err := read.do(n); err != nil {
				return nil, err
			}
			latencies.Add(time.Since(began))
		}
		all = append(all, Read{read.what, quantiles(latencies)})
	}
	return all, nil
}

// verifyAsChild runs sagactl verify, whose memory is its own, in a system's folder.
func verifyAsChild(ctx context.Context, dir string) (Check, error) {
	self, err := os.Executable()
	if err != nil {
		return Check{}, fmt.Errorf("find sagactl: %w", err)
	}
	file := filepath.Join(dir, filepath.Base(endpoints.DefaultFile))
	command := exec.CommandContext(ctx, self, "verify", "--at-rest", "--file", file)
	began := time.Now()
	output, err := command.CombinedOutput()
	if err != nil {
		return Check{}, fmt.Errorf("after the load, sagactl verify: %w:\n%s", err, output)
	}
	usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return Check{}, errors.New("what sagactl verify used is not known")
	}
	return Check{time.Since(began), usage.Maxrss << 10}, nil // Linux counts kilobytes; the meter is for Linux, too
}
