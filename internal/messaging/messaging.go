// Package messaging is the shop's use of the outbox: which events a service consumes, how they look on the wire, what
// is counted, and where failpoints are.
package messaging

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/internal/postgres"
	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// Config is what a service's messaging needs. Service, Pool, NATS and Handlers are required.
type Config struct {
	Service  events.Service
	Pool     *pgxpool.Pool
	NATS     *nats.Conn
	Handlers []outbox.Handler // exactly of the events that the catalogue subscribes the service to
	// Prepare, OnCommit and OnDeadLetter are those of [outbox.Config].
	Prepare      func(ctx context.Context, tx pgx.Tx, batch []events.Event) error
	OnCommit     func()
	OnDeadLetter func(ctx context.Context, tx pgx.Tx, row outbox.DeadLetterRow) error
	Faults       *failpoint.Set        // optional
	Log          *slog.Logger          // optional: silent without
	Metrics      prometheus.Registerer // optional
}

// Outbox is a service's outbox, and the list of events that it is retrying.
type Outbox struct {
	*outbox.Outbox
	Service  events.Service
	retrying retrying
	probe    postgres.Probe
	nats     *nats.Conn
}

// Ready returns nil when the database can be written, and the broker and the consumer answer, and the reason otherwise.
func (o *Outbox) Ready(ctx context.Context) error {
	if err := o.probe.Writable(ctx); err != nil {
		return err
	}
	return cmp.Or(natsadmin.NewEnough(o.nats), o.Outbox.Ready(ctx))
}

// deadLetter gives a letter whose message names no order the one of its subject, so that the order has the incident,
// and a person finds the letter.
func (c Config) deadLetter(ctx context.Context, tx pgx.Tx, row outbox.DeadLetterRow) error {
	if at := strings.LastIndex(row.Subject, "."); !IsID(row.Key) && IsID(row.Subject[at+1:]) {
		row.Type, row.Key = cmp.Or(row.Type, row.Subject[:at]), row.Subject[at+1:]
		_, err := tx.Exec(ctx, `UPDATE dead_letter SET type = $2, key = $3 WHERE id = $1`, row.ID, row.Type, row.Key)
		if err != nil {
			return fmt.Errorf("name the order of dead letter %s: %w", row.ID, err)
		}
	}
	if c.OnDeadLetter == nil {
		return nil
	}
	return c.OnDeadLetter(ctx, tx, row)
}

// New checks the handlers; nothing runs before [outbox.Outbox.Run].
func New(c Config) (*Outbox, error) {
	codec := newCodec(c.Service)
	if err := codec.check(c.Handlers); err != nil {
		return nil, err
	}
	o := &Outbox{Service: c.Service, probe: postgres.Probe{Pool: c.Pool}, nats: c.NATS}
	config := outbox.Config{
		Name: string(c.Service), Stream: events.Stream, Pool: c.Pool, NATS: c.NATS, Codec: codec,
		Handlers: c.Handlers, Consumers: natsadmin.Consumers(c.Service), ContentType: events.ContentType,
		OnCommit: c.OnCommit, OnDeadLetter: c.deadLetter, OnRetry: o.retrying.add, OnSettled: o.retrying.remove,
		OnHandled: steps(c.Metrics),
		Observe:   observer(c.Metrics, func() int { return len(o.retrying.list(RetryAlert)) }),
		Log:       c.Log, KeyName: "order_id",
	}
	if tracing.On() {
		config.Tracer = tracer{}
	}
	if c.Faults != nil {
		config.Failpoints = failpoints{c.Faults}
	}
	if c.Prepare != nil {
		config.Prepare = func(ctx context.Context, tx pgx.Tx, batch []any) error {
			list := make([]events.Event, len(batch))
			for i, event := range batch {
				list[i] = event.(events.Event)
			}
			return c.Prepare(ctx, tx, list)
		}
	}
	var err error
	o.Outbox, err = outbox.New(config)
	return o, err
}

// Retrying returns the events that this process has tried at least so often, without success up to now. They are
// retried for ever; none of them is a dead letter.
func (o *Outbox) Retrying(attempts int) []Retrying { return o.retrying.list(attempts) }

// check compares the handlers with the catalogue. A missing one would stop sagas; one too many waits for events that
// its consumer never gets.
func (c codec) check(handlers []outbox.Handler) error {
	if len(c.types) == 0 {
		return fmt.Errorf("%q is not one of the services %v", c.service, events.Consumers)
	}
	missing := maps.Clone(c.types)
	for _, h := range handlers {
		name := c.Type(h.Event())
		if !c.types[name] {
			return fmt.Errorf("%s has a handler of %s, which it does not subscribe to", c.service, name)
		}
		delete(missing, name)
	}
	for name := range missing {
		return fmt.Errorf("%s has no handler of %s, which it subscribes to", c.service, name)
	}
	return nil
}

// failpoints are those of package failpoint; the points have the same names.
type failpoints struct{ *failpoint.Set }

func (f failpoints) At(ctx context.Context, p outbox.Point, orders ...string) error {
	return f.Set.At(ctx, failpoint.Point(p), orders...)
}

func (f failpoints) Duplicate(p outbox.Point, order string) bool {
	return f.Set.Duplicate(failpoint.Point(p), order)
}
