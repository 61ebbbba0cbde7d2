package mailbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/failpoint"
)

const (
	// inboxRetention is how long the inbox remembers: longer than anything can still be delivered. The
	// stream keeps messages for a day, a replay begins a new day, and the third is for operators.
	inboxRetention = 72 * time.Hour
	// sweepEvery keeps a sweep small; sweepRows bounds one transaction.
	sweepEvery = time.Minute
	sweepRows  = 1000
)

// sweeper deletes what is older than anybody will ask for: published events beyond the replay horizon, and
// remembered ids beyond the inbox's retention. Dead letters and incidents stay until a person decides.
type sweeper struct {
	pool    *pgxpool.Pool
	faults  *failpoint.Set
	log     *slog.Logger
	metrics *metrics
}

// run sweeps at the start and then every minute.
func (s *sweeper) run(ctx context.Context) {
	for {
		if err := s.runOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "sweeping failed, will try again", "error", err)
		}
		if !rest(ctx, sweepEvery, nil) {
			return
		}
	}
}

// runOnce sweeps everything that is due, in batches that lock few rows and leave the log small.
func (s *sweeper) runOnce(ctx context.Context) error {
	for _, sweep := range []struct {
		table, statement string
		older            time.Duration
	}{
		{"outbox", `
			DELETE FROM outbox WHERE id IN (
				SELECT id FROM outbox WHERE published_at < now() - $1::interval
				ORDER BY published_at LIMIT $2 FOR UPDATE SKIP LOCKED)`, horizon},
		{"inbox", `
			DELETE FROM inbox WHERE event_id IN (
				SELECT event_id FROM inbox WHERE received_at < now() - $1::interval
				ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED)`, inboxRetention},
	} {
		for more := true; more; {
			if err := s.faults.At(ctx, failpoint.SweepBeforeDelete); err != nil {
				return err
			}
			tag, err := s.pool.Exec(ctx, sweep.statement, sweep.older, sweepRows)
			if err != nil {
				return fmt.Errorf("sweep the %s: %w", sweep.table, err)
			}
			s.metrics.swept.WithLabelValues(sweep.table).Add(float64(tag.RowsAffected()))
			more = tag.RowsAffected() == sweepRows
			if err := s.faults.At(ctx, failpoint.SweepDeleted); err != nil {
				return err
			}
		}
	}
	return nil
}
