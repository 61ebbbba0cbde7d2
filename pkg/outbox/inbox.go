package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
)

// inbox handles what is delivered. Read this file from top to bottom: receive takes messages, handle makes a batch of
// deliveries of them, process handles the batch or splits it, commit is its transaction, ack comes after that.
type inbox struct {
	*Config
	js          jetstream.JetStream
	handlers    map[string]*Handler
	afterCommit func() // wakes the relay, and the application's workers
	onOpen      func() // has the relay look whether the stream is a new one

	consumer atomic.Pointer[jetstream.Consumer] // any goroutine: the open one; nil while there is none
}

// delivery is a message that could be read, and whose handler is known.
type delivery struct {
	Delivery
	msg     jetstream.Msg
	handler *Handler
	id, key uuid.UUID
	trace   string // that what follows continues; empty: the delivery's own
}

func (d delivery) cause() Cause {
	return Cause{EventID: d.ID, TraceParent: cmp.Or(d.trace, d.TraceParent)}
}

// errUnreachable means that the database cannot be worked with at all, so that no event is to blame.
var errUnreachable = errors.New("the database does not answer")

// receive handles batch after batch: one message begins it, and those that have arrived by then are the rest. Under
// load these are the messages that came while the last batch was being committed, and a moment after: see gather.
func (in *inbox) receive(ctx context.Context, arrived <-chan jetstream.Msg, lost <-chan error) error {
	last := 0
	for failures := 0; ctx.Err() == nil; { // a message that is not begun by then goes to another replica
		select {
		case <-ctx.Done():
		case err := <-lost:
			return err
		case first := <-arrived:
			batch := gather(ctx, first, arrived, last)
			last = len(batch)
			if err := in.handle(ctx, batch); err == nil {
				failures = 0
				continue
			}
			failures++
			wait(ctx, backoff(failures, firstRetryDelay, time.Second), nil) // the database is away
		}
	}
	return nil
}

// gather makes a batch of the first message and those that have arrived. Until they are as many as the last time it
// waits for more, but not longer than linger.
func gather(ctx context.Context, first jetstream.Msg, arrived <-chan jetstream.Msg, last int) []jetstream.Msg {
	batch := []jetstream.Msg{first}
	ctx, cancel := context.WithTimeout(ctx, linger)
	defer cancel()
	for len(batch) < last && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case msg := <-arrived:
			batch = append(batch, msg)
		}
	}
	for range min(len(arrived), maxBatch-len(batch)) {
		batch = append(batch, <-arrived)
	}
	return batch
}

// handle settles every message: it is committed and acknowledged, or retried later, or dead-lettered. The error is
// [errUnreachable] when the database is away.
func (in *inbox) handle(ctx context.Context, msgs []jetstream.Msg) error {
	batch := make([]delivery, 0, len(msgs))
	var duplicates []delivery // deliveries that a failpoint wants to be handled twice
	for _, msg := range msgs {
		d, err := in.decode(msg.Data())
		d.msg, d.Attempt, d.Since = msg, 1, time.Now()
		if meta, err := msg.Metadata(); err == nil {
			d.Attempt, d.Since = int(meta.NumDelivered), meta.Timestamp
		}
		if err != nil {
			in.deadLetter(ctx, d, err)
			continue
		}
		if d.Attempt > 1 {
			in.Observe(Redeliveries, "", 1)
		}
		if in.duplicate(InboxReceived, d.Key) {
			duplicates = append(duplicates, d)
		}
		batch = append(batch, d)
	}
	if err := in.process(ctx, batch); err != nil {
		return err
	}
	return in.process(ctx, duplicates)
}

// decode reads a message, and finds its handler.
func (in *inbox) decode(payload []byte) (d delivery, err error) {
	defer recoverAsError(&err)
	if d.Received, err = in.Codec.Decode(payload); err != nil {
		return d, err
	}
	if d.handler = in.handlers[d.Type]; d.handler == nil {
		return d, fmt.Errorf("%s does not handle %s", in.Name, d.Type)
	}
	if d.id, err = uuid.Parse(d.ID); err != nil {
		return d, fmt.Errorf("the event's id %q is not a UUID", d.ID)
	}
	if d.key, err = uuid.Parse(d.Key); err != nil {
		return d, fmt.Errorf("the event's key %q is not a UUID", d.Key)
	}
	if d.handler.convert != nil {
		d.Event = d.handler.convert(d.Event)
	}
	return d, nil
}

