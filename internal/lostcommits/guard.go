// Package lostcommits notices that a service's database has lost commits which had been acknowledged, and makes up for
// them. That happens when an asynchronous standby is promoted, a backup is restored, or a volume is lost: events that
// the service has handled and acknowledged are not delivered to it again, and what it has published all others know.
//
// Which database it was, and how far, is kept outside of it, in a bucket of the broker. A connection to a database that
// may have lost something is refused, so nothing is handled, published or answered, until a [Rebuild] is through: it
// reads the stream, which keeps every event for 24 hours, and does again what is missing. That is the mirror of
// pkg/outbox/recovery, where the broker forgets and the outbox knows.
//
// guard.go notices, bucket.go is what is kept, rebuild.go makes up for what is lost.
package lostcommits

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/loop"
)

const (
	// beatEvery is how often there is a heartbeat in the database, which is kept in the bucket.
	beatEvery = 10 * time.Second
	// checkTime is how long one may take.
	checkTime = 5 * time.Second
	// meetTime is how long a service that is connected to the broker waits for the bucket.
	meetTime = 10 * time.Second
)

// Guard knows which database is the right one.
type Guard struct {
	service events.Service
	log     *slog.Logger
	known   atomic.Pointer[Identity] // nil: none was met
	doubt   atomic.Pointer[Doubted]  // nil: the database is used
	asItIs  atomic.Bool              // a person has decided to use it without a rebuild
	wake    chan struct{}

	// Since Open.
	bucket  bucket
	pool    *pgxpool.Pool
	rebuild Rebuilder

	record record // as this process knows it; of Meet, and of Run after it
}

// Rebuilder makes up for what a database may lack from a sequence of the stream on. The pool is one whose connections
// are not refused.
type Rebuilder func(ctx context.Context, pool *pgxpool.Pool, from uint64) error

// NewGuard knows no database yet.
func NewGuard(service events.Service, log *slog.Logger) *Guard {
	return &Guard{service: service, log: log, wake: make(chan struct{}, 1)}
}

// Open gives the guard what it works with; nothing else is called before, but [Guard.Admit].
func (g *Guard) Open(nc *nats.Conn, pool *pgxpool.Pool, rebuild Rebuilder) error {
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	g.bucket, g.pool, g.rebuild = bucket{js, g.service}, pool, rebuild
	return nil
}

// Doubted is the error of whoever wants to use a database that may have lost commits.
type Doubted struct {
	why     string
	problem error // of the last attempt to make up for it; nil: it is under way
}

// Error says why, and what is done about it.
func (d *Doubted) Error() string {
	if d.problem != nil {
		return fmt.Sprintf("the database may have lost commits, since %s: %v", d.why, d.problem)
	}
	return "the database may have lost commits, since " + d.why + ": what it lacks is being read from the stream"
}

// SQLState is that of a server which cannot be used yet; trying again is safe.
func (*Doubted) SQLState() string { return "57P03" }

// Admit is for a pool's AfterConnect: it refuses a connection to another database than the known one.
func (g *Guard) Admit(ctx context.Context, conn *pgx.Conn) error {
	for {
		known := g.known.Load() // before the question: what is known later has more heartbeats
		if known == nil {
			return nil
		}
		now, err := identify(ctx, conn)
		if err != nil {
			return err
		}
		why := now.differs(*known)
		if why != "" && g.known.Load() != known {
			continue // another one was accepted meanwhile
		}
		if why != "" {
			g.suspect(why)
		}
		return g.Ready()
	}
}

// suspect closes the database for everybody but the rebuilder.
func (g *Guard) suspect(why string) {
	if g.doubt.CompareAndSwap(nil, &Doubted{why: why}) {
		g.log.Error("the database may have lost commits", "why", why)
	}
	loop.Wake(g.wake)
}

// Ready is nil, or a [Doubted].
func (g *Guard) Ready() error {
	if doubt := g.doubt.Load(); doubt != nil {
		return doubt
	}
	return nil
}

