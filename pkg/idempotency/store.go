package idempotency

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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

// defaultKeep is how long a response is replayed: longer than any client retries.
const defaultKeep = 24 * time.Hour

// Finished is the response to a fresh request. Keep is how long it is replayed, 24 h when zero.
// Lease is the token of [Claim]'s lease, empty without one.
type Finished struct {
	Request
	Response Response
	Keep     time.Duration
	Lease    string
}

// Begin decides what to do about each request; the outcomes are in their order. It never waits for another
// transaction. A request that is Fresh belongs to tx until tx ends: in other transactions it is in progress. Of several
// requests with one key in the same call the first is Fresh and the others are in progress. The number of requests
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

// lockKeys tries to take the advisory lock of each key: false when another transaction has it. Two keys with
// one hash only make a client retry.
const lockKeys = `
	SELECT pg_try_advisory_xact_lock(hashtextextended(scope || chr(31) || key, 0))
	FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (scope, key, position)
	ORDER BY position`

// readKeys is a statement of its own, so that its snapshot is younger than the locks. Key by key, it is planned for the
// index also while the table is empty; that plan is kept for as long as nobody has analyzed the table.
const readKeys = `
	SELECT asked.position, known.fingerprint, known.status, known.headers, known.body,
	       coalesce(known.lease_until > now(), false)
	FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (scope, key, position), LATERAL (
		SELECT * FROM idempotency_key WHERE scope = asked.scope AND key = asked.key AND expires_at > now() LIMIT 1
	) AS known`

// ErrTakenOver is that another transaction has the key, or has stored its response.
var ErrTakenOver = errors.New("taken over by another transaction")

// Finish stores the responses of fresh requests, so that they commit together with the work. Responses that
// are not final (see the package comment) are left out. It fails with [ErrTakenOver] when another transaction has taken
// one of the keys: then this transaction must not commit.
func Finish(ctx context.Context, tx pgx.Tx, finished []Finished) error {
	rows, err := tableOf(finished)
	if err != nil || len(rows.scopes) == 0 {
		return err
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO idempotency_key AS old (scope, key, fingerprint, status, headers, body, expires_at, lease_token)
		SELECT scope, key, fingerprint, status, headers::jsonb, body, now() + keep, nullif(lease, '')::uuid
		FROM unnest($1::text[], $2::text[], $3::bytea[], $4::int[], $5::text[], $6::bytea[], $7::interval[], $8::text[])
			AS response (scope, key, fingerprint, status, headers, body, keep, lease)
		ON CONFLICT (scope, key) DO UPDATE SET
			fingerprint = EXCLUDED.fingerprint, status = EXCLUDED.status, headers = EXCLUDED.headers,
			body = EXCLUDED.body, recovery_point = 'finished', expires_at = EXCLUDED.expires_at, lease_token = NULL,
			  lease_until = NULL
		WHERE old.expires_at <= now() OR (old.status IS NULL AND old.lease_token = EXCLUDED.lease_token)`,
		rows.scopes, rows.keys, rows.fingerprints, rows.statuses, rows.headers, rows.bodies, rows.keeps, rows.leases)
	if err != nil {
		return fmt.Errorf("store idempotent responses: %w", err)
	}
	if tag.RowsAffected() != int64(len(rows.scopes)) {
		return fmt.Errorf("store idempotent responses: of %d keys %d: %w",
			len(rows.scopes), int64(len(rows.scopes))-tag.RowsAffected(), ErrTakenOver)
	}
	return nil
}

// Reap deletes up to limit expired keys and returns how many. It deletes the rows that it locked and skips those
// that are in use, so no request waits for it; call it until it deletes fewer than limit.
func Reap(ctx context.Context, pool *pgxpool.Pool, limit int) (int, error) {
	tag, err := pool.Exec(ctx, `
		DELETE FROM idempotency_key WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM idempotency_key WHERE expires_at <= now()
			ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))`, limit)
	if err != nil {
		return 0, fmt.Errorf("reap idempotency keys: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// reapAtOnce bounds one statement of the reaper, so that it never holds many rows for long.
const reapAtOnce = 1000

// Reaper returns one round of a background loop: it deletes all that has expired, batch by batch. The failpoint may
// be nil.
func Reaper(pool *pgxpool.Pool, failpoint Failpoint) func(context.Context) error {
	return func(ctx context.Context) error {
		for n := reapAtOnce; n == reapAtOnce; {
			var err error
			if n, err = Reap(ctx, pool, reapAtOnce); err != nil {
				return err
			}
			if err := failpoint.At(ctx, PointReaped); err != nil {
				return err
			}
		}
		return nil
	}
}
