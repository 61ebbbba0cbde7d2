package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"
)

// The broker may lose what it has acknowledged. It writes to its disk once in a while, so a power loss takes the last
// moments; a lost volume takes everything. The outbox keeps its rows for [Retention]. When the relay finds another
// broker or stream than the one that it knew, it removes the marks of the rows that may be lost, and republishes them.
// That is harmless: the stream recognises what it still has, and the inboxes what they have handled.
const (
	// Retention is how long published rows are kept for that. The stream has to keep its messages as long.
	Retention = 24 * time.Hour
	// SyncInterval is how often the broker has to write to its disk, at least.
	SyncInterval = time.Second
	// ackLossWindow is what a restart may have taken: three times the broker's sync interval, counted back from the last
	// mark, since the mark itself comes up to a quarter of a second after the acknowledgement.
	ackLossWindow = 3 * SyncInterval
	// recheck is how often the relay looks at the broker without a reason. A stream that was deleted and made anew is
	// found earlier, by failed publications and the lost consumer.
	recheck = 10 * time.Second
	// unmarkTime is how long the removal of marks may last: a day's rows are more than a statement usually touches.
	unmarkTime = 5 * time.Minute
	// throttlePause is how long the relay waits for the consumers before it asks for their lag once more.
	throttlePause = 20 * time.Millisecond
)

// brokerState identifies a broker and its stream.
type brokerState struct {
	server     string    // new after every restart
	created    time.Time // of the stream
	last       uint64    // the stream's last sequence number
	highest    uint64    // the last one that the outbox knows; it was read before
	reconnects uint64    // of our connection
	seen       time.Time
}

var errDisconnected = errors.New("the broker is not connected")

// checkBroker makes sure, before anything is published or marked, that the marks in the outbox are about this broker.
func (r *relay) checkBroker(ctx context.Context) error {
	server, reconnects := r.NATS.ConnectedServerId(), r.NATS.Stats().Reconnects
	if server == "" {
		return errDisconnected
	}
	same := r.known.server == server && r.known.reconnects == reconnects
	if same && !r.doubted.Load() && time.Since(r.known.seen) < recheck {
		return nil
	}
	if !same {
		r.inFlight = nil // acknowledgements of another broker are worth nothing
	}
	doubted := r.doubted.Swap(false)
	now, err := r.look(ctx, server, reconnects)
	switch {
	case err != nil:
	case same && !doubted && now.created.Equal(r.known.created) && now.highest <= now.last:
		r.known = now
	default:
		err = r.reconcile(ctx, now)
	}
	if err != nil {
		r.suspect()
	}
	return err
}

func (r *relay) look(ctx context.Context, server string, reconnects uint64) (brokerState, error) {
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	// Of the rows that were marked last, since one round marks its rows in any order.
	var highest uint64
	err := r.pool.QueryRow(ctx, `
		SELECT COALESCE(max(stream_seq), 0)
		FROM (SELECT stream_seq FROM outbox WHERE published_at IS NOT NULL ORDER BY published_at DESC LIMIT $1) AS marked`,
		4*window).Scan(&highest)
	if err != nil {
		return brokerState{}, fmt.Errorf("look for the last published row: %w", err)
	}
	ctx, cancel = context.WithTimeout(ctx, brokerTime) // a server that has just ended never answers
	defer cancel()
	stream, err := r.js.Stream(ctx, r.Stream)
	if err != nil {
		return brokerState{}, fmt.Errorf("look at stream %s: %w", r.Stream, err)
	}
	info := stream.CachedInfo()
	created := info.Created.UTC().Truncate(time.Microsecond) // as Postgres stores it
	return brokerState{server, created, info.State.LastSeq, highest, reconnects, time.Now()}, nil
}

