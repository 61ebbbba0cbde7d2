package idempotency

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
)

// Once executes requests at most once, each in a transaction of its own. Do runs a function in a
// transaction; the outbox's Tx also wakes the relay. Faults and Keep may be zero.
type Once struct {
	Do     func(ctx context.Context, fn func(tx pgx.Tx) error) error
	Faults *failpoint.Set
	Keep   time.Duration
}

// Run answers one request: by executing it, or with the answer that it got before, and then replayed is
// true. Orders are the ids that the request is about, for faults that are armed for one order.
func (o Once) Run(ctx context.Context, request Request,
	execute func(tx pgx.Tx) (Response, error), orders ...string) (answer Response, replayed bool, err error) {
	err = o.Do(ctx, func(tx pgx.Tx) error {
		outcomes, err := Begin(ctx, tx, []Request{request})
		if err != nil {
			return err
		}
		if outcomes[0].Kind != Fresh {
			answer, replayed = outcomes[0].Response, outcomes[0].Kind == Replay
			return outcomes[0].Err()
		}
		if err := o.Faults.At(ctx, failpoint.IdempotencyBegun, orders...); err != nil {
			return err
		}
		if answer, err = execute(tx); err != nil {
			return err
		}
		if err := Finish(ctx, tx, []Finished{{Request: request, Response: answer, Keep: o.Keep}}); err != nil {
			return err
		}
		return o.Faults.At(ctx, failpoint.IdempotencyStored, orders...)
	})
	if err == nil && !replayed {
		err = o.Faults.At(ctx, failpoint.IdempotencyCommitted, orders...)
	}
	return answer, replayed, err
}
