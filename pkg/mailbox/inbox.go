package mailbox

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
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
	faults    *failpoint.Set
	log       *slog.Logger
	metrics   *metrics

	strugglers strugglers
	consumer   atomic.Pointer[jetstream.Consumer] // the one that is open; nil while none is
}

func newInbox(c Config, handlers map[heard]Handler, counts *metrics) (*inbox, error) {
	js, err := newJetStream(c.NATS)
	if err != nil {
		return nil, err
	}
	in := &inbox{service: c.Service, pool: c.Pool, js: js, handlers: handlers, prepare: c.Prepare,
		faults: c.Faults, log: c.Log, metrics: counts}
	gaugeStruggling(c.Metrics, func() int { return len(in.strugglers.list(Struggles)) })
	return in, nil
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
		in.putOff(ctx, batch, err, mostPause)
		return errUnreachable
	case len(batch) == 1:
		in.refuse(ctx, batch[0], err)
		return nil
	}
	in.metrics.split.Inc()
	in.log.WarnContext(ctx, "batch failed, trying its events one by one", "events", len(batch), "error", err)
	for i := range batch {
		if err := in.try(ctx, batch[i:i+1]); err != nil {
			in.putOff(ctx, batch[i+1:], err, mostPause)
			return err
		}
	}
	return nil
}

// once is the heart: remember, do, answer, commit; then acknowledge, never before.
func (in *inbox) once(ctx context.Context, batch []delivery) error {
	if err := in.at(ctx, failpoint.InboxReceived, batch); err != nil {
		return err
	}
	fresh, err := in.commit(ctx, batch)
	if err != nil {
		return err
	}
	in.count(batch, fresh)
	in.strugglers.settled(batch)
	in.committed()
	if err := in.at(ctx, failpoint.InboxAfterCommit, batch); err != nil {
		return err
	}
	in.ack(ctx, batch)
	return in.at(ctx, failpoint.InboxAcked, batch)
}

// commit is the transaction. What was begun is finished even if ctx ends meanwhile.
func (in *inbox) commit(ctx context.Context, batch []delivery) (fresh []delivery, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workTime)
	defer cancel()
	err = pgx.BeginFunc(ctx, in.pool, func(tx pgx.Tx) error {
		fresh, err = in.apply(ctx, tx, batch)
		return err
	})
	return fresh, err
}

// apply does inside the transaction what the batch's new events ask for, and returns which these were.
func (in *inbox) apply(ctx context.Context, tx pgx.Tx, batch []delivery) ([]delivery, error) {
	fresh, err := remember(ctx, tx, batch)
	if err != nil {
		return nil, err
	}
	if err := in.at(ctx, failpoint.InboxWritten, batch); err != nil {
		return nil, err
	}
	answers, err := in.steps(ctx, tx, fresh)
	if err != nil {
		return nil, err
	}
	if err := answers.store(ctx, tx); err != nil {
		return nil, err
	}
	return fresh, in.at(ctx, failpoint.InboxBeforeCommit, batch)
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
func (in *inbox) at(ctx context.Context, p failpoint.Point, batch []delivery) error {
	if !in.faults.Armed() {
		return nil
	}
	orders := make([]string, len(batch))
	for i, d := range batch {
		orders[i] = d.event.Order()
	}
	return in.faults.At(ctx, p, orders...)
}
