package idempotency

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// RecoveryPoint is how far a claimed request has come; the migration that adds the column explains each.
type RecoveryPoint string

// The recovery points of a claimed request; a finished one is not claimed any more.
const (
	Started       RecoveryPoint = "started"
	GatewayCalled RecoveryPoint = "gateway_called"
)

// Lease is the right to execute a claimed request until the lease's time is over. The token goes into
// [Finished]; the point is where to go on, past the beginning when the request was taken over.
type Lease struct {
	Token string
	Point RecoveryPoint
}

// Claim commits, with tx, that a fresh request is being executed, for work that ends in another
// transaction. Until the lease ends it is InProgress for every other request with the key; then the next one is Fresh
// and takes over. The lease and the time to keep the row (24 h when zero) begin now.
func Claim(ctx context.Context, tx pgx.Tx, request Request, lease, keep time.Duration) (Lease, error) {
	var taken Lease
	err := tx.QueryRow(ctx, `
		INSERT INTO idempotency_key AS old (scope, key, fingerprint, recovery_point, lease_token, lease_until, expires_at)
		VALUES ($1, $2, $3, 'started', gen_random_uuid(), now() + $4::interval, now() + $5::interval)
		ON CONFLICT (scope, key) DO UPDATE SET
			fingerprint = EXCLUDED.fingerprint, status = NULL, headers = NULL, body = NULL,
			recovery_point = CASE WHEN old.expires_at <= now() THEN 'started' ELSE old.recovery_point END, created_at = now(),
			lease_token = EXCLUDED.lease_token, lease_until = EXCLUDED.lease_until, expires_at = EXCLUDED.expires_at
		WHERE old.expires_at <= now() OR old.lease_until <= now()
		RETURNING lease_token::text, recovery_point`,
		request.Scope, request.Key, request.Fingerprint, lease, cmp.Or(keep, defaultKeep)).Scan(&taken.Token, &taken.Point)
	if err != nil {
		return Lease{}, fmt.Errorf("claim idempotency key: %w", err)
	}
	return taken, nil
}

// Advance moves claimed requests to [GatewayCalled], in the transaction that stores their outcome. It needs
// no lease: the outcome is the same whichever process learned it. A key that another transaction is claiming now is
// skipped: that transaction may wait for the outcome's own row, and then both would wait for ever. The point only
// saves a successor work, so a successor that starts from [Started] looks for an outcome first.
func Advance(ctx context.Context, tx pgx.Tx, requests []Request) error {
	scopes, keys := columns(requests)
	_, err := tx.Exec(ctx, `
		UPDATE idempotency_key SET recovery_point = 'gateway_called'
		WHERE (scope, key) IN (
			SELECT scope, key FROM idempotency_key JOIN unnest($1::text[], $2::text[]) AS known (scope, key) USING (scope, key)
			WHERE recovery_point = 'started' FOR UPDATE OF idempotency_key SKIP LOCKED)`, scopes, keys)
	if err != nil {
		return fmt.Errorf("advance idempotency keys: %w", err)
	}
	return nil
}

// Yield ends a lease early, without a response: the outcome is not known yet, and the client's next attempt
// takes over at once. A lease that another request took over is left alone.
func Yield(ctx context.Context, tx pgx.Tx, request Request, token string) error {
	_, err := tx.Exec(ctx, `
		UPDATE idempotency_key SET lease_until = now()
		WHERE scope = $1 AND key = $2 AND status IS NULL AND lease_token = $3`,
		request.Scope, request.Key, token)
	if err != nil {
		return fmt.Errorf("yield idempotency key: %w", err)
	}
	return nil
}
