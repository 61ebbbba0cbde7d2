package testkit

import (
	"context"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/outbox"
)

// Alone calls a step of [outbox.HandleBatch] with one event, and returns its answer. The event's cause is that of ctx,
// or an empty one.
func Alone[E, R any](ctx context.Context, tx pgx.Tx, event E,
	step func(ctx context.Context, tx pgx.Tx, events []E) ([]R, error)) (answer R, err error) {
	answers, err := step(outbox.WithCause(ctx, outbox.CauseOf(ctx)), tx, []E{event})
	if err != nil || len(answers) == 0 {
		return answer, err
	}
	return answers[0], nil
}
