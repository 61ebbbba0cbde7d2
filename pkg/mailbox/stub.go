package mailbox

import (
	"context"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/fault"
)

// Handler ties an event to the step that reacts to it; made by [Hear].
type Handler struct {
	name  string
	major int
	run   func(context.Context, pgx.Tx, events.Event) (events.Event, error)
}

// Hear makes a handler of a step. The step's parameter says which event it hears. It runs inside the
// inbox's transaction, together with other steps of the same batch, and returns the event that follows,
// or nil. An error means try again later; one wrapped by [Poison] means park the event.
func Hear[E events.Event](step func(ctx context.Context, tx pgx.Tx, event E) (events.Event, error)) Handler {
	var e E
	return Handler{e.Type().Name, e.Type().Major, func(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
		return step(ctx, tx, event.(E))
	}}
}

// Poison marks an error that trying again cannot cure.
func Poison(err error) error { return err }

// Config is what a mailbox needs. Service, Pool, NATS and Handlers are required.
type Config struct {
	Service  events.Service
	Pool     *pgxpool.Pool
	NATS     *nats.Conn
	Handlers []Handler
	// Prepare runs at the beginning of every batch, before its steps: the place to lock, in key order,
	// the rows that the batch will touch. Optional.
	Prepare func(ctx context.Context, tx pgx.Tx, batch []events.Event) error
	// Committed is called after every commit of a batch, to wake workers. Optional.
	Committed func()
	Faults    *fault.Set
	Log       *slog.Logger
	Metrics   prometheus.Registerer
}

// Mailbox is a service's inbox, outbox and relay.
type Mailbox struct{}

// New makes a mailbox; nothing runs before [Mailbox.Run].
func New(c Config) (*Mailbox, error) { panic("being built") }

// Run receives, publishes and sweeps until ctx ends; then it finishes what it has begun.
func (m *Mailbox) Run(ctx context.Context) error { panic("being built") }

// Ready is nil when the database, the broker and the durable consumer answer, and the reason otherwise.
func (m *Mailbox) Ready(ctx context.Context) error { panic("being built") }

// Do runs fn in a transaction (pgx.BeginFunc) and wakes the relay after the commit.
func (m *Mailbox) Do(ctx context.Context, fn func(tx pgx.Tx) error) error { panic("being built") }

// Put stores events in the outbox, in the caller's transaction; the cause is the one in ctx.
func Put(ctx context.Context, tx pgx.Tx, event ...events.Event) error { panic("being built") }

// CauseOf is what the running step reacts to; zero outside of a step.
func CauseOf(ctx context.Context) events.Cause { panic("being built") }

// WithCause makes events that are put under the returned context follow from cause.
func WithCause(ctx context.Context, cause events.Cause) context.Context { panic("being built") }

// OpenIncident opens an incident for an order and puts IncidentOpened, unless one of this kind is open
// for the order already. It returns the id of the open incident.
func OpenIncident(ctx context.Context, tx pgx.Tx, service events.Service, orderID, kind, reason string) (string, error) {
	panic("being built")
}

// CloseIncident closes the open incident of this kind, if there is one, and puts IncidentResolved.
func CloseIncident(ctx context.Context, tx pgx.Tx, service events.Service, orderID, kind, resolution string) error {
	panic("being built")
}

// Migrations are the tables of the mailbox: inbox, outbox, dead_letter, incident, broker.
func Migrations() fs.FS { panic("being built") }

// Group commits what waits together: while one commit runs, the next requests gather.
type Group[Req, Res any] struct{}

// NewGroup makes a group over a function that handles up to limit requests at once and answers each.
func NewGroup[Req, Res any](limit int, commit func(context.Context, []Req) ([]Res, error)) *Group[Req, Res] {
	panic("being built")
}

// Do hands one request to the group and waits for its answer.
func (g *Group[Req, Res]) Do(ctx context.Context, req Req) (Res, error) { panic("being built") }
