package order

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/outbox"
)

// atOnce is how many requests share a transaction at most. A commit costs the same for one as for many; a
// few hundred is where the statements themselves begin to take longer than it.
const atOnce = 256

// intake turns wishes into orders, once per idempotency key. Requests that arrive while it commits gather
// and share the next transaction.
type intake struct {
	do       transaction
	faults   *failpoint.Set
	patience time.Duration // from acceptance to deadline
	version  version       // in which the beginning of a saga is said
	mails    bool          // whether there is a mail server to tell customers by
}

// placement is one request to place an order.
type placement struct {
	id      string // of the order, if it becomes one
	request idempotency.Request
	wish    Wish
	form    form // in which it is answered
	cause   outbox.Cause
}

// placed is what became of it: an answer, or an error for this client alone.
type placed struct {
	answer   idempotency.Response
	replayed bool
	err      error
}

// commit answers requests that waited together. What the database refuses because of one of them must not
// take the others along: then each is tried alone.
func (in intake) commit(ctx context.Context, all []placement) ([]placed, error) {
	results, err := in.together(ctx, all)
	if !blamesARow(err) {
		return results, err
	}
	results = make([]placed, len(all))
	for i := range all {
		if alone, err := in.together(ctx, all[i:i+1]); err != nil {
			results[i].err = err
		} else {
			results[i] = alone[0]
		}
	}
	return results, nil
}

// blamesARow tells data that is refused (SQLSTATE classes 22 and 23) from a database that cannot work.
func blamesARow(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (strings.HasPrefix(refused.Code, "22") || strings.HasPrefix(refused.Code, "23"))
}

// together is the transaction: keys, prices, orders with their history, events, answers. Each is one
// statement, however many requests there are.
func (in intake) together(ctx context.Context, all []placement) ([]placed, error) {
	b := batch{placements: all, results: make([]placed, len(all))}
	ids := idsOf(all)
	if err := in.passes(ctx, ids, failpoint.IntakeGathered); err != nil {
		return nil, err
	}
	err := in.do(ctx, func(tx pgx.Tx) error {
		if err := b.begin(ctx, tx); err != nil {
			return err
		}
		if err := in.passes(ctx, ids, failpoint.IdempotencyBegun); err != nil {
			return err
		}
		if err := b.accept(ctx, tx); err != nil {
			return err
		}
		if err := b.store(ctx, tx, in); err != nil {
			return err
		}
		if err := b.finish(ctx, tx); err != nil {
			return err
		}
		return in.passes(ctx, ids, failpoint.IdempotencyStored, failpoint.IntakeBeforeCommit)
	})
	if err != nil {
		return nil, err
	}
	return b.results, in.passes(ctx, ids, failpoint.IdempotencyCommitted, failpoint.IntakeAfterCommit)
}

func (in intake) passes(ctx context.Context, ids []string, points ...failpoint.Point) error {
	for _, point := range points {
		if err := in.faults.At(ctx, point, ids...); err != nil {
			return err
		}
	}
	return nil
}

func idsOf(all []placement) []string {
	ids := make([]string, 0, len(all))
	for _, p := range all {
		ids = append(ids, p.id)
	}
	return ids
}
