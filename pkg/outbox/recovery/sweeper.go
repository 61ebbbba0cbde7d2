package recovery

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// inboxRetention is how long the inbox keeps its ids: longer than anything can still be delivered. The stream keeps
	// messages for a day, after a loss they are republished and kept for another day, the third day is for operators.
	inboxRetention = 72 * time.Hour
	// sweepEvery keeps a sweep small; sweepRows bounds one transaction.
	sweepEvery = time.Minute
	sweepRows  = 1000
)

// Sweeper deletes rows that no recovery can need any more. Dead letters stay until a person decides.
type Sweeper struct {
	Pool    *pgxpool.Pool
	Log     *slog.Logger
	Observe func(table string, rows int64) // rows were deleted
	// BeforeDelete and Deleted are failpoints, around each batch.
	BeforeDelete, Deleted func(context.Context) error
}

// Run sweeps at the start and then every minute, until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	for {
		if err := s.RunOnce(ctx); err != nil && ctx.Err() == nil {
			s.Log.WarnContext(ctx, "sweeping failed, will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery):
		}
	}
}

// RunOnce deletes everything that is due, row by row, in batches that lock few rows and keep the write-ahead log small.
func (s *Sweeper) RunOnce(ctx context.Context) error {
	for _, sweep := range []struct {
		table, statement string
		older            time.Duration
	}{
		{"outbox", `
			WITH old AS (
				DELETE FROM outbox_mark WHERE ctid = ANY (ARRAY(
					SELECT ctid FROM outbox_mark WHERE published_at < now() - $1::interval
					ORDER BY published_at LIMIT $2 FOR UPDATE SKIP LOCKED))
				RETURNING id)
			DELETE FROM outbox_message WHERE id = ANY (ARRAY(SELECT id FROM old))`, Retention},
		{"inbox", `
			DELETE FROM inbox WHERE ctid = ANY (ARRAY(
				SELECT ctid FROM inbox WHERE received_at < now() - $1::interval
				ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED))`, inboxRetention},
	} {
		for more := true; more; {
			if err := s.BeforeDelete(ctx); err != nil {
				return err
			}
			tag, err := s.Pool.Exec(ctx, sweep.statement, sweep.older, sweepRows)
			if err != nil {
				return fmt.Errorf("sweep the %s: %w", sweep.table, err)
			}
			s.Observe(sweep.table, tag.RowsAffected())
			more = tag.RowsAffected() == sweepRows
			if err := s.Deleted(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}
