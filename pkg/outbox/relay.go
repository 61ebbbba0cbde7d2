package outbox

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/outbox/ownership"
	"example.com/ordersaga/pkg/outbox/recovery"
)

const (
	// window is how many messages may be published and not yet acknowledged.
	window = 256
	// markLag is how long an acknowledgement may stay unmarked while there is nothing else to do.
	markLag = 250 * time.Millisecond
	// ackTime is how long the broker may take to acknowledge; then the message is published once more.
	ackTime = 5 * time.Second
)

// relay publishes the rows of the outbox that its process owns, and marks those that the broker has acknowledged.
type relay struct {
	*Config
	js jetstream.JetStream

	// Owned by run.
	pool     *pgxpool.Pool // a connection of the relay's own
	inFlight []flight      // published, and not marked yet
	recovery *recovery.Recovery
	owned    ownership.Ownership
	measured time.Time // when the backlog was counted last

	// Any goroutine.
	wake    chan struct{}
	acks    atomic.Int64 // since the last round
	backlog atomic.Int64
}

func newRelay(c *Config) (*relay, error) {
	r := &relay{Config: c, wake: make(chan struct{}, 1)}
	onAck := func(jetstream.JetStream, *nats.Msg, *jetstream.PubAck) {
		if r.acks.Add(1) >= window/2 {
			r.poke() // there is room for more
		}
	}
	js, err := jetstream.New(c.NATS, jetstream.WithDefaultTimeout(brokerTime),
		jetstream.WithPublishAsyncTimeout(ackTime), jetstream.WithPublishAsyncAckHandler(onAck))
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	r.js = js
	r.recovery = recovery.New(recovery.Config{
		Stream: c.Stream, Consumers: c.Consumers, NATS: c.NATS, JetStream: js, Log: c.Log,
		Observe:      func(why string, rows int64) { c.Observe(Republished, why, float64(rows)) },
		BeforeCommit: c.passes(RelayBeforeRepublish), Committed: c.passes(RelayRepublish),
	})
	return r, nil
}

// open gives the relay a connection of its own. Its commits do not wait for the disk: all that it writes are marks, and
// one that a crash takes away costs a duplicate, which the inboxes absorb. Its plans only read rows by their keys, in
// order: a plan that was made while a table was small, and kept, would read all of it when it is large. Without jit,
// because before Postgres 18 what is switched off costs 10¹⁰ where there is no other way, and is compiled for that.
func (r *relay) open(ctx context.Context) error {
	config := r.Pool.Config()
	config.MaxConns, config.MinConns = 1, 0
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	for _, setting := range []string{"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit"} {
		config.ConnConfig.RuntimeParams[setting] = "off"
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
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

// poke wakes the relay, now or when it waits the next time. Many calls are one.
func (r *relay) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run does round after round until ctx ends, then publishes and marks what is left. It never gives up: every error
// keeps the rows, and is followed by another round.
func (r *relay) run(ctx context.Context) {
	for failures := 0; ; {
		pause, wake := ownership.Rescan, r.wake
		err := r.runOnce(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			failures++
			pause, wake = backoff(failures, 50*time.Millisecond, maxPause), nil
			r.Observe(PublishErrors, "", 1)
			r.measure(ctx)
			r.Log.WarnContext(ctx, "publishing failed, will try again", "failures", failures, "pause", pause, "error", err)
		case r.recovery.Throttled():
			failures, pause = 0, recovery.Pause
		case len(r.inFlight) > 0:
			failures, pause = 0, markLag
		default:
			failures = 0
		}
		if !wait(ctx, pause, wake) {
			break
		}
	}
	r.finish(ctx)
}

// finish is bounded: what it does not manage is published by another process.
func (r *relay) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), brokerTime)
	defer cancel()
	for r.runOnce(ctx) == nil && len(r.inFlight) > 0 && wait(ctx, 10*time.Millisecond, nil) {
	}
	if err := ownership.Release(ctx, r.pool); err != nil {
		r.Log.WarnContext(ctx, "another process will publish what is left a moment later", "error", err)
	}
}

