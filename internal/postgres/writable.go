package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/singleflight"
)

const (
	// writeTime is how long a probe's write may take.
	writeTime = time.Second
	// writeAgain is how long a write that worked is believed: whoever asks more often costs nothing.
	writeAgain = time.Second
)

// Probe finds out whether a database can be written.
type Probe struct {
	Pool   *pgxpool.Pool
	flight singleflight.Group
	worked time.Time // only in flight
}

// Writable returns nil when rows and files can be written, and else the reason, within about a second. Nothing is left
// behind, and nothing grows. All that ask at once share one answer.
func (p *Probe) Writable(ctx context.Context) error {
	_, err, _ := p.flight.Do("", func() (any, error) {
		if time.Since(p.worked) < writeAgain {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
		defer cancel()
		if err := p.write(ctx); err != nil {
			return nil, plain(err)
		}
		p.worked = time.Now()
		return nil, nil
	})
	return err
}

// write deletes no row, which is refused where nothing may be written. Then it has the server put 1 MB into a temporary
// file, where the tables are: a row might still find room in one of their pages when the disk is full.
func (p *Probe) write(ctx context.Context) error {
	batch := &pgx.Batch{}
	batch.Queue(`DELETE FROM inbox WHERE false`)
	batch.Queue(`SELECT set_config('work_mem', '64kB', true)`) // until the batch ends
	batch.Queue(`
		WITH filler AS MATERIALIZED (SELECT repeat('x', 8000) FROM generate_series(1, 128))
		SELECT count(*) FROM filler`)
	return p.Pool.SendBatch(ctx, batch).Close()
}

func plain(err error) error {
	refused, is := errors.AsType[*pgconn.PgError](err)
	switch {
	case !is:
		return fmt.Errorf("the database does not answer: %w", err)
	case refused.Code == readOnly:
		return fmt.Errorf("the database cannot be written: it is a standby, or read-only: %w", err)
	case refused.Code == diskFull:
		return fmt.Errorf("the database cannot be written: its disk is full: %w", err)
	}
	return fmt.Errorf("the database cannot be written: %w", err)
}

const (
	readOnly = "25006"
	diskFull = "53100"
)