// process handles a batch in one transaction. When that fails each event gets a transaction of its own, so that a bad
// event does not hold up the others.
func (in *inbox) process(ctx context.Context, batch []delivery) error {
	if len(batch) == 0 {
		return nil
	}
	err := in.attempt(ctx, batch)
	switch {
	case err == nil:
		return nil
	case in.unreachable(ctx):
		in.retry(ctx, batch, err, maxPause)
		return errUnreachable
	case len(batch) == 1 && isDeadLetter(err):
		in.deadLetter(ctx, batch[0], err)
		return nil
	case len(batch) == 1:
		in.retry(ctx, batch, err, maxRetryDelay)
		return nil
	}
	in.Observe(BatchesSplit, "", 1)
	in.Log.WarnContext(ctx, "batch failed, handling its events one by one", "events", len(batch), "error", err)
	for i := range batch {
		if err := in.process(ctx, batch[i:i+1]); err != nil {
			in.retry(ctx, batch[i+1:], err, maxPause)
			return err
		}
	}
	return nil
}

// attempt commits a batch, and acknowledges it afterwards, never before.
func (in *inbox) attempt(ctx context.Context, batch []delivery) error {
	if err := in.failpoint(ctx, InboxReceived, batch); err != nil {
		return err
	}
	tracing, trace := in.trace(ctx, batch)
	fresh, err := in.commit(tracing, batch, trace)
	endTrace(trace, fresh, err)
	if err != nil {
		return err
	}
	in.Observe(BatchEvents, "", float64(len(batch)))
	in.Observe(Duplicates, "", float64(len(batch)-len(fresh)))
	for _, d := range fresh {
		in.Observe(EventsHandled, d.Type, 1)
		in.OnHandled(d.Delivery)
	}
	for _, d := range batch {
		in.OnSettled(d.ID)
	}
	in.afterCommit()
	if err := in.failpoint(ctx, InboxAfterCommit, batch); err != nil {
		return err
	}
	in.ack(ctx, batch)
	return in.failpoint(ctx, InboxAcked, batch)
}

// commit is the transaction. What was begun is finished even if ctx ends meanwhile.
func (in *inbox) commit(ctx context.Context, batch []delivery, trace Trace) (fresh []delivery, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workTime)
	defer cancel()
	err = pgx.BeginFunc(ctx, in.Pool, func(tx pgx.Tx) error {
		fresh, err = in.apply(ctx, tx, batch, trace)
		return err
	})
	return fresh, err
}

// apply does inside the transaction what the batch's new events ask for, and returns these: their ids are stored,
// their steps run, and the answers are stored.
func (in *inbox) apply(ctx context.Context, tx pgx.Tx, batch []delivery, trace Trace) ([]delivery, error) {
	fresh, err := remember(ctx, tx, batch)
	if err != nil {
		return nil, err
	}
	if err := in.failpoint(ctx, InboxWritten, batch); err != nil {
		return nil, err
	}
	answers, err := in.runSteps(ctx, tx, fresh)
	if err != nil {
		return nil, err
	}
	if err := Publish(ctx, tx, answers...); err != nil {
		return nil, err
	}
	if trace != nil {
		trace.Stored(answers)
	}
	return fresh, in.failpoint(ctx, InboxBeforeCommit, batch)
}

// remember stores the batch's event ids and returns the deliveries whose id is new. The ids are written in their own
// order, since two replicas that write the same two ids in different orders would deadlock. Where a replica is
// handling the same event now, this waits for its commit, and then finds the row.
func remember(ctx context.Context, tx pgx.Tx, batch []delivery) ([]delivery, error) {
	sorted := slices.SortedFunc(slices.Values(batch), func(a, b delivery) int { return slices.Compare(a.id[:], b.id[:]) })
	ids, types, keys := make([]uuid.UUID, len(batch)), make([]string, len(batch)), make([]uuid.UUID, len(batch))
	for i, d := range sorted {
		ids[i], types[i], keys[i] = d.id, d.WireType, d.key
	}
	rows, _ := tx.Query(ctx, `
		INSERT INTO inbox (event_id, type, key)
		SELECT event_id, type, key FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS row (event_id, type, key)
		ON CONFLICT DO NOTHING
		RETURNING event_id`, ids, types, keys)
	list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("write the inbox: %w", err)
	}
	written := make(map[uuid.UUID]bool, len(list))
	for _, id := range list {
		written[id] = true
	}
	fresh := make([]delivery, 0, len(written))
	for _, d := range batch {
		if written[d.id] {
			delete(written, d.id) // of an event that was delivered twice in the batch only the first is new
			fresh = append(fresh, d)
		}
	}
	return fresh, nil
}
