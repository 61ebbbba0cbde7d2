// Package direct carries out payments that a client of the API owns: no saga takes part in them.
package direct

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/batch"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/payment/charge"
)

// API answers the requests that move money. Each is three steps, and each step leaves a
// recovery point from which another request with the same key can go on:
//
//	start   one transaction: claim the key, record the payment, lease it       → started
//	call    the gateway, and store its answer as the workers do                → gateway_called
//	answer  one transaction: store the response to the client                  → finished
//
// A process that dies in between leaves a lease that ends. Then the client's next attempt takes over, and so do
// the workers, who finish every payment whether its client comes back or not.
type API struct {
	pool   *pgxpool.Pool
	caller caller
	faults *failpoint.Set
	starts *batch.Batcher[operation, started]
}

// caller leases a payment for this process and calls the gateway for it: [charge.Workers].
type caller interface {
	Lease(ctx context.Context, tx pgx.Tx, orderID string) ([]charge.Claim, error)
	CallNow(ctx context.Context, c charge.Claim)
}

// startAtOnce bounds a group of requests, and with it the advisory locks that its transaction holds.
const startAtOnce = 256

// keepKeys is for how long an answer is replayed. Beneath the key that expires stands the one that does not: the
// reference of a charge, and the charge of a refund.
const keepKeys = 7 * 24 * time.Hour

// New makes the API. Requests start in groups: a client that sends one request a thousand times must not take the
// connections that the workers need to store their answers.
func New(pool *pgxpool.Pool, w *charge.Workers, faults *failpoint.Set) API {
	a := API{pool: pool, caller: w, faults: faults}
	a.starts = batch.New(startAtOnce, a.startAll)
	return a
}

// operation is what one request asks for.
type operation struct {
	idempotency.Request
	// record writes the payment down, or finds it where this request recorded it before. It refuses what is not
	// allowed; then nothing is stored, not even the key.
	record func(ctx context.Context, tx pgx.Tx) (charge.Payment, error)
	// respond makes the response to the client of what is stored; false while the outcome is unknown.
	respond func(ctx context.Context, tx pgx.Tx, reference string) (idempotency.Response, bool, error)
}

// started is what became of a request's first step: a response from before, a refusal, or work for this process.
type started struct {
	before  Response
	err     error
	lease   idempotency.Lease
	payment charge.Payment
	claims  []charge.Claim // one, where the gateway has to be called
}

// run executes a request once, or repeats its response.
func (a API) run(ctx context.Context, o operation) (Response, error) {
	ctx = context.WithoutCancel(ctx) // a client that hangs up does not stop what was begun
	s, err := a.starts.Do(ctx, o)
	if errors.Is(err, batch.ErrBusy) {
		err = &problem.Error{Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
			Detail: "Too many requests are waiting."}
	}
	if err := cmp.Or(err, s.err); err != nil || s.before.replayed {
		return s.before, err
	}
	if err := a.faults.At(ctx, failpoint.IdempotencyBegun, s.payment.OrderID); err != nil {
		return Response{}, err
	}
	for _, c := range s.claims {
		a.caller.CallNow(ctx, c)
	}
	return a.answer(ctx, o, s)
}

// startAll takes a group of requests through their first step. Each fresh one has a savepoint, so that a refusal
// takes back its own key and nothing else.
func (a API) startAll(ctx context.Context, group []operation) ([]started, error) {
	all, requests := make([]started, len(group)), make([]idempotency.Request, len(group))
	for i, o := range group {
		requests[i] = o.Request
	}
	err := pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		outcomes, err := idempotency.Begin(ctx, tx, requests)
		for i, outcome := range outcomes {
			if all[i].err = outcome.Err(); outcome.Kind == idempotency.Replay {
				all[i].before = Response{outcome.Response, true}
			}
			if outcome.Kind == idempotency.Fresh {
				all[i].err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return a.start(ctx, tx, group[i], &all[i]) })
			}
		}
		return err
	})
	return all, err
}

// start claims the key and the payment together, so that neither is ever there without the other. Both are leased for
// the same time: when the process dies, the client's next attempt need not wait longer than the workers. While it lives
// it renews the payment's lease alone: whoever takes the key over meanwhile finds no payment to lease.
func (a API) start(ctx context.Context, tx pgx.Tx, o operation, s *started) (err error) {
	if s.lease, err = idempotency.Claim(ctx, tx, o.Request, charge.LeaseTime, keepKeys); err != nil {
		return err
	}
	if s.payment, err = o.record(ctx, tx); err != nil {
		return err
	}
	if s.lease.Point == idempotency.Started {
		s.claims, err = a.caller.Lease(ctx, tx, s.payment.OrderID)
	}
	if err == nil && len(s.claims) == 0 && s.payment.State.Open() { // a worker has it
		err = idempotency.Outcome{Kind: idempotency.InProgress}.Err()
	}
	return err
}

// answer stores the response to the client. When the outcome is unknown nothing is stored: the key is yielded, and the
// next attempt goes on from the recovery point that was reached.
func (a API) answer(ctx context.Context, o operation, s started) (Response, error) {
	var response Response
	decided := false
	err := pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) (err error) {
		if response.Response, decided, err = o.respond(ctx, tx, s.payment.Direct); err != nil {
			return err
		}
		if !decided {
			return idempotency.Yield(ctx, tx, o.Request, s.lease.Token)
		}
		if err := idempotency.Finish(ctx, tx, []idempotency.Finished{{
			Request: o.Request, Response: response.Response, Keep: keepKeys, Lease: s.lease.Token,
		}}); err != nil {
			return err
		}
		return a.faults.At(ctx, failpoint.IdempotencyStored, s.payment.OrderID)
	})
	switch {
	case errors.Is(err, idempotency.ErrTakenOver): // by a request that stores the same answer
		err = idempotency.Outcome{Kind: idempotency.InProgress}.Err()
	case err == nil && !decided:
		err = &problem.Error{
			Status: http.StatusServiceUnavailable, Title: "Not decided yet", RetryAfter: time.Second,
			Detail: "The card gateway has given no definite answer yet. Send the same request with the same key again.",
		}
	}
	if err == nil {
		err = a.faults.At(ctx, failpoint.IdempotencyCommitted, s.payment.OrderID)
	}
	return response, err
}
