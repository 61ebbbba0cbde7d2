package idempotency

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Claim commits, with tx, that a fresh request is being executed, for work that ends in another
// transaction. Until the lease ends others are told that it is in progress; then the next one is Fresh
// and takes over. The returned lease goes into [Finished].
func Claim(ctx context.Context, tx pgx.Tx, request Request, lease, keep time.Duration) (string, error) {
	var token string
	err := tx.QueryRow(ctx, `
		INSERT INTO idempotency_key AS old (scope, key, fingerprint, lease_token, lease_until, expires_at)
		VALUES ($1, $2, $3, gen_random_uuid(), now() + $4::interval, now() + $5::interval)
		ON CONFLICT (scope, key) DO UPDATE SET
			fingerprint = EXCLUDED.fingerprint, status = NULL, headers = NULL, body = NULL, created_at = now(),
			lease_token = EXCLUDED.lease_token, lease_until = EXCLUDED.lease_until, expires_at = EXCLUDED.expires_at
		WHERE old.expires_at <= now() OR old.lease_until <= now()
		RETURNING lease_token`,
		request.Scope, request.Key, request.Fingerprint, lease, cmp.Or(keep, defaultKeep)).Scan(&token)
	if err != nil {
		return "", fmt.Errorf("claim idempotency key: %w", err)
	}
	return token, nil
}

// Release gives a claimed key back without an answer: the work turned out to be refused input, or could
// not be done. A lease that somebody took over is left alone.
func Release(ctx context.Context, tx pgx.Tx, request Request, lease string) error {
	_, err := tx.Exec(ctx, `
		DELETE FROM idempotency_key
		WHERE scope = $1 AND key = $2 AND status IS NULL AND lease_token = $3`,
		request.Scope, request.Key, lease)
	if err != nil {
		return fmt.Errorf("release idempotency key: %w", err)
	}
	return nil
}
