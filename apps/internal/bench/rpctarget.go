package bench

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/ordersaga/apps/system/load"
)

// The two sides.
const (
	rest = "REST"
	rpc  = "gRPC"
)

// target is one operation over one protocol, and what its calls have cost so far.
type target struct {
	work, side string
	operation  string // its name in the HTTP contract
	pid        int    // of the service that answers
	traffic    *traffic
	call       func(ctx context.Context) error
	close      func()

	latencies      *load.Latencies
	took           time.Duration
	server, client time.Duration // CPU
	sent, received int64
}

// measure makes calls for a while, so many at a time, after a few that do not count.
func (t *target) measure(ctx context.Context, o RPCOptions) error {
	if err := t.run(ctx, o.InFlight, o.Duration/10, func(time.Duration) {}); err != nil {
		return err
	}
	server, err := cpuTime(t.pid, false)
	if err != nil {
		return err
	}
	client, sent, received, began := ownCPU(), t.traffic.sent.Load(), t.traffic.received.Load(), time.Now()
	if err := t.run(ctx, o.InFlight, o.Duration, t.latencies.Add); err != nil {
		return err
	}
	t.took += time.Since(began)
	t.client += ownCPU() - client
	t.sent += t.traffic.sent.Load() - sent
	t.received += t.traffic.received.Load() - received
	used, err := cpuTime(t.pid, false)
	t.server += used - server
	return err
}

// run makes calls for d. The last ones are finished, so that what they cost belongs to calls that count.
func (t *target) run(ctx context.Context, inFlight int, d time.Duration, count func(time.Duration)) error {
	calling, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return load.Closed(calling, inFlight, func(context.Context, int) error {
		began := time.Now()
		if err := t.call(ctx); err != nil {
			return err
		}
		count(time.Since(began))
		return nil
	})
}

func (t *target) result() RPCResult {
	done := max(1, t.latencies.Count())
	per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(done) }
	return RPCResult{
		Work: t.work, Operation: t.operation, Side: t.side, Done: done, PerSecond: float64(done) / t.took.Seconds(),
		P50: t.latencies.At(50), P99: t.latencies.At(99), ServerCPU: per(t.server), ClientCPU: per(t.client),
		Sent: float64(t.sent) / float64(done), Received: float64(t.received) / float64(done),
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

// traffic counts the bytes of the connections that it opens.
type traffic struct {
	sent, received atomic.Int64
}

func (t *traffic) dial(ctx context.Context, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &counted{connection, t}, nil
}

type counted struct {
	net.Conn
	traffic *traffic
}

// Read counts what is read.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.received.Add(int64(n))
	return n, err
}

// Write counts what is sent.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.traffic.sent.Add(int64(n))
	return n, err
}
