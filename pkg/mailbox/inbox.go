package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/fault"
)

// inbox handles what is delivered, in batches.
type inbox struct {
	service   events.Service
	pool      *pgxpool.Pool
	js        jetstream.JetStream
	handlers  map[heard]Handler
	prepare   func(context.Context, pgx.Tx, []events.Event) error
	committed func() // after every commit
	opened    func() // after every opening of the consumer
	faults    *fault.Set
	log       *slog.Logger
	metrics   *metrics

	consumer atomic.Pointer[jetstream.Consumer] // the one that is open; nil while none is
}

func newInbox(c Config, handlers map[heard]Handler, counts *metrics) (*inbox, error) {
	js, err := newJetStream(c.NATS)
	if err != nil {
		return nil, err
	}
	return &inbox{service: c.Service, pool: c.Pool, js: js, handlers: handlers, prepare: c.Prepare,
		faults: c.Faults, log: c.Log, metrics: counts}, nil
}

// errUnreachable says that the database cannot be worked with at all, so that it is not about an event.
var errUnreachable = errors.New("the database does not answer")

// handle settles every message: committed and acknowledged, put off, or parked. The error is
// [errUnreachable] when the database is away, and there is no use in going on at once.
func (in *inbox) handle(ctx context.Context, msgs []jetstream.Msg) error {
	batch := in.read(ctx, msgs)
	if len(batch) == 0 {
		return nil
	}
	again := in.duplicated(batch)
	if err := in.try(ctx, batch); err != nil || len(again) == 0 {
		return err
	}
	return in.try(ctx, again)
}

// try handles a batch in one transaction. When that fails each event gets one of its own, so that a bad
// one does not take others along.
func (in *inbox) try(ctx context.Context, batch []delivery) error {
	err := in.once(ctx, batch)
	switch {
	case err == nil:
		return nil
	case in.unreachable(ctx):
		in.putOff(ctx, batch, err)
		return errUnreachable
	case len(batch) == 1:
		in.refuse(ctx, batch[0], err)
		return nil
	}
	in.metrics.split.Inc()
	in.log.WarnContext(ctx, "batch failed, trying its events one by one", "events", len(batch), "error", err)
	for i := range batch {
		if err := in.try(ctx, batch[i:i+1]); err != nil {
			in.putOff(ctx, batch[i+1:], err)
			return err
		}
	}
	return nil
}

// once is the heart: remember, do, answer, commit; then acknowledge. What was begun is finished even if
// ctx ends meanwhile.
func (in *inbox) once(ctx context.Context, batch []delivery) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workTime)
	defer cancel()
	if err := in.at(ctx, fault.InboxReceived, batch); err != nil {
		return err
	}
	var fresh []delivery
	err := pgx.BeginFunc(ctx, in.pool, func(tx pgx.Tx) (err error) {
		fresh, err = in.apply(ctx, tx, batch)
		return err
	})
	if err != nil {
		return err
	}
	in.count(batch, fresh)
	in.committed()
	if err := in.at(ctx, fault.InboxAfterCommit, batch); err != nil {
		return err
	}
	in.ack(ctx, batch)
	return in.at(ctx, fault.InboxAcked, batch)
}

// apply does inside the transaction what the batch's new events ask for, and returns which these were.
func (in *inbox) apply(ctx context.Context, tx pgx.Tx, batch []delivery) ([]delivery, error) {
	fresh, err := remember(ctx, tx, batch)
	if err != nil {
		return nil, err
	}
	if err := in.at(ctx, fault.InboxWritten, batch); err != nil {
		return nil, err
	}
	answers, err := in.steps(ctx, tx, fresh)
	if err != nil {
		return nil, err
	}
	if err := PutAll(ctx, tx, answers); err != nil {
		return nil, err
	}
	return fresh, in.at(ctx, fault.InboxBeforeCommit, batch)
}

