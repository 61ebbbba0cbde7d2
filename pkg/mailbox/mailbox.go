package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
)

// Config is what a mailbox needs. Service, Pool, NATS and Handlers are required.
type Config struct {
	Service  events.Service
	Pool     *pgxpool.Pool
	NATS     *nats.Conn
	Handlers []Handler
	// Prepare runs at the beginning of every batch, before its steps: the place to lock, in key order,
	// the rows that the batch will touch. It gets the events that are new, in the order in which their
	// steps will run. Optional.
	Prepare func(ctx context.Context, tx pgx.Tx, batch []events.Event) error
	// Committed is called after every commit of a batch, to wake workers. Optional; it must not block.
	Committed func()
	Faults    *failpoint.Set        // optional
	Log       *slog.Logger          // optional: silent without
	Metrics   prometheus.Registerer // optional
}

// Mailbox is a service's inbox, outbox and relay.
type Mailbox struct {
	Config
	inbox   *inbox
	relay   *relay
	sweeper *sweeper
}

// New makes a mailbox; nothing runs before [Mailbox.Run]. The handlers must be exactly those of the
// events that the service hears.
func New(c Config) (*Mailbox, error) {
	if c.Pool == nil || c.NATS == nil {
		return nil, errors.New("a mailbox needs a database and a broker")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	handlers, err := index(c.Service, c.Handlers)
	if err != nil {
		return nil, fmt.Errorf("make a mailbox: %w", err)
	}
	counts := newMetrics(c.Metrics)
	m := &Mailbox{Config: c, sweeper: &sweeper{pool: c.Pool, faults: c.Faults, log: c.Log, metrics: counts}}
	if m.relay, err = newRelay(c, counts); err != nil {
		return nil, fmt.Errorf("make a mailbox: %w", err)
	}
	if m.inbox, err = newInbox(c, handlers, counts); err != nil {
		return nil, fmt.Errorf("make a mailbox: %w", err)
	}
	m.inbox.committed = func() {
		m.relay.poke()
		if c.Committed != nil {
			c.Committed()
		}
	}
	m.inbox.opened = m.relay.suspect
	return m, nil
}

// Run receives, publishes and sweeps until ctx ends; then it finishes what it has begun: the batch in
// hand is committed and acknowledged, what was prefetched goes back to the broker, and the relay
// publishes what the last commits have put.
func (m *Mailbox) Run(ctx context.Context) error {
	if err := m.relay.open(ctx); err != nil {
		return err
	}
	defer m.relay.close()
	relaying, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { defer stop(); m.inbox.run(ctx) })
	running.Go(func() { m.relay.run(relaying) })
	running.Go(func() { m.sweeper.run(ctx) })
	running.Wait()
	// Acknowledgements are only written to a buffer; a process that ends now would take them along.
	if err := m.NATS.FlushTimeout(time.Second); err != nil {
		m.Log.Warn("acknowledgements may be lost, their events will come again", "error", err)
	}
	return nil
}

// Ready is nil when the database, the broker and the durable consumer answer, and the reason otherwise.
func (m *Mailbox) Ready(ctx context.Context) error {
	if err := m.Pool.Ping(ctx); err != nil {
		return fmt.Errorf("the database does not answer: %w", err)
	}
	if status := m.NATS.Status(); status != nats.CONNECTED {
		return fmt.Errorf("the broker is not connected: %s", status)
	}
	return m.inbox.ready(ctx)
}

// Do runs fn in a transaction (pgx.BeginFunc) and wakes the relay after the commit.
func (m *Mailbox) Do(ctx context.Context, fn func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, m.Pool, func(tx pgx.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return m.Faults.At(ctx, failpoint.OutboxBeforeCommit)
	})
	if err != nil {
		return err
	}
	m.relay.poke()
	return m.Faults.At(ctx, failpoint.OutboxAfterCommit)
}

// Unpublished is about how many events wait in the outbox. It grows while the broker cannot be reached
// or is full; whoever takes work in should stop at some number.
func (m *Mailbox) Unpublished() int { return int(m.relay.backlog.Load()) }

func newJetStream(nc *nats.Conn, opts ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
	js, err := jetstream.New(nc, append(opts, jetstream.WithDefaultTimeout(brokerTime))...)
	if err != nil {
		return nil, fmt.Errorf("use JetStream: %w", err)
	}
	return js, nil
}
