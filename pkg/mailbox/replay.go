package mailbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
)

// compare takes back the marks that the broker no longer vouches for, and remembers it as it is now. Both
// in one transaction: a crash between them would forget what was still to be published again. The row of
// the broker is locked first; a replica that marks at this moment waits for it, then sees another
// stream than the one that it knows, and marks nothing.
func (r *relay) compare(ctx context.Context, now broker) error {
	ctx, cancel := context.WithTimeout(ctx, replayTime)
	defer cancel()
	var replayed int64
	var why string
	err := pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', $1, true)`, strconv.FormatInt(replayTime.Milliseconds(), 10)); err != nil {
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
			if err := r.faults.At(ctx, failpoint.RelayBeforeReplay); err != nil {
				return err
			}
		}
		return remind(ctx, tx, now)
	})
	if err != nil {
		return fmt.Errorf("compare the broker with the one that was known: %w", err)
	}
	if !r.broker.created.Equal(now.created) {
		r.flights.forget()
	}
	r.broker = now
	if replayed > 0 {
		r.metrics.replayed.WithLabelValues(why).Add(float64(replayed))
		r.log.WarnContext(ctx, "the broker may have forgotten events, publishing them again", "why", why, "events", replayed)
		return r.faults.At(ctx, failpoint.RelayReplayed)
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
	tag, err := tx.Exec(ctx, `UPDATE outbox SET published_at = NULL, stream_seq = NULL, again = true WHERE `+which, args...)
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
