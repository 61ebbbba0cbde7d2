// Package recovery republishes what the broker has lost. A broker may lose what it has acknowledged: it writes to its
// disk once in a while, so a power loss takes the last moments; a lost volume takes everything. The outbox keeps its
// rows for [Retention]. When another broker or stream is found than the one that was known, the marks of the rows that
// may be lost are removed, and the relay publishes these rows once more. That is harmless: the stream recognises what
// it still has, and the inboxes what they have handled.
//
// recovery.go finds out that the broker has lost something; marks.go marks rows, and removes marks; throttle.go bounds
// how fast rows are republished.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// Retention is how long published rows are kept. The stream has to keep its messages as long.
	Retention = 24 * time.Hour
	// SyncInterval is how often the broker has to write to its disk, at least.
	SyncInterval = time.Second
	// recheck is how often the broker is looked at without a reason. A stream that was deleted and made anew is found
	// earlier, by failed publications and the lost consumer.
	recheck = 10 * time.Second
	// lookTime is how long one look at the database may last. It is meant to be longer than the database's
	// statement_timeout, so that the database's own error is seen.
	lookTime = 8 * time.Second
	// brokerTime is how long the broker may take to answer: one that has just ended never does.
	brokerTime = 2 * time.Second
	// unmarkTime is how long the removal of marks may last: a day's rows are more than a statement usually touches.
	unmarkTime = 5 * time.Minute
)

// Config is what the relay gives. All of it is required but Consumers.
type Config struct {
	Stream    string
	Consumers []string // durables that get what is published: republishing waits for them
	NATS      *nats.Conn
	JetStream jetstream.JetStream
	Log       *slog.Logger
	Observe   func(why string, rows int64) // rows are republished
	// BeforeCommit and Committed are failpoints: marks are removed, and not committed yet, or committed.
	BeforeCommit, Committed func(context.Context) error
}

// Recovery knows which broker has acknowledged the published rows. All of it belongs to the relay's loop, but
// [Recovery.Suspect].
type Recovery struct {
	Config
	known   state // the broker at the last look
	doubted atomic.Bool
	throttle
}

// state identifies a broker and its stream.
type state struct {
	server     string    // new after every restart
	created    time.Time // of the stream
	last       uint64    // the stream's last sequence number
	highest    uint64    // the last one that the outbox knows; it was read before
	reconnects uint64    // of our connection
	seen       time.Time
	met        time.Time // by a replica of ours, as it is stored: acknowledgements from before are worth nothing
}

var errDisconnected = errors.New("the broker is not connected")

// New knows no broker yet.
func New(c Config) *Recovery { return &Recovery{Config: c} }

// Suspect has the next [Recovery.Check] look at the broker: the stream may be a new one. Any goroutine may call it.
func (r *Recovery) Suspect() { r.doubted.Store(true) }

// Check makes sure, before anything is published or marked, that the marks in the outbox are about this broker. It
// returns true when acknowledgements from before the call are worth nothing.
func (r *Recovery) Check(ctx context.Context, pool *pgxpool.Pool) (replaced bool, err error) {
	server, reconnects := r.NATS.ConnectedServerId(), r.NATS.Stats().Reconnects
	if server == "" {
		return false, errDisconnected
	}
	same := r.known.server == server && r.known.reconnects == reconnects
	if same && !r.doubted.Load() && time.Since(r.known.seen) < recheck {
		return false, nil
	}
	doubted, created, met := r.doubted.Swap(false), r.known.created, r.known.met
	now, err := r.look(ctx, pool, server, reconnects)
	switch {
	case err != nil:
	case same && !doubted && now.created.Equal(created) && now.highest <= now.last:
		r.known = now
	default:
		err = r.reconcile(ctx, pool, now)
	}
	if err != nil {
		r.Suspect()
	}
	return !same || !r.known.met.Equal(met), err
}

func (r *Recovery) look(ctx context.Context, pool *pgxpool.Pool, server string, reconnects uint64) (state, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	highest, err := highestMark(ctx, pool)
	if err != nil {
		return state{}, err
	}
	ctx, cancel = context.WithTimeout(ctx, brokerTime)
	defer cancel()
	stream, err := r.JetStream.Stream(ctx, r.Stream)
	if err != nil {
		return state{}, fmt.Errorf("look at stream %s: %w", r.Stream, err)
	}
	info := stream.CachedInfo()
	created := info.Created.UTC().Truncate(time.Microsecond) // as Postgres stores it
	return state{server, created, info.State.LastSeq, highest, reconnects, time.Now(), r.known.met}, nil
}

// reconcile removes the marks that the broker no longer confirms, and stores what the broker is now. Both happen in one
// transaction: after a crash between them the rest would never be republished. The row of the broker is locked first;
// a replica that marks at this moment waits for it, then finds that the broker was met anew, and marks nothing. So one
// replica does it for all: there are no later marks of what was acknowledged before.
func (r *Recovery) reconcile(ctx context.Context, pool *pgxpool.Pool, now state) error {
	ctx, cancel := context.WithTimeout(ctx, unmarkTime)
	defer cancel()
	var unmarked int64
	var why string
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		limit := strconv.FormatInt(unmarkTime.Milliseconds(), 10)
		if _, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', $1, true)`, limit); err != nil {
			return fmt.Errorf("allow a long statement: %w", err)
		}
		was, err := r.knownBroker(ctx, tx, now.server)
		now.met = was.met
		if err != nil || was.server == now.server && was.created.Equal(now.created) && now.highest <= now.last {
			return err
		}
		if why, unmarked, err = unmarkLost(ctx, tx, was, now); err != nil {
			return err
		}
		if unmarked > 0 {
			if err := r.BeforeCommit(ctx); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, `
			INSERT INTO broker (server_id, stream_created) VALUES ($1, $2)
			ON CONFLICT (one) DO UPDATE SET server_id = $1, stream_created = $2, met_at = clock_timestamp()
			RETURNING met_at`, now.server, now.created).Scan(&now.met)
	})
	if err != nil {
		return fmt.Errorf("compare the broker with the known one: %w", err)
	}
	r.known = now
	if unmarked == 0 {
		return nil
	}
	r.Observe(why, unmarked)
	r.Log.WarnContext(ctx, "the broker may have lost events, republishing them", "why", why, "events", unmarked)
	return r.Committed(ctx)
}

// knownBroker is the broker as it is stored. A server that this process has seen before is no new one, whatever is
// stored: in a cluster each replica may be connected to another server.
func (r *Recovery) knownBroker(ctx context.Context, tx pgx.Tx, server string) (was state, err error) {
	err = tx.QueryRow(ctx, `SELECT server_id, stream_created, met_at FROM broker FOR UPDATE`).
		Scan(&was.server, &was.created, &was.met)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return was, fmt.Errorf("read which broker it was: %w", err)
	}
	if r.known.server == server {
		was.server = server
	}
	return was, nil
}
