package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
)

const (
	// window is how many events may be published and not yet acknowledged.
	window = 256
	// markLag is how long an acknowledgement may go unnoted while nothing else is to be done.
	markLag = 250 * time.Millisecond
	// rescan is how often the outbox is looked at without being told: rows of a process that died between
	// its commit and its wake-up, or of a replica that is gone.
	rescan = time.Second
	// ackTime is how long the broker may take to acknowledge; then the event is published again.
	ackTime = 5 * time.Second
	// mostPause bounds how long a broker that is back is not noticed by anything else.
	mostPause = time.Second
)

// relay publishes what the outbox holds, and marks what the broker has acknowledged.
type relay struct {
	service events.Service
	pool    *pgxpool.Pool
	config  *pgxpool.Config
	nc      *nats.Conn
	js      jetstream.JetStream
	faults  *failpoint.Set
	log     *slog.Logger
	metrics *metrics

	wake     chan struct{}
	flights  *flights
	broker   broker // as it was met last
	again    again
	doubted  atomic.Bool // the stream may not be what it was
	backlog  atomic.Int64
	measured time.Time
}

func newRelay(c Config, counts *metrics) (*relay, error) {
	r := &relay{service: c.Service, config: c.Pool.Config(), nc: c.NATS, faults: c.Faults, log: c.Log, metrics: counts,
		wake: make(chan struct{}, 1), flights: newFlights()}
	var err error
	r.js, err = newJetStream(c.NATS,
		jetstream.WithPublishAsyncTimeout(ackTime),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, msg *nats.Msg, a *jetstream.PubAck) { r.landed(msg, a) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, msg *nats.Msg, err error) { r.lost(msg, err) }))
	return r, err
}

// open gives the relay a connection of its own, whose commits do not wait for the disk. All that it writes
// are marks, and a mark that a crash takes away costs a duplicate, which the inboxes absorb; never an event.
func (r *relay) open(ctx context.Context) error {
	r.config.MaxConns, r.config.MinConns = 1, 0
	r.config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	pool, err := pgxpool.NewWithConfig(ctx, r.config)
	if err != nil {
		return fmt.Errorf("open the relay's connection: %w", err)
	}
	r.pool = pool
	return nil
}

func (r *relay) close() {
	r.pool.Close()
	r.js.CleanupPublisher()
}

// poke wakes the relay; called after every commit that may have put something.
func (r *relay) poke() { signal(r.wake) }

// run goes round until ctx ends, then publishes and marks what is left. It never gives up: every error
// keeps the rows and is followed by another try.
func (r *relay) run(ctx context.Context) {
	for failures := 0; ; {
		pause, wake := rescan, r.wake
		err := r.runOnce(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			failures++
			pause, wake = backoff(failures, 50*time.Millisecond, mostPause), nil
			r.metrics.publishErrors.Inc()
			r.measure(ctx)
			r.log.WarnContext(ctx, "publishing failed, will try again", "failures", failures, "pause", pause, "error", err)
		case r.again.withheld:
			failures, pause = 0, withheldPause
		case !r.flights.none():
			failures, pause = 0, markLag
		default:
			failures = 0
		}
		if !rest(ctx, pause, wake) {
			break
		}
	}
	r.finish(ctx)
}

// finish is bounded: what it does not manage is published by the next process.
func (r *relay) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), brokerTime)
	defer cancel()
	for {
		if err := r.runOnce(ctx); err != nil || r.flights.none() {
			return
		}
		if !rest(ctx, 10*time.Millisecond, nil) {
			return
		}
	}
}

// runOnce is one round: mark what was acknowledged, take what comes next, publish it.
func (r *relay) runOnce(ctx context.Context) error {
	if err := r.meet(ctx); err != nil {
		return err
	}
	acked, busy, err := r.flights.collect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workTime)
	defer cancel()
	flying := len(busy) - len(acked)
	rows, err := r.markAndTake(ctx, acked, busy, window-flying)
	if err != nil {
		r.flights.keep(acked)
		return err
	}
	if flying+len(rows) < window && !r.again.withheld {
		r.setBacklog(int64(flying + len(rows))) // that is all there is
	} else {
		r.measure(ctx)
	}
	return r.publish(ctx, rows)
}

// landed notes an acknowledgement. That the message was in the stream already is as good as any.
func (r *relay) landed(msg *nats.Msg, a *jetstream.PubAck) {
	waiting, ours := r.flights.landed(msg, a.Sequence)
	if !ours {
		return
	}
	r.metrics.published.Inc()
	if a.Duplicate {
		r.metrics.publishDuplicates.Inc()
	}
	if waiting >= window/2 {
		r.poke() // there is room for more
	}
}

// lost notes that a message was not acknowledged; its row is published again.
func (r *relay) lost(msg *nats.Msg, err error) {
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		r.suspect()
	}
	r.flights.lost(msg, err)
}

// measure counts the backlog, which has to be done only where one round does not take all of it, and then
// rarely and not to the end.
func (r *relay) measure(ctx context.Context) {
	if time.Since(r.measured) < rescan {
		return
	}
	r.measured = time.Now()
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	var n int64
	err := r.pool.QueryRow(ctx, `
		SELECT count(*) FROM (SELECT FROM outbox WHERE published_at IS NULL LIMIT 100000) AS unpublished`).Scan(&n)
	if err == nil { // otherwise the round's own error says that the database is away
		r.setBacklog(n)
	}
}

func (r *relay) setBacklog(n int64) {
	r.backlog.Store(n)
	r.metrics.unpublished.Set(float64(n))
}
