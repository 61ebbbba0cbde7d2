package payment

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/batch"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
)

// Scopes keep the keys of the two operations apart.
const (
	scopeCharge = "charge"
	scopeRefund = "refund"
)

// keepKeys is for how long an answer is replayed. Beneath the key that expires stands the one that does not: the
// reference of a charge, and the charge of a refund.
const keepKeys = 7 * 24 * time.Hour

// direct carries out payments that a client of the API owns. Each request is three steps, and each step leaves a
// recovery point from which another request with the same key can go on:
//
//	start   one transaction: claim the key, record the payment, lease it       → started
//	call    the gateway, and store its answer like any other (charge.go)       → gateway_called
//	answer  one transaction: store what the client is told                     → finished
//
// A process that dies in between leaves a lease that ends. Then the client's next attempt takes over, and so do
// the workers, who finish every payment whether its client comes back or not.
type direct struct {
	*workers
	starts *batch.Batcher[wanted, started]
}

// startAtOnce bounds a group of requests, and with it the advisory locks that its transaction holds.
const startAtOnce = 256

func newDirect(w *workers) direct {
	d := direct{workers: w}
	// Requests start in groups. A client that sends one request a thousand times must not take the connections
	// that the workers need to store their answers.
	d.starts = batch.New(startAtOnce, d.startAll)
	return d
}

// wanted is what one request wants done.
type wanted struct {
	idempotency.Request
	// record writes the payment down, or finds it where this request recorded it before. It refuses what is not
	// allowed; then nothing is stored, not even the key.
	record func(ctx context.Context, tx pgx.Tx) (record, error)
	// answer tells the client what became of it; false while nobody knows.
	answer func(record) (idempotency.Response, bool, error)
}

// started is what became of a request's first step: an answer from before, a refusal, or work for this process.
type started struct {
	before kept
	err    error
	lease  idempotency.Lease
	record record
	claims []Claim // one, where the gateway has to be called
}

// run executes a request once, or answers what it was answered before.
func (d direct) run(ctx context.Context, w wanted) (kept, error) {
	ctx = context.WithoutCancel(ctx) // a client that hangs up does not stop what was begun
	s, err := d.starts.Do(ctx, w)
	if errors.Is(err, batch.ErrBusy) {
		err = &problem.Error{Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
			Detail: "Too many requests are waiting."}
	}
	if err := cmp.Or(err, s.err); err != nil || s.before.replayed {
		return s.before, err
	}
	if err := d.faults.At(ctx, failpoint.IdempotencyBegun, s.record.OrderID); err != nil {
		return kept{}, err
	}
	for _, c := range s.claims {
		d.callNow(ctx, c)
	}
	return d.answer(ctx, w, s)
}

// startAll takes a group of requests through their first step. Each fresh one has a savepoint, so that a refusal
// takes back its own key and nothing else.
func (d direct) startAll(ctx context.Context, group []wanted) ([]started, error) {
	all, requests := make([]started, len(group)), make([]idempotency.Request, len(group))
	for i, w := range group {
		requests[i] = w.Request
	}
	err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		outcomes, err := idempotency.Begin(ctx, tx, requests)
		for i, outcome := range outcomes {
			if all[i].err = outcome.Err(); outcome.Kind == idempotency.Replay {
				all[i].before = kept{outcome.Response, true}
			}
			if outcome.Kind == idempotency.Fresh {
				all[i].err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return d.start(ctx, tx, group[i], &all[i]) })
			}
		}
		return err
	})
	return all, err
}

// start claims the key and the payment together, so that neither is ever there without the other.
func (d direct) start(ctx context.Context, tx pgx.Tx, w wanted, s *started) (err error) {
	if s.lease, err = idempotency.Claim(ctx, tx, w.Request, d.attemptTime()+finishTime, keepKeys); err != nil {
		return err
	}
	if s.record, err = w.record(ctx, tx); err != nil {
		return err
	}
	if s.lease.Point == idempotency.Started {
		s.claims, err = d.lease(ctx, tx, 1, `order_id = $6`, s.record.OrderID)
	}
	if err == nil && len(s.claims) == 0 && s.record.open() { // a worker has it
		err = idempotency.Outcome{Kind: idempotency.InProgress}.Err()
	}
	return err
}

// callNow is what the workers do with a payment, while the client waits for it. When no slot gets free in
// time it is left to them.
func (d direct) callNow(ctx context.Context, c Claim) {
	attempt, cancel := d.attempt(ctx)
	defer cancel()
	defer d.keep(attempt, c)()
	select {
	case d.slots <- struct{}{}:
		defer d.release(1)
		d.finish(attempt, c, d.call(attempt, c))
	case <-attempt.Done():
	}
}

// answer stores what the client is told. When the outcome is unknown nothing is: the key is yielded, and the
// next attempt goes on from the recovery point that was reached.
func (d direct) answer(ctx context.Context, w wanted, s started) (kept, error) {
	var told kept
	undecided := false
	err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		r, err := directOf(ctx, tx, s.record.Direct)
		if err != nil {
			return err
		}
		response, decided, err := w.answer(r)
		if err != nil {
			return err
		}
		if undecided = !decided; undecided {
			return idempotency.Yield(ctx, tx, w.Request, s.lease.Token)
		}
		told = kept{response, false}
		if err := idempotency.Finish(ctx, tx, []idempotency.Finished{{
			Request: w.Request, Response: response, Keep: keepKeys, Lease: s.lease.Token,
		}}); err != nil {
			return err
		}
		return d.faults.At(ctx, failpoint.IdempotencyStored, s.record.OrderID)
	})
	if err == nil && undecided {
		err = &problem.Error{
			Status: http.StatusServiceUnavailable, Title: "Not decided yet", RetryAfter: time.Second,
			Detail: "The card gateway has given no definite answer yet. Send the same request with the same key again.",
		}
	}
	if err == nil {
		err = d.faults.At(ctx, failpoint.IdempotencyCommitted, s.record.OrderID)
	}
	return told, err
}

// advanceRequests notes for direct payments that their outcome is stored, with that outcome.
func advanceRequests(ctx context.Context, tx pgx.Tx, changes []change) error {
	var known []idempotency.Request
	for _, c := range changes {
		switch {
		case c.held.Direct == "" || c.next.Undecided:
		case c.held.State == Refunding:
			known = append(known, idempotency.Request{Scope: scopeRefund, Key: c.held.RefundRequest})
		default:
			known = append(known, idempotency.Request{Scope: scopeCharge, Key: c.held.ChargeRequest})
		}
	}
	if len(known) == 0 {
		return nil
	}
	return idempotency.Advance(ctx, tx, known)
}
