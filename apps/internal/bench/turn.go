package bench

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"
)

// The two sides.
const (
	rest  = "REST"
	calls = "gRPC"
)

// turn is one side at one work, and what it has needed so far.
type turn struct {
	work, side string
	operation  string // its name in the HTTP contract
	pid        int    // of the service that answers
	wire       *wire
	ask        func(ctx context.Context) error
	close      func()

	mu     sync.Mutex
	took   time.Duration
	lasted *hdrhistogram.Histogram // µs, of each call
	server time.Duration           // CPU
	client time.Duration
	sent   int64
	read   int64
}

func newTurn(work, operation, side string, pid int, w *wire, ask func(context.Context) error, closing func()) *turn {
	return &turn{
		work: work, operation: operation, side: side, pid: pid, wire: w, ask: ask, close: closing,
		lasted: hdrhistogram.New(1, patience.Microseconds(), 3),
	}
}

// take asks for a while, so many calls at a time, after a few that do not count.
func (t *turn) take(ctx context.Context, o RPCOptions) error {
	if err := t.load(ctx, o.InFlight, o.Duration/10, func(time.Duration) {}); err != nil {
		return err
	}
	server, err := cpuTime(t.pid, false)
	if err != nil {
		return err
	}
	client, sent, read, began := ownCPU(), t.wire.sent.Load(), t.wire.read.Load(), time.Now()
	if err := t.load(ctx, o.InFlight, o.Duration, t.count); err != nil {
		return err
	}
	t.took += time.Since(began)
	t.client += ownCPU() - client
	t.sent += t.wire.sent.Load() - sent
	t.read += t.wire.read.Load() - read
	used, err := cpuTime(t.pid, false)
	t.server += used - server
	return err
}

func (t *turn) load(ctx context.Context, inFlight int, d time.Duration, count func(time.Duration)) error {
	group, ctx := errgroup.WithContext(ctx)
	until := time.Now().Add(d)
	for range inFlight {
		group.Go(func() error {
			for time.Now().Before(until) {
				began := time.Now()
				if err := t.ask(ctx); err != nil {
					return err
				}
				count(time.Since(began))
			}
			return nil
		})
	}
	return group.Wait()
}

func (t *turn) count(lasted time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.lasted.RecordValue(lasted.Microseconds()) // beyond patience nothing comes
}

func (t *turn) result() RPCResult {
	done := max(1, t.lasted.TotalCount())
	per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(done) }
	q := quantiles(t.lasted)
	return RPCResult{
		Work: t.work, Operation: t.operation, Side: t.side, Done: int(done), PerSecond: float64(done) / t.took.Seconds(), P50: q.P50, P99: q.P99,
		Sent: float64(t.sent) / float64(done), Received: float64(t.read) / float64(done), ServerCPU: per(t.server), ClientCPU: per(t.client),
	}
}

// ownCPU is what this process has used: the client's side of the calls.
func ownCPU() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // it cannot fail for ourselves
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// wire counts the bytes of the connections that it opens.
type wire struct {
	sent, read atomic.Int64
}

func (w *wire) dial(ctx context.Context, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &counted{connection, w}, nil
}

type counted struct {
	net.Conn
	wire *wire
}

// Read counts what is read.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wire.read.Add(int64(n))
	return n, err
}

// Write counts what is sent.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wire.sent.Add(int64(n))
	return n, err
}
