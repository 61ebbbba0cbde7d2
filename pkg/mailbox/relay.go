package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/fault"
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
	pool    *pgxpool.Pool
	config  *pgxpool.Config
	nc      *nats.Conn
	js      jetstream.JetStream
	faults  *fault.Set
	log     *slog.Logger
	metrics *metrics

	wake    chan struct{}
	flights *flights
	broker  broker      // as it was met last
	doubted atomic.Bool // the stream may not be what it was
	backlog atomic.Int64
	counted time.Time
}

func newRelay(c Config, counts *metrics) (*relay, error) {
	r := &relay{config: c.Pool.Config(), nc: c.NATS, faults: c.Faults, log: c.Log, metrics: counts,
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
		if err := r.runOnce(ctx); err != nil && ctx.Err() == nil {
			failures++
			pause, wake = backoff(failures, 50*time.Millisecond, mostPause), nil
			r.metrics.publishErrors.Inc()
			r.log.WarnContext(ctx, "publishing failed, will try again", "failures", failures, "pause", pause, "error", err)
		} else {
			failures = 0
			if !r.flights.none() {
				pause = markLag
			}
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
	room := window - (len(busy) - len(acked))
	rows, err := r.markAndTake(ctx, acked, busy, room)
	if err != nil {
		r.flights.keep(acked)
		return err
	}
	r.measure(ctx, len(busy)-len(acked)+len(rows), len(rows) == room)
	return r.publish(ctx, rows)
}

// row is what the relay needs of an outbox row.
type row struct {
	ID, OrderID uuid.UUID
	Subject     string
	Payload     []byte
	MessageID   string
}

// markAndTake is one round trip and one commit for both. The rows are marked by their very ids, and only
// while the stream is the one that acknowledged them; what is taken is whatever is unpublished and not under
// way, never "what comes after the last": a transaction that began earlier may commit later.
func (r *relay) markAndTake(ctx context.Context, acked []ack, busy []uuid.UUID, room int) ([]row, error) {
	batch := &pgx.Batch{}
	if len(acked) > 0 {
		if err := r.faults.At(ctx, fault.RelayAcknowledged); err != nil {
			return nil, err
		}
		ids, seqs := make([]uuid.UUID, len(acked)), make([]int64, len(acked))
		for i, a := range acked {
			ids[i], seqs[i] = a.id, int64(a.seq)
		}
		batch.Queue(`
			WITH same AS (SELECT FROM broker WHERE stream_created = $3 FOR SHARE)
			UPDATE outbox SET published_at = now(), stream_seq = ack.seq
			FROM unnest($1::uuid[], $2::bigint[]) AS ack (id, seq)
			WHERE outbox.id = ack.id AND EXISTS (SELECT FROM same)`, ids, seqs, r.broker.created)
	}
	batch.Queue(`
		SELECT id, order_id, subject, payload, COALESCE(message_id, id::text)
		FROM outbox WHERE published_at IS NULL AND id <> ALL($1::uuid[])
		ORDER BY position LIMIT $2`, busy, room)
	return r.send(ctx, batch, len(acked))
}

func (r *relay) send(ctx context.Context, batch *pgx.Batch, marks int) (taken []row, err error) {
	results := r.pool.SendBatch(ctx, batch)
	defer func() { err = errors.Join(err, results.Close()) }()
	if marks > 0 {
		tag, err := results.Exec()
		if err != nil {
			return nil, fmt.Errorf("mark what was published: %w", err)
		}
		if int(tag.RowsAffected()) < marks {
			r.suspect() // somebody else has met another stream than ours
		}
	}
	found, err := results.Query()
	if err != nil {
		return nil, fmt.Errorf("take from the outbox: %w", err)
	}
	taken, err = pgx.CollectRows(found, pgx.RowToStructByPos[row])
	if err != nil {
		return nil, fmt.Errorf("take from the outbox: %w", err)
	}
	return taken, nil
}

// publish sends without waiting; the answers come to landed and lost.
func (r *relay) publish(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	for _, row := range rows {
		if err := r.faults.At(ctx, fault.RelayBeforePublish, row.OrderID.String()); err != nil {
			return err
		}
		msg := row.message(row.MessageID)
		r.flights.start(msg, row.ID)
		if _, err := r.js.PublishMsgAsync(msg); err != nil {
			r.flights.cancel(msg)
			return fmt.Errorf("publish: %w", err)
		}
		if r.faults.Duplicate(fault.RelayBeforePublish, row.OrderID.String()) {
			_, _ = r.js.PublishMsgAsync(row.message(uuid.NewString()))
		}
	}
	return r.faults.At(ctx, fault.RelayPublished)
}

func (o row) message(id string) *nats.Msg {
	return &nats.Msg{Subject: o.Subject, Data: o.Payload, Header: nats.Header{
		jetstream.MsgIDHeader: []string{id},
		"Content-Type":        []string{events.ContentType},
	}}
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

// measure keeps the size of the backlog known. Only while there is more than one round takes it has to
// be counted, and then rarely.
func (r *relay) measure(ctx context.Context, known int, more bool) {
	if !more {
		r.backlog.Store(int64(known))
		return
	}
	if time.Since(r.counted) < rescan {
		return
	}
	r.counted = time.Now()
	var n int64
	if err := r.pool.QueryRow(ctx, `SELECT count(*) FROM outbox WHERE published_at IS NULL`).Scan(&n); err == nil {
		r.backlog.Store(n)
	}
}
