package idempotency

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/failpoint"
)

//go:embed migrations
var migrations embed.FS

// Table is the name under which goose keeps the version of this package's schema.
const Table = "goose_idempotency"

// Migrations is the table of keys, for the database of each service that uses the package.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the embedded folder always exists
	}
	return files
}

// defaultKeep is for how long an answer is replayed: longer than any client tries again.
const defaultKeep = 24 * time.Hour

// Finished is the answer to a fresh request. Keep is for how long it is replayed, 24 h when zero.
// Lease is what [Claim] returned, empty without one.
type Finished struct {
	Request
	Response Response
	Keep     time.Duration
	Lease    string
}

// Begin finds out what is to be done about each request. It never waits for another transaction. A
// request that is Fresh belongs to tx until its end: for everybody else it is in progress. Of several
// with one key in the same call the first is Fresh and the others are in progress. The number of requests
// is the number of advisory locks held, so keep it to a few hundred.
func Begin(ctx context.Context, tx pgx.Tx, requests []Request) ([]Outcome, error) {
	scopes, keys := columns(requests)
	var held []bool
	var known map[int]stored
	batch := &pgx.Batch{}
	batch.Queue(lockKeys, scopes, keys).Query(func(rows pgx.Rows) (err error) {
		held, err = pgx.CollectRows(rows, pgx.RowTo[bool])
		return err
	})
	batch.Queue(readKeys, scopes, keys).Query(func(rows pgx.Rows) (err error) {
		known, err = collectStored(rows)
		return err
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("look idempotency keys up: %w", err)
	}
	return decide(requests, held, known), nil
}

// lockKeys takes the advisory lock of each key, or says that another transaction has it. Two keys with
// one hash only make a client try again.
const lockKeys = `
	SELECT pg_try_advisory_xact_lock(hashtextextended(scope || chr(31) || key, 0))
	FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (scope, key, position)
	ORDER BY position`

// readKeys is a statement of its own, so that its snapshot is younger than the locks.
const readKeys = `
	SELECT wanted.position, known.fingerprint, known.status, known.headers, known.body,
	       coalesce(known.lease_until > now(), false)
	FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (scope, key, position)
	JOIN idempotency_key AS known USING (scope, key)
	WHERE known.expires_at > now()`

// Finish stores the answers of fresh requests, so that they commit with what they tell of. Answers that
// are not for good (see the package comment) are left out. It fails when a key has been answered by
// somebody else: then this transaction must not commit either.
func Finish(ctx context.Context, tx pgx.Tx, finished []Finished) error {
	rows, err := answers(finished)
	if err != nil || len(rows.scopes) == 0 {
		return err
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO idempotency_key AS old (scope, key, fingerprint, status, headers, body, expires_at, lease_token)
		SELECT scope, key, fingerprint, status, headers::jsonb, body, now() + keep, nullif(lease, '')::uuid
		FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int[], $5::text[], $6::bytea[], $7::interval[], $8::text[])
			AS answer (scope, key, fingerprint, status, headers, body, keep, lease)
		ON CONFLICT (scope, key) DO UPDATE SET
			fingerprint = EXCLUDED.fingerprint, status = EXCLUDED.status, headers = EXCLUDED.headers,
			body = EXCLUDED.body, recovery_point = 'finished', expires_at = EXCLUDED.expires_at, lease_token = NULL,
			  lease_until = NULL
		WHERE old.expires_at <= now() OR (old.status IS NULL AND old.lease_token = EXCLUDED.lease_token)`,
		rows.scopes, rows.keys, rows.fingerprints, rows.statuses, rows.headers, rows.bodies, rows.keeps, rows.leases)
	if err != nil {
		return fmt.Errorf("store idempotent answers: %w", err)
	}
	if tag.RowsAffected() != int64(len(rows.scopes)) {
		return fmt.Errorf("store idempotent answers: %d of %d keys have been answered by another transaction",
			int64(len(rows.scopes))-tag.RowsAffected(), len(rows.scopes))
	}
	return nil
}

// Reap deletes up to limit expired keys and says how many. It names the very rows and skips those
// that are being used, so it disturbs nobody; call it until it deletes fewer than limit.
func Reap(ctx context.Context, pool *pgxpool.Pool, limit int) (int, error) {
	tag, err := pool.Exec(ctx, `
		DELETE FROM idempotency_key WHERE (scope, key) IN (
			SELECT scope, key FROM idempotency_key WHERE expires_at <= now()
			ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`, limit)
	if err != nil {
		return 0, fmt.Errorf("reap idempotency keys: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// reapAtOnce bounds one statement of the reaper, so that it never holds many rows for long.
const reapAtOnce = 1000

// Reaper is one round of a background loop: it deletes all that has expired, batch by batch.
func Reaper(pool *pgxpool.Pool, faults *failpoint.Set) func(context.Context) error {
	return func(ctx context.Context) error {
		for n := reapAtOnce; n == reapAtOnce; {
			var err error
			if n, err = Reap(ctx, pool, reapAtOnce); err != nil {
				return err
			}
			if err := faults.At(ctx, failpoint.IdempotencyReaped); err != nil {
				return err
			}
		}
		return nil
	}
}
