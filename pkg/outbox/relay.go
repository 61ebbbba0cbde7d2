package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// window is how many messages may be published and not yet acknowledged.
	window = 256
	// markLag is how long an acknowledgement may stay unmarked while there is nothing else to do.
	markLag = 250 * time.Millisecond
	// rescan is how often the relay looks at the outbox without a signal: for rows of a process that died between its
	// commit and the signal, or of a replica that is gone.
	rescan = time.Second
	// ackTime is how long the broker may take to acknowledge; then the message is published once more.
	ackTime = 5 * time.Second
)

// relay publishes the rows of the outbox, and marks those that the broker has acknowledged.
type relay struct {
	*Config
	js jetstream.JetStream

	// Owned by run.
	pool      *pgxpool.Pool // a connection of the relay's own
	inFlight  []flight      // published, and not marked yet
	known     brokerState   // the broker at the last look
	republish republishing
	measured  time.Time // when the backlog was counted last

	// Any goroutine.
	wake    chan struct{}
	acks    atomic.Int64 // since the last round
	doubted atomic.Bool  // the stream may not be what it was
	backlog atomic.Int64
}

func newRelay(c *Config) (r *relay, err error) {
	r = &relay{Config: c, wake: make(chan struct{}, 1)}
	onAck := func(jetstream.JetStream, *nats.Msg, *jetstream.PubAck) {
		if r.acks.Add(1) >= window/2 {
			r.poke() // there is room for more
		}
	}
	r.js, err = newJetStream(c.NATS, jetstream.WithPublishAsyncTimeout(ackTime),
		jetstream.WithPublishAsyncAckHandler(onAck))
	return r, err
}

