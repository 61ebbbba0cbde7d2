package outbox

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/pkg/outbox/recovery"
)

// How long things are kept; see package recovery.
const (
	Retention    = recovery.Retention    // of published rows; the stream has to keep its messages as long
	SyncInterval = recovery.SyncInterval // of the broker: how often it has to write to its disk, at least
)

// Config is what an application gives. The first block is required; a hook that is nil costs nothing.
type Config struct {
	Name   string // of the durable consumer
	Stream string // that holds the consumer, and all that is published
	Pool   *pgxpool.Pool
	NATS   *nats.Conn
	Codec  Codec

	// Handlers are for the events that the consumer delivers. Without any, nothing is consumed.
	Handlers []Handler
	// Prepare runs at the beginning of every batch, before its steps: the place to lock, in key order, the rows that
	// the batch will touch. It gets the new events, in the order in which their steps will run. It must not publish.
	Prepare func(ctx context.Context, tx pgx.Tx, events []any) error
	// Consumers are the durables that get what this application publishes. What is republished after a loss of the
	// broker's data waits for them. Optional: without any, nothing waits.
	Consumers []string
	// ContentType is the header of that name of what is published; empty: none.
	ContentType string

	// OnCommit is called after every commit of a batch, to wake workers. It must not block.
	OnCommit func()
	// OnDeadLetter runs in the transaction that stores a dead letter, to record there what a person has to do.
	OnDeadLetter func(ctx context.Context, tx pgx.Tx, row DeadLetterRow) error
	// OnRetry is called for every event that will be redelivered because something failed, OnSettled with the id of
	// every event that has taken effect or is dead-lettered. Both must not block.
	OnRetry   func(Retry)
	OnSettled func(eventID string)
	// OnHandled is called for every event whose step was committed, right after that. It must not block.
	OnHandled func(Delivery)
	// Observe gets the metrics.
	Observe func(metric Metric, label string, value float64)
	// Tracer records spans of what happens to messages.
	Tracer Tracer
	// Failpoints make things go wrong on purpose, in tests.
	Failpoints Failpoints

	Log     *slog.Logger // nil: silent
	KeyName string       // how logs name an event's key; empty: "key"
}

// Retry is an event that failed and will be redelivered.
type Retry struct {
	EventID, Key, Type string
	Attempts           int       // deliveries up to now
	Since              time.Time // in the stream
	LastAt, NextAt     time.Time // of the attempts
	Reason             string    // of the last failure
}

// Outbox is an application's outbox with its relay, and its inbox.
type Outbox struct {
	config  *Config
	inbox   *inbox
	relay   *relay
	sweeper *recovery.Sweeper
}

// New checks the configuration. Nothing runs before [Outbox.Run].
func New(c Config) (*Outbox, error) {
	if c.Name == "" || c.Stream == "" || c.Pool == nil || c.NATS == nil || c.Codec == nil {
		return nil, errors.New("an outbox needs a name, a stream, a database, a broker and a codec")
	}
	c.KeyName = cmp.Or(c.KeyName, "key")
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	c.fillHooks()
	handlers, err := index(c.Codec, c.Handlers)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	o := &Outbox{config: &c}
	if o.relay, err = newRelay(&c); err != nil {
		return nil, err
	}
	o.sweeper = &recovery.Sweeper{
		Pool: c.Pool, Log: c.Log, BeforeDelete: c.passes(SweepBeforeDelete), Deleted: c.passes(SweepDeleted),
		Observe: func(table string, rows int64) { c.Observe(Swept, table, float64(rows)) },
	}
	o.inbox = &inbox{Config: &c, js: o.relay.js, handlers: handlers, afterCommit: o.Wake, onOpen: o.relay.recovery.Suspect}
	return o, nil
}

// Run consumes, publishes and sweeps until ctx ends. Then it finishes what it has begun: the running batch is
// committed and acknowledged, prefetched messages are nak'ed, and the relay publishes what the last commits
// have stored.
func (o *Outbox) Run(ctx context.Context) error {
	if err := o.relay.open(ctx); err != nil {
		return err
	}
	defer o.relay.close()
	relaying, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { defer stop(); o.inbox.run(ctx) })
	running.Go(func() { o.relay.run(relaying) })
	running.Go(func() { o.sweeper.Run(ctx) })
	running.Wait()
	// Acknowledgements are only written to a buffer, which would be lost if the process ended now.
	if err := o.config.NATS.FlushTimeout(time.Second); err != nil {
		o.config.Log.Warn("acknowledgements may be lost, their events will be redelivered", "error", err)
	}
	return nil
}

// Ready returns nil when the database, the broker and the durable consumer answer, and the reason otherwise.
func (o *Outbox) Ready(ctx context.Context) error {
	if err := o.config.Pool.Ping(ctx); err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	if status := o.config.NATS.Status(); status != nats.CONNECTED {
		return fmt.Errorf("the broker is not connected: %s", status)
	}
	return o.inbox.ready(ctx)
}

// Tx runs fn in a transaction (pgx.BeginFunc) and wakes the relay after the commit.
func (o *Outbox) Tx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, o.config.Pool, func(tx pgx.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return o.config.failpoint(ctx, OutboxBeforeCommit, nil)
	})
	if err != nil {
		return err
	}
	o.relay.poke()
	return o.config.failpoint(ctx, OutboxAfterCommit, nil)
}

// Wake has the relay and the application's workers look for new rows. It is called after every commit of a batch;
// whoever commits a transaction of its own with [Publish] or [Outbox.Redeliver] in it calls it too.
func (o *Outbox) Wake() {
	o.relay.poke()
	o.config.OnCommit()
}

// Backlog is about how many messages wait in the outbox. It grows while the broker cannot be reached or its stream is
// full. An application that takes work in should refuse it above some number.
func (o *Outbox) Backlog() int { return int(o.relay.backlog.Load()) }

// OnOneReplica makes a round of a loop that one replica does for all: the first of those that publish. When it has gone
// another one does it, within two seconds. Now and then two of them do it, or none.
func (o *Outbox) OnOneReplica(round func(context.Context) error) func(context.Context) error {
	return o.relay.owned.OnFirst(round)
}

// Redeliver handles a message as if the broker had delivered it: its event is stored in the inbox, its step runs, the
// answer goes into the outbox. All of it happens inside a savepoint of the caller's transaction, and is undone when
// there is an error. Applied is false when the event had taken effect before. Call [Outbox.Wake] after the commit.
func (o *Outbox) Redeliver(ctx context.Context, tx pgx.Tx, payload []byte) (applied bool, err error) {
	d, err := o.inbox.decode(payload)
	if err != nil {
		return false, err
	}
	batch := []delivery{d}
	ctx, trace := o.config.trace(ctx, batch)
	var fresh []delivery
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) {
		fresh, err = o.inbox.apply(ctx, tx, batch, trace)
		return err
	})
	endTrace(trace, fresh, err)
	return len(fresh) > 0 && err == nil, err
}

// DeadLetter stores a message that [Outbox.Redeliver] cannot handle as a dead letter, in the caller's transaction.
func (o *Outbox) DeadLetter(ctx context.Context, tx pgx.Tx, subject string, payload []byte, reason error) error {
	d, _ := o.inbox.decode(payload) // what could be read
	return o.inbox.storeDeadLetter(ctx, tx, d, subject, payload, reason)
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables, in the format of goose. They belong into the application's own database.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	return sub
}