// remember writes the batch's event ids and returns the deliveries whose id is new. The ids are written in
// their own order, since two replicas that write the same two ids in different orders would deadlock. Where
// a replica is handling the same event right now, this waits for its commit, and then sees the row.
func remember(ctx context.Context, tx pgx.Tx, batch []delivery) ([]delivery, error) {
	sorted := slices.SortedFunc(slices.Values(batch), func(a, b delivery) int { return slices.Compare(a.id[:], b.id[:]) })
	ids, types, orders := make([]uuid.UUID, len(batch)), make([]string, len(batch)), make([]uuid.UUID, len(batch))
	for i, d := range sorted {
		ids[i], types[i], orders[i] = d.id, d.envelope.Type, d.order
	}
	rows, err := tx.Query(ctx, `
		INSERT INTO inbox (event_id, type, order_id)
		SELECT event_id, type, order_id FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS row (event_id, type, order_id)
		ON CONFLICT DO NOTHING
		RETURNING event_id`, ids, types, orders)
	if err != nil {
		return nil, fmt.Errorf("write the inbox: %w", err)
	}
	written, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("write the inbox: %w", err)
	}
	return firstOf(batch, written), nil
}

// firstOf keeps the batch's order, and of an event that was delivered twice in it only the first.
func firstOf(batch []delivery, written []uuid.UUID) []delivery {
	news := make(map[uuid.UUID]bool, len(written))
	for _, id := range written {
		news[id] = true
	}
	fresh := make([]delivery, 0, len(written))
	for _, d := range batch {
		if news[d.id] {
			delete(news, d.id)
			fresh = append(fresh, d)
		}
	}
	return fresh
}

// steps runs the steps in the order in which their events arrived, and collects the answers.
func (in *inbox) steps(ctx context.Context, tx pgx.Tx, fresh []delivery) ([]events.Event, error) {
	if len(fresh) == 0 {
		return nil, nil
	}
	if err := in.prepared(ctx, tx, fresh); err != nil {
		return nil, err
	}
	answers := make([]events.Event, 0, len(fresh))
	for _, d := range fresh {
		answer, err := d.handler.call(WithCause(ctx, d.cause()), tx, d.event)
		if err != nil {
			return nil, fmt.Errorf("%s of order %s: %w", d.handler.heard, d.order, err)
		}
		if err := in.faults.At(ctx, fault.InboxStepped, d.event.Order()); err != nil {
			return nil, err
		}
		if answer != nil {
			answers = append(answers, follow(d.cause(), answer))
		}
	}
	return answers, nil
}

func (in *inbox) prepared(ctx context.Context, tx pgx.Tx, fresh []delivery) error {
	if in.prepare == nil {
		return nil
	}
	batch := make([]events.Event, len(fresh))
	for i, d := range fresh {
		batch[i] = d.event
	}
	if err := in.prepare(ctx, tx, batch); err != nil {
		return fmt.Errorf("prepare a batch of %d: %w", len(batch), err)
	}
	return nil
}

// unreachable asks the database itself, instead of guessing from an error whether it was about the event.
func (in *inbox) unreachable(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), brokerTime)
	defer cancel()
	return in.pool.Ping(ctx) != nil
}

func (in *inbox) count(batch, fresh []delivery) {
	in.metrics.batches.Observe(float64(len(batch)))
	in.metrics.duplicates.Add(float64(len(batch) - len(fresh)))
	for _, d := range fresh {
		in.metrics.handled.WithLabelValues(d.handler.heard.name).Inc()
	}
}

// at makes a fault happen that is armed for one of the batch's orders, or for any.
func (in *inbox) at(ctx context.Context, p fault.Point, batch []delivery) error {
	if !in.faults.Armed() {
		return nil
	}
	orders := make([]string, len(batch))
	for i, d := range batch {
		orders[i] = d.event.Order()
	}
	return in.faults.At(ctx, p, orders...)
}