// open gives the relay a connection of its own, whose commits do not wait for the disk. All that it writes are marks. A
// mark that a crash takes away costs a duplicate, which the inboxes absorb; never an event.
func (r *relay) open(ctx context.Context) error {
	config := r.Pool.Config()
	config.MaxConns, config.MinConns = 1, 0
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
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

// suspect has the next round look at the broker.
func (r *relay) suspect() { r.doubted.Store(true) }

// run does round after round until ctx ends, then publishes and marks what is left. It never gives up: every error
// keeps the rows, and is followed by another round.
func (r *relay) run(ctx context.Context) {
	for failures := 0; ; {
		pause, wake := rescan, r.wake
		err := r.runOnce(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			failures++
			pause, wake = backoff(failures, 50*time.Millisecond, maxPause), nil
			r.Observe(PublishErrors, "", 1)
			r.measure(ctx)
			r.Log.WarnContext(ctx, "publishing failed, will try again", "failures", failures, "pause", pause, "error", err)
		case r.republish.throttled:
			failures, pause = 0, throttlePause
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

// finish is bounded: what it does not manage is published by the next process.
func (r *relay) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), brokerTime)
	defer cancel()
	for r.runOnce(ctx) == nil && len(r.inFlight) > 0 && wait(ctx, 10*time.Millisecond, nil) {
	}
}

// runOnce is one round: mark what was acknowledged, take the next rows, publish them.
func (r *relay) runOnce(ctx context.Context) error {
	if err := r.checkBroker(ctx); err != nil {
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
	if n := len(r.inFlight) + len(rows); n < window && !r.republish.throttled {
		r.setBacklog(int64(n)) // that is all there is
	} else {
		r.measure(ctx)
	}
	return r.publish(ctx, rows)
}

// flight is a message that is published and not marked yet.
type flight struct {
	id      uuid.UUID
	since   time.Time
	ack     jetstream.PubAckFuture
	seq     int64 // in the stream, once the broker has acknowledged it; zero before
	refused bool  // its row is published once more
}

// collect reads the answers of the broker. That the stream had the message before is as good as any acknowledgement.
// The error is one of the refusals: the next round comes after a pause then.
func (r *relay) collect() (err error) {
	r.acks.Store(0)
	for i := range r.inFlight {
		f := &r.inFlight[i]
		select {
		case ack := <-f.ack.Ok():
			f.seq = int64(ack.Sequence)
			r.Observe(Published, "", 1)
			if ack.Duplicate {
				r.Observe(PublishDuplicates, "", 1)
			}
		case refusal := <-f.ack.Err():
			f.refused = true
			err = fmt.Errorf("not acknowledged: %w", refusal)
			if errors.Is(refusal, jetstream.ErrNoStreamResponse) {
				r.suspect()
			}
		default:
			// The client answers every publication in the end, with a timeout at the latest. If it ever does not, the
			// row must not be kept from the next rounds for ever.
			f.refused = f.seq == 0 && time.Since(f.since) > 2*ackTime
		}
	}
	r.inFlight = slices.DeleteFunc(r.inFlight, func(f flight) bool { return f.refused })
	return err
}

// row is what the relay needs of a row of the outbox.
type row struct {
	ID, Key   uuid.UUID
	Subject   string
	Payload   []byte
	MessageID string
	Republish bool
}

// markAndTake is one round trip and one commit for both. The rows are marked by their ids, and only while the stream is
// the one that acknowledged them. What is taken is whatever is unpublished and not in flight, never "what comes after
// the last one": a transaction that began earlier may commit later. Rows that were never published come first.
func (r *relay) markAndTake(ctx context.Context) ([]row, error) {
	var acked []uuid.UUID
	var seqs []int64
	busy := make([]uuid.UUID, 0, len(r.inFlight)) // an empty array, and not NULL
	for _, f := range r.inFlight {
		busy = append(busy, f.id)
		if f.seq > 0 {
			acked, seqs = append(acked, f.id), append(seqs, f.seq)
		}
	}
	room := window - len(busy) + len(acked)
	batch := &pgx.Batch{}
	if len(acked) > 0 {
		if err := r.failpoint(ctx, RelayAcknowledged, nil); err != nil {
			return nil, err
		}
		batch.Queue(`
			WITH same AS (SELECT FROM broker WHERE stream_created = $3 FOR SHARE)
			UPDATE outbox SET published_at = now(), stream_seq = ack.seq
			FROM unnest($1::uuid[], $2::bigint[]) AS ack (id, seq)
			WHERE outbox.id = ack.id AND EXISTS (SELECT FROM same)`, acked, seqs, r.known.created)
	}
	republish := r.republishRoom(ctx, room) // may ask the broker
	batch.Queue(`
		WITH fresh AS (
			SELECT * FROM outbox WHERE published_at IS NULL AND NOT republish AND id <> ALL($1::uuid[])
			ORDER BY position LIMIT $2),
		repeated AS (
			SELECT * FROM outbox WHERE published_at IS NULL AND republish AND id <> ALL($1::uuid[])
			ORDER BY position DESC LIMIT least($3, $2 - (SELECT count(*) FROM fresh)))
		SELECT id, key, subject, payload, COALESCE(message_id, id::text), republish
		FROM (SELECT * FROM fresh UNION ALL SELECT * FROM repeated) AS due ORDER BY republish, position`,
		busy, room, republish)
	taken, err := r.send(ctx, batch, len(acked))
	if err == nil {
		r.republish.took(taken, room)
	}
	return taken, err
}

func (r *relay) send(ctx context.Context, batch *pgx.Batch, marks int) (taken []row, err error) {
	results := r.pool.SendBatch(ctx, batch)
	defer func() {
		err = errors.Join(err, results.Close()) // commits
		if err == nil && marks > 0 {
			err = r.failpoint(ctx, RelayMarked, nil)
		}
	}()
	if marks > 0 {
		tag, err := results.Exec()
		if err != nil {
			return nil, fmt.Errorf("mark published rows: %w", err)
		}
		if int(tag.RowsAffected()) < marks {
			r.suspect() // another replica has found another stream than ours
		}
	}
	found, err := results.Query()
	if err == nil {
		taken, err = pgx.CollectRows(found, pgx.RowToStructByPos[row])
	}
	if err != nil {
		return nil, fmt.Errorf("take rows from the outbox: %w", err)
	}
	return taken, nil
}

// publish sends without waiting for the broker's answers.
func (r *relay) publish(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	if err := r.failpoint(ctx, RelayTaken, nil); err != nil {
		return err
	}
	for _, row := range rows {
		key := row.Key.String()
		if err := r.failpoint(ctx, RelayBeforePublish, []delivery{{Received: Received{Key: key}}}); err != nil {
			return err
		}
		ack, err := r.js.PublishMsgAsync(r.message(row, row.MessageID))
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		r.inFlight = append(r.inFlight, flight{id: row.ID, since: time.Now(), ack: ack})
		if r.duplicate(RelayBeforePublish, key) {
			_, _ = r.js.PublishMsgAsync(r.message(row, uuid.NewString()))
		}
	}
	return r.failpoint(ctx, RelayPublished, nil)
}

func (r *relay) message(row row, id string) *nats.Msg {
	header := nats.Header{jetstream.MsgIDHeader: []string{id}}
	if r.ContentType != "" {
		header.Set("Content-Type", r.ContentType)
	}
	return &nats.Msg{Subject: row.Subject, Data: row.Payload, Header: header}
}

// measure counts the backlog. That is needed only where one round does not take all of it; it is done rarely, and not
// to the end.
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
	if err == nil { // otherwise the error of the round itself shows that the database is away
		r.setBacklog(n)
	}
}

func (r *relay) setBacklog(n int64) {
	r.backlog.Store(n)
	r.Observe(Backlog, "", float64(n))
}