// Meet compares the database with the one that the service worked with before, and has what it lacks rebuilt. It waits
// for the broker as long as it takes: without it nothing can be handled or published either. Only where the broker
// is there and has no bucket, or does not let the service read it, it goes on without.
func (g *Guard) Meet(ctx context.Context) {
	connected := time.Now()
	for failures := 1; ; failures++ {
		status := g.bucket.js.Conn().Status()
		if status != nats.CONNECTED {
			connected = time.Now()
		}
		err := g.round(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		g.log.WarnContext(ctx, "not known yet whether the database has all its commits", "error", err)
		if g.Ready() == nil && status == nats.CONNECTED && time.Since(connected) > meetTime {
			return
		}
		loop.Rest(ctx, min(loop.Backoff(failures), time.Second), nil)
	}
}

// Run watches until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	return loop.New("watch the database", g.log, beatEvery, g.wake, g.round)(ctx)
}

// round checks the database, and has it rebuilt if that is necessary.
func (g *Guard) round(ctx context.Context) error {
	if g.Ready() == nil {
		err := g.check(ctx)
		if _, doubted := errors.AsType[*Doubted](err); err != nil && !doubted {
			return err
		}
	}
	doubt := g.doubt.Load()
	if doubt == nil {
		return nil
	}
	err := g.restore(ctx)
	if err != nil {
		g.doubt.Store(&Doubted{doubt.why, err})
	}
	return err
}

// check compares the database with the record, which it reads before: so the database cannot be behind it.
func (g *Guard) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	before, found, err := g.bucket.load(ctx)
	if err != nil {
		return err
	}
	if found {
		g.record = before
	}
	handled, err := g.bucket.checkpoint(ctx) // before the heartbeat: the database has all of it then
	if err != nil {
		return err
	}
	now, err := identify(ctx, g.pool)
	if err != nil {
		return err
	}
	if why := now.differs(before.Identity); found && why != "" {
		g.known.Store(&before.Identity)
		g.suspect(why)
		g.pool.Reset() // no other connection has been asked
		return nil
	}
	if now, err = beat(ctx, g.pool); err != nil { // only here: in a database that is behind it would hide how far
		return err
	}
	handled.Heartbeats = now.Heartbeats
	return g.accept(ctx, now, handled)
}

// accept takes note of a database, here and at the broker.
func (g *Guard) accept(ctx context.Context, now Identity, handled checkpoint) error {
	g.known.Store(&now)
	g.record = g.record.with(now, handled)
	return g.bucket.store(ctx, g.record)
}

// restore lets the database be used again once it has what it lacks.
func (g *Guard) restore(ctx context.Context) error {
	config := g.pool.Config()
	config.AfterConnect, config.MaxConns, config.MinConns = nil, 2, 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer pool.Close()
	began := time.Now()
	from, created, err := g.from(ctx, pool)
	if err != nil {
		return err
	}
	if !g.asItIs.Load() {
		if err := g.rebuild(ctx, pool, from); err != nil {
			return fmt.Errorf("make up for lost commits: %w", err)
		}
	}
	now, err := beat(ctx, pool)
	if err != nil {
		return err
	}
	// That of the consumer may be higher than what was read.
	if err := g.accept(ctx, now, checkpoint{now.Heartbeats, from - 1, created}); err != nil {
		return err
	}
	g.asItIs.Store(false)
	g.doubt.Store(nil)
	g.pool.Reset()
	g.log.WarnContext(ctx, "the database is used again", "took", time.Since(began))
	return nil
}

// from is the first sequence of the stream that the database may lack.
func (g *Guard) from(ctx context.Context, pool *pgxpool.Pool) (from uint64, created time.Time, err error) {
	found, err := identify(ctx, pool)
	if err != nil {
		return 0, created, err
	}
	now, err := g.bucket.checkpoint(ctx)
	if err != nil {
		return 0, created, err
	}
	return g.record.from(found.Heartbeats, now.Created), now.Created, nil
}

// State is what a service knows of its database.
type State struct {
	Used    bool      `json:"used"`
	Problem string    `json:"problem,omitempty"` // why it is not used
	Known   *Identity `json:"known,omitempty"`   // the one that is used, or was
}

// State is how the database stands.
func (g *Guard) State() State {
	s := State{Used: true, Known: g.known.Load()}
	if err := g.Ready(); err != nil {
		s.Used, s.Problem = false, err.Error()
	}
	return s
}

// AcceptAsItIs has the database used without a rebuild, which a person decides, and waits until it is.
func (g *Guard) AcceptAsItIs(ctx context.Context) error {
	g.asItIs.Store(true)
	loop.Wake(g.wake)
	for {
		doubt := g.Ready()
		if doubt == nil || !loop.Rest(ctx, 50*time.Millisecond, nil) {
			return doubt
		}
	}
}
