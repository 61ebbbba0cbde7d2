package mailbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/fault"
)

// The broker may forget. It writes to its disk once a second, so a power loss takes what it has
// acknowledged in the last moments; a lost volume takes everything. The outbox does not forget: its rows
// stay for the horizon, and whenever the relay meets a broker that is not the one that it knew, it takes
// back the marks of what may be gone. Publishing again is harmless, since the stream recognises what it
// still has, and the inboxes what they had heard.
const (
	// horizon is how long published rows are kept for that; as long as the stream keeps its messages.
	horizon = 24 * time.Hour
	// forgetful is what a restart may have taken: three times the broker's sync interval, counted back from
	// the last mark, since the mark itself comes up to a quarter of a second after the acknowledgement.
	forgetful = 3 * syncInterval
	// recheck is how often the broker is looked at without a reason. A stream that was deleted and made
	// anew shows itself earlier, by failed publications and the lost consumer.
	recheck = 10 * time.Second
)

// broker is what tells one broker from another.
type broker struct {
	server     string    // new after every restart
	created    time.Time // of the stream
	last       uint64    // the stream's last sequence number
	highest    uint64    // the last one that the outbox knows; it was asked for before
	reconnects uint64    // of our connection
	met        time.Time
}

var errDisconnected = errors.New("the broker is not connected")

// suspect has the next round look at the broker again.
func (r *relay) suspect() { r.doubted.Store(true) }

// meet makes sure, before anything is published or marked, that the broker is the one that the marks in
// the outbox speak of.
func (r *relay) meet(ctx context.Context) error {
	server, reconnects := r.nc.ConnectedServerId(), r.nc.Stats().Reconnects
	if server == "" {
		return errDisconnected
	}
	known := r.broker
	same := known.server == server && known.reconnects == reconnects
	if same && !r.doubted.Load() && time.Since(known.met) < recheck {
		return nil
	}
	if !same {
		r.flights.forget()
	}
	r.doubted.Store(false)
	now, err := r.look(ctx, server, reconnects)
	if err == nil {
		err = r.compare(ctx, now)
	}
	if err != nil {
		r.doubted.Store(true)
	}
	return err
}

func (r *relay) look(ctx context.Context, server string, reconnects uint64) (broker, error) {
	// The rows marked last; in which order one round marks them is anybody's guess.
	var highest uint64
	err := r.pool.QueryRow(ctx, `
		SELECT COALESCE(max(stream_seq), 0)
		FROM (SELECT stream_seq FROM outbox WHERE published_at IS NOT NULL ORDER BY published_at DESC LIMIT $1) AS marked`,
		4*window).Scan(&highest)
	if err != nil {
		return broker{}, fmt.Errorf("look for the last event that was published: %w", err)
	}
	stream, err := r.js.Stream(ctx, events.Stream)
	if err != nil {
		return broker{}, fmt.Errorf("look at stream %s: %w", events.Stream, err)
	}
	info := stream.CachedInfo()
	return broker{
		server:     server,
		created:    info.Created.UTC().Truncate(time.Microsecond), // as Postgres keeps it
		last:       info.State.LastSeq,
		highest:    highest,
		reconnects: reconnects,
		met:        time.Now(),
	}, nil
}

// compare takes back the marks that the broker no longer vouches for, and remembers it as it is now. Both
// in one transaction: a crash between them would forget what was still to be published again. The row of
// the broker is locked first; a replica that marks at this moment waits for it, then sees another
// stream than the one that it knows, and marks nothing.
func (r *relay) compare(ctx context.Context, now broker) error {
	var replayed int64
	var why string
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		// A day's rows are more than one statement usually may touch.
		if _, err := tx.Exec(ctx, `SET LOCAL statement_timeout = '5min'`); err != nil {
			return fmt.Errorf("prepare to compare: %w", err)
		}
		was, err := r.remembered(ctx, tx)
		if err != nil {
			return err
		}
		if was.server == now.server && was.created.Equal(now.created) && now.highest <= now.last {
			return nil
		}
		if why, replayed, err = takeBack(ctx, tx, was, now); err != nil {
			return err
		}
		if replayed > 0 {
			if err := r.faults.At(ctx, fault.RelayBeforeReplay); err != nil {
				return err
			}
		}
		return remind(ctx, tx, now)
	})
	if err != nil {
		return fmt.Errorf("compare the broker with the one that was known: %w", err)
	}
	if r.broker.created != now.created {
		r.flights.forget()
	}
	r.broker = now
	if replayed > 0 {
		r.metrics.replayed.WithLabelValues(why).Add(float64(replayed))
		r.log.WarnContext(ctx, "the broker may have forgotten events, publishing them again", "why", why, "events", replayed)
		return r.faults.At(ctx, fault.RelayReplayed)
	}
	return nil
}

// remembered is the broker as the service knew it. Which server it was, this process knows better than the
// table as soon as it has met one: another replica may have met the new one already and taken back the marks
// that it saw, and ours may have come after.
func (r *relay) remembered(ctx context.Context, tx pgx.Tx) (broker, error) {
	var was broker
	err := tx.QueryRow(ctx, `SELECT server_id, stream_created FROM broker FOR UPDATE`).Scan(&was.server, &was.created)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return was, fmt.Errorf("read which broker it was: %w", err)
	}
	if r.broker.server != "" {
		was.server = r.broker.server
	}
	return was, nil
}

// takeBack unmarks what the broker may have lost.
func takeBack(ctx context.Context, tx pgx.Tx, was, now broker) (why string, n int64, err error) {
	if !was.created.Equal(now.created) {
		n, err = unmark(ctx, tx, `published_at > now() - $1::interval`, horizon)
		return "new_stream", n, err
	}
	if now.last < now.highest {
		why = "shorter_stream"
		n, err = unmark(ctx, tx, `published_at > now() - $1::interval AND stream_seq > $2`, horizon, int64(now.last))
		if err != nil {
			return why, n, err
		}
	}
	if was.server == now.server {
		return why, n, nil
	}
	// Others may have published since, so that the stream is as long as before and yet has lost some.
	if why == "" {
		why = "new_server"
	}
	more, err := unmark(ctx, tx, `published_at > (SELECT max(published_at) FROM outbox WHERE published_at IS NOT NULL) - $1::interval`, forgetful)
	return why, n + more, err
}

func unmark(ctx context.Context, tx pgx.Tx, which string, args ...any) (int64, error) {
	tag, err := tx.Exec(ctx, `UPDATE outbox SET published_at = NULL, stream_seq = NULL WHERE `+which, args...)
	if err != nil {
		return 0, fmt.Errorf("take marks back: %w", err)
	}
	return tag.RowsAffected(), nil
}

func remind(ctx context.Context, tx pgx.Tx, now broker) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO broker (server_id, stream_created) VALUES ($1, $2)
		ON CONFLICT (one) DO UPDATE SET server_id = $1, stream_created = $2, met_at = now()`, now.server, now.created)
	if err != nil {
		return fmt.Errorf("remember the broker: %w", err)
	}
	return nil
}
