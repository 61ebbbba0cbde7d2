// Package ownership decides which replica publishes a row of the outbox: the one that has written it, as long as its
// relay publishes, and then any other. The table outbox_relay has the relays that do. Each renews its row there in
// rounds that it does anyway. One that has not done so for [Lease] is taken to be dead, and its rows change hands, a
// window at a time. Whoever comes back after that has lost them, and at most publishes some a second time.
package ownership

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// Rescan is how often a relay does a round without a signal, at least.
	Rescan = 2 * renewal
	// Lease is how long a relay is taken to be alive after it was seen. It may be seen late by [Rescan] and a renewal,
	// and the next one looks within Rescan: its rows wait for less than two seconds.
	Lease = 5 * renewal
	// renewal is the time between two renewals where rounds come often.
	renewal = 250 * time.Millisecond
)

// Process owns the rows that this process writes. A process that was started again is another one.
var Process = uuid.New()

// Ownership is what a relay knows of it. It belongs to the relay's loop, but [Ownership.OnFirst].
type Ownership struct {
	renewed time.Time
	more    bool // the last round took rows over, and there may be more
	later   atomic.Bool
}

// OnFirst is a round that does nothing where a living relay has a smaller id. As long as nothing is known, it is done.
func (o *Ownership) OnFirst(round func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if o.later.Load() {
			return nil
		}
		return round(ctx)
	}
}

// Renew has a round renew this process's row, a few times a second. It then takes over up to room rows of owners
// that are dead, or that have ended. It never waits for another relay that does the same: what is locked is skipped.
func (o *Ownership) Renew(batch *pgx.Batch, room int) {
	if time.Since(o.renewed) < renewal && !o.more {
		return
	}
	o.renewed = time.Now()
	batch.Queue(`
		INSERT INTO outbox_relay (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET seen_at = now()
		RETURNING EXISTS (SELECT FROM outbox_relay WHERE id < $1)`, Process).
		QueryRow(func(row pgx.Row) error {
			var later bool
			err := row.Scan(&later)
			o.later.Store(later)
			return err
		})
	batch.Queue(`
		DELETE FROM outbox_relay WHERE id = ANY (ARRAY(
			SELECT id FROM outbox_relay WHERE seen_at < now() - $1::interval FOR UPDATE SKIP LOCKED))`, Lease)
	batch.Queue(`
		UPDATE outbox_due SET owner = $1 WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM outbox_due
			WHERE owner = (SELECT owner FROM outbox_owner WHERE owner NOT IN (SELECT id FROM outbox_relay) LIMIT 1)
			ORDER BY republish, position LIMIT $2 FOR UPDATE SKIP LOCKED))`, Process, room).
		Exec(func(tag pgconn.CommandTag) error {
			o.more = tag.RowsAffected() > 0
			return nil
		})
}

// Release lets another process take over at once what is left of this one's rows.
func Release(ctx context.Context, pool *pgxpool.Pool) error {
	if _, err := pool.Exec(ctx, `DELETE FROM outbox_relay WHERE id = $1`, Process); err != nil {
		return fmt.Errorf("release the rows of the outbox: %w", err)
	}
	return nil
}