// reconcile removes the marks that the broker no longer confirms, and stores what the broker is now. Both happen in one
// transaction: after a crash between them the rest would never be republished. The row of the broker is locked first;
// a replica that marks at this moment waits for it, then finds another stream than the one it knew, and marks nothing.
func (r *relay) reconcile(ctx context.Context, now brokerState) error {
	ctx, cancel := context.WithTimeout(ctx, unmarkTime)
	defer cancel()
	var unmarked int64
	var why string
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		limit := strconv.FormatInt(unmarkTime.Milliseconds(), 10)
		if _, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', $1, true)`, limit); err != nil {
			return fmt.Errorf("allow a long statement: %w", err)
		}
		was, err := r.knownBroker(ctx, tx)
		if err != nil || was.server == now.server && was.created.Equal(now.created) && now.highest <= now.last {
			return err
		}
		if why, unmarked, err = unmarkLost(ctx, tx, was, now); err != nil {
			return err
		}
		if unmarked > 0 {
			if err := r.failpoint(ctx, RelayBeforeRepublish, nil); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO broker (server_id, stream_created) VALUES ($1, $2)
			ON CONFLICT (one) DO UPDATE SET server_id = $1, stream_created = $2, met_at = now()`, now.server, now.created)
		return err
	})
	if err != nil {
		return fmt.Errorf("compare the broker with the known one: %w", err)
	}
	if !r.known.created.Equal(now.created) {
		r.inFlight = nil // acknowledgements of another broker are worth nothing
	}
	r.known = now
	if unmarked == 0 {
		return nil
	}
	r.Observe(Republished, why, float64(unmarked))
	r.Log.WarnContext(ctx, "the broker may have lost events, republishing them", "why", why, "events", unmarked)
	return r.failpoint(ctx, RelayRepublish, nil)
}

// knownBroker is the broker as it is stored. Which server it was, this process knows better than the table once it has
// seen one: another replica may have found the new server first, and removed the marks that it saw, and ours may have
// come after that.
func (r *relay) knownBroker(ctx context.Context, tx pgx.Tx) (was brokerState, err error) {
	err = tx.QueryRow(ctx, `SELECT server_id, stream_created FROM broker FOR UPDATE`).Scan(&was.server, &was.created)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return was, fmt.Errorf("read which broker it was: %w", err)
	}
	if r.known.server != "" {
		was.server = r.known.server
	}
	return was, nil
}

// unmarkLost removes the marks of what the broker may have lost.
func unmarkLost(ctx context.Context, tx pgx.Tx, was, now brokerState) (why string, n int64, err error) {
	if !was.created.Equal(now.created) {
		n, err = unmark(ctx, tx, `published_at > now() - $1::interval`, Retention)
		return "new_stream", n, err
	}
	if now.last < now.highest {
		why = "shorter_stream"
		n, err = unmark(ctx, tx, `published_at > now() - $1::interval AND stream_seq > $2`, Retention, int64(now.last))
	}
	if err != nil || was.server == now.server {
		return why, n, err
	}
	// Others may have published since, so that the stream is as long as before although it has lost some.
	if why == "" {
		why = "new_server"
	}
	last := `(SELECT max(published_at) FROM outbox WHERE published_at IS NOT NULL)`
	more, err := unmark(ctx, tx, `published_at > `+last+` - $1::interval`, ackLossWindow)
	return why, n + more, err
}

func unmark(ctx context.Context, tx pgx.Tx, which string, args ...any) (int64, error) {
	tag, err := tx.Exec(ctx, `UPDATE outbox SET published_at = NULL, stream_seq = NULL, republish = true WHERE `+which,
		args...)
	if err != nil {
		return 0, fmt.Errorf("remove marks: %w", err)
	}
	return tag.RowsAffected(), nil
}

// republishing is how far the relay is with republishing. A lost volume brings a day's rows back, and the consumers
// have handled nearly all of them. The events that are new must not wait behind them: so new rows go first, then the
// newest of the republished ones, and no more of these than the consumers keep up with. What is in the stream already
// is not overtaken. The rows of the outbox show the same to a new process.
type republishing struct {
	begun     bool      // there may be more than what was taken
	throttled bool      // this round takes none, because a consumer lags behind
	last      time.Time // when some were taken last
}

// republishRoom is how many of the room for messages may be used to republish. A consumer that does not catch up, or
// that is gone, slows it down and cannot stop it: a window is republished every second whatever they do.
func (r *relay) republishRoom(ctx context.Context, room int) int {
	recent := time.Since(r.republish.last) < rescan
	r.republish.throttled = r.republish.begun && recent && r.consumersLag(ctx)
	if r.republish.throttled {
		return 0
	}
	return room
}

// took notes what a round has taken that had room for so many.
func (p *republishing) took(rows []row, room int) {
	switch {
	case slices.ContainsFunc(rows, func(r row) bool { return r.Republish }):
		p.begun, p.last = true, time.Now()
	case !p.throttled && len(rows) < room: // that was all
		p.begun = false
	}
}

// consumersLag reports whether one of the consumers has a window of messages or more before it.
func (r *relay) consumersLag(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	return slices.ContainsFunc(r.Consumers, func(name string) bool {
		consumer, err := r.js.Consumer(ctx, r.Stream, name)
		return err == nil && lags(consumer)
	})
}

func lags(c jetstream.Consumer) bool { return c.CachedInfo().NumPending >= window }