// runOnce is one round: mark what was acknowledged, take the next rows, publish them.
func (r *relay) runOnce(ctx context.Context) error {
	replaced, err := r.recovery.Check(ctx, r.pool)
	if replaced {
		r.inFlight = nil // acknowledgements of another broker are worth nothing
	}
	if err != nil {
		return err
	}
	if err := r.collect(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workTime)
	defer cancel()
	rows, err := r.markAndTake(ctx)
	if err != nil {
		return err
	}
	r.inFlight = slices.DeleteFunc(r.inFlight, func(f flight) bool { return f.seq > 0 })
	if n := len(r.inFlight) + len(rows); n < window && !r.recovery.Throttled() {
		r.setBacklog(int64(n)) // that is all there is
	} else {
		r.measure(ctx)
	}
	return r.publish(ctx, rows)
}

// markAndTake is one round trip and one commit for both. It takes what this process owns and is not in flight, new rows
// first; never "what comes after the last one", since a transaction that began earlier may commit later.
func (r *relay) markAndTake(ctx context.Context) (taken []row, err error) {
	var acked recovery.Acked
	busy := make([]int64, 0, len(r.inFlight)) // an empty array, and not NULL
	for _, f := range r.inFlight {
		busy = append(busy, f.Position)
		if f.seq > 0 {
			acked.Republish, acked.Positions = append(acked.Republish, f.Republish), append(acked.Positions, f.Position)
			acked.Seqs, acked.IDs = append(acked.Seqs, f.seq), append(acked.IDs, f.ID)
		}
	}
	marks, batch := len(acked.Seqs), &pgx.Batch{}
	room := window - len(busy) + marks
	if marks > 0 {
		if err := r.failpoint(ctx, RelayAcknowledged, nil); err != nil {
			return nil, err
		}
		r.recovery.Mark(batch, acked)
	}
	republish := r.recovery.Room(ctx, room) // may ask the broker
	r.owned.Renew(batch, room)
	batch.Queue(`
		WITH fresh AS (
			SELECT * FROM outbox_due WHERE owner = $4 AND NOT republish AND position <> ALL($1::bigint[])
			ORDER BY position LIMIT $2),
		repeated AS (
			SELECT * FROM outbox_due WHERE owner = $4 AND republish AND position <> ALL($1::bigint[])
			ORDER BY position DESC LIMIT least($3, $2 - (SELECT count(*) FROM fresh)))
		SELECT republish, due.position, key, subject, payload, COALESCE(message_id, id::text),
		       id::text, type, COALESCE(traceparent, ''), created_at
		FROM (SELECT * FROM fresh UNION ALL SELECT * FROM repeated) AS due JOIN outbox_message USING (id)
		ORDER BY republish, due.position`,
		busy, room, republish, ownership.Process).Query(func(found pgx.Rows) (err error) {
		taken, err = pgx.CollectRows(found, pgx.RowToStructByPos[row])
		return err
	})
	if err := r.pool.SendBatch(ctx, batch).Close(); err != nil { // commits
		return nil, fmt.Errorf("mark published rows and take the next ones: %w", err)
	}
	r.recovery.Took(slices.ContainsFunc(taken, func(row row) bool { return row.Republish }), len(taken) == room)
	if marks > 0 {
		err = r.failpoint(ctx, RelayMarked, nil)
	}
	return taken, err
}

// measure counts the backlog, rarely and not to the end: for rounds that do not take all of it.
func (r *relay) measure(ctx context.Context) {
	if time.Since(r.measured) < time.Second {
		return
	}
	r.measured = time.Now()
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	var n int64
	err := r.pool.QueryRow(ctx, `
		SELECT count(*) FROM (SELECT FROM outbox_due LIMIT 100000) AS due`).Scan(&n)
	if err == nil { // otherwise the error of the round itself shows that the database is away
		r.setBacklog(n)
	}
}

func (r *relay) setBacklog(n int64) {
	r.backlog.Store(n)
	r.Observe(Backlog, "", float64(n))
}
