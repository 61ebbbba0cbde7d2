// Package adminapi is what people do about a service's data when the service cannot go on by itself: it shows
// incidents and dead letters on the admin listener, has dead letters redriven or discarded, and records every action,
// with who, when, why, before and after.
//
// An action is a transaction of the service that does it, and the record is a row in it ([API.Do]). The service's
// login can neither change nor delete the row. The request's Idempotency-Key stands in it, so a request that is sent
// again finds its own record and is answered with the same bytes, however much later.
package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/lostcommits"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/idempotency"
)

// API is the operators' API of one service. Transact runs a transaction; the outbox's wakes the relay after it.
type API struct {
	Pool     *pgxpool.Pool
	Transact func(ctx context.Context, fn func(tx pgx.Tx) error) error
	Outbox   *messaging.Outbox  // whose dead letters are worked on
	Guard    *lostcommits.Guard // optional: of the service's database
	Faults   *failpoint.Set     // optional
	// Inspect returns the state of what an incident is about, and what can be done about it now. Optional: without it
	// nothing can be done, and the incidents of such a service close by themselves.
	Inspect func(ctx context.Context, incident Incident) (state any, possible []Step, err error)
	Waits   Waits // optional: a service that waits for others
	// Tables are the service's own tables about orders, to be shown; those of the outbox are added to them.
	Tables []Table
}

// Step is something that an operator may do now.
type Step struct {
	Action  string `json:"action"`            // the last part of the address, "retry" or "resolve"
	Outcome string `json:"outcome,omitempty"` // the outcome that a resolve must name
	Means   string `json:"means"`             // what will happen
}

// Action is what was done.
type Action struct {
	By         string
	Why        string
	Action     string
	TargetKind string
	TargetID   string
	Before     any
	After      any
	Answer     any // the body of the answer
}

// Do carries an action out in a transaction and records it there. A request that was carried out before is
// answered with the bytes that it got then, and replayed is true. Two with one key at once wait for each other.
func (a API) Do(ctx context.Context, request idempotency.Request,
	act func(tx pgx.Tx) (Action, error)) (answer []byte, replayed bool, err error) {
	err = a.Transact(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('operator_action ' || $1, 0))`,
			request.Key); err != nil {
			return fmt.Errorf("lock an operator's key: %w", err)
		}
		if answer, replayed, err = Answered(ctx, tx, request); err != nil || replayed {
			return err
		}
		action, err := act(tx)
		if err != nil {
			return err
		}
		if answer, err = record(ctx, tx, request, action); err != nil {
			return err
		}
		return a.Faults.At(ctx, failpoint.OperatorBeforeCommit)
	})
	if err == nil {
		err = a.Faults.At(ctx, failpoint.OperatorCommitted)
	}
	if err != nil {
		return nil, false, err
	}
	return answer, replayed, nil
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Answered is the answer that the request has got before, if it has. Whoever calls somebody before the transaction
// asks here first, so that a repeated request calls nobody.
func Answered(ctx context.Context, q querier, request idempotency.Request) (answer []byte, found bool, err error) {
	same := false
	err = q.QueryRow(ctx, `SELECT fingerprint = $2, answer FROM operator_action WHERE request_key = $1`,
		request.Key, request.Fingerprint).Scan(&same, &answer)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("look an operator's key up: %w", err)
	case !same:
		return nil, false, idempotency.Outcome{Kind: idempotency.OtherBody}.Err()
	}
	return answer, true, nil
}

// record writes the row, and returns the answer as it will be sent.
func record(ctx context.Context, tx pgx.Tx, request idempotency.Request, a Action) ([]byte, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make an id of an action: %w", err)
	}
	answer, err := json.Marshal(a.Answer)
	if err != nil {
		return nil, fmt.Errorf("encode the answer to an operator: %w", err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO operator_action (id, request_key, fingerprint, by, why, action, target_kind, target_id, before, after,
		  answer)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		id, request.Key, request.Fingerprint, a.By, a.Why, a.Action, a.TargetKind, a.TargetID, a.Before, a.After, answer)
	if err != nil {
		return nil, fmt.Errorf("record what an operator did: %w", err)
	}
	return answer, nil
}
