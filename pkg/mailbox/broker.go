package mailbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/ordersaga/pkg/events"
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
	// replayTime is how long taking marks back may last: a day's rows are more than a statement usually may
	// touch.
	replayTime = 5 * time.Minute
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
	doubted := r.doubted.Swap(false)
	now, err := r.look(ctx, server, reconnects)
	switch {
	case err != nil:
	case same && !doubted && now.created.Equal(known.created) && now.highest <= now.last:
		r.broker = now
	default:
		err = r.compare(ctx, now)
	}
	if err != nil {
		r.suspect()
	}
	return err
}

func (r *relay) look(ctx context.Context, server string, reconnects uint64) (broker, error) {
	ctx, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	// The rows marked last; in which order one round marks them is anybody's guess.
	var highest uint64
	err := r.pool.QueryRow(ctx, `
		SELECT COALESCE(max(stream_seq), 0)
		FROM (SELECT stream_seq FROM outbox WHERE published_at IS NOT NULL ORDER BY published_at DESC LIMIT $1) AS marked`,
		4*window).Scan(&highest)
	if err != nil {
		return broker{}, fmt.Errorf("look for the last event that was published: %w", err)
	}
	ctx, cancel = context.WithTimeout(ctx, brokerTime) // one that has just ended has taken the question with it
	defer cancel()
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
