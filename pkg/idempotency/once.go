package idempotency

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Failpoint is called at the points below, with the keys of what the request is about, and returns an error that is
// armed there. Tests make things fail with it; nil, as in production, costs nothing.
type Failpoint func(ctx context.Context, point string, keys ...string) error

// Where a [Failpoint] is called.
const (
	PointBegun     = "idempotency.begun"     // the key is held, and nothing is done
	PointStored    = "idempotency.stored"    // work and response are written, not committed
	PointCommitted = "idempotency.committed" // committed, and the client has no response yet
	PointReaped    = "idempotency.reaped"    // expired keys are deleted
)

// At calls the failpoint if there is one.
func (f Failpoint) At(ctx context.Context, point string, keys ...string) error {
	if f == nil {
		return nil
	}
	return f(ctx, point, keys...)
}

// Once executes requests at most once, each in a transaction of its own.
type Once struct {
	Do        func(ctx context.Context, fn func(tx pgx.Tx) error) error // runs fn in a transaction
	Failpoint Failpoint                                                 // optional
	Keep      time.Duration                                             // how long a response is replayed, 24 h when zero
}

// Run executes a request, or returns the response that it got before; then replayed is true. Keys name what the
// request is about, for a [Failpoint]. The error may be a [problem.Error] for the client: 409 while the request is
// being executed, 422 when the key belongs to another one.
func (o Once) Run(
	ctx context.Context, request Request, execute func(tx pgx.Tx) (Response, error), keys ...string,
) (response Response, replayed bool, err error) {
	err = o.Do(ctx, func(tx pgx.Tx) error {
		outcomes, err := Begin(ctx, tx, []Request{request})
		if err != nil {
			return err
		}
		if outcomes[0].Kind != Fresh {
			response, replayed = outcomes[0].Response, outcomes[0].Kind == Replay
			return outcomes[0].Err()
		}
		if err := o.Failpoint.At(ctx, PointBegun, keys...); err != nil {
			return err
		}
		if response, err = execute(tx); err != nil {
			return err
		}
		if err := Finish(ctx, tx, []Finished{{Request: request, Response: response, Keep: o.Keep}}); err != nil {
			return err
		}
		return o.Failpoint.At(ctx, PointStored, keys...)
	})
	if err == nil && !replayed {
		err = o.Failpoint.At(ctx, PointCommitted, keys...)
	}
	return response, replayed, err
}
