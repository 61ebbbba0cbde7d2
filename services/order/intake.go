package order

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/services/order/apiversion"
)

// maxBatch is how many requests share a transaction at most. A commit costs the same for one as for many; at a few
// hundred the statements themselves begin to take longer than it.
const maxBatch = 256

// intake turns requests into orders, once per idempotency key. Requests that arrive while it commits gather and share
// the next transaction.
type intake struct {
	tx       transaction
	faults   *failpoint.Set
	deadline time.Duration // from acceptance
	version  eventVersion  // of OrderCreated
}

// placement is one request to place an order.
type placement struct {
	id      string // of the order, if it becomes one
	request idempotency.Request
	command PlaceOrder
	version apiversion.Version // in which it is answered
	trace   string             // of the request
	began   time.Time          // when it came
}

// asEvents is the request as its event names it, so that it is known where this database has lost it.
func (p placement) asEvents() events.Request {
	return events.Request{
		Key: p.request.Key, Hash: hex.EncodeToString(p.request.Fingerprint), APIVersion: p.version.String(),
	}
}

// placed is its result: an answer, or an error for this client alone.
type placed struct {
	answer   idempotency.Response
	replayed bool
	err      error
}

// commit answers requests that waited together. Where the database refuses the data of one of them, each is tried
// alone, so that the others are stored.
func (in intake) commit(ctx context.Context, all []placement) ([]placed, error) {
	ctx, span := tracing.Batch(ctx, "commit batch", roots(all)...)
	results, err := in.commitBatch(ctx, all)
	tracing.End(span, time.Time{}, err)
	if !isDataError(err) {
		return results, err
	}
	results = make([]placed, len(all))
	for i := range all {
		if alone, err := in.commitBatch(ctx, all[i:i+1]); err != nil {
			results[i].err = err
		} else {
			results[i] = alone[0]
		}
	}
	return results, nil
}

// roots are those of the traces of what may become orders.
func roots(all []placement) []string {
	if !tracing.On() {
		return nil
	}
	list := make([]string, len(all))
	for i, p := range all {
		list[i] = tracing.Root(p.id)
	}
	return list
}

// isDataError separates data that is refused (SQLSTATE classes 22 and 23) from a database that does not work.
func isDataError(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (strings.HasPrefix(refused.Code, "22") || strings.HasPrefix(refused.Code, "23"))
}

// commitBatch is the transaction: keys, prices, orders with their history, events, answers. Each is one statement,
// however many requests there are.
func (in intake) commitBatch(ctx context.Context, all []placement) ([]placed, error) {
	b := batch{placements: all, results: make([]placed, len(all))}
	ids := idsOf(all)
	if err := in.failpoints(ctx, ids, failpoint.IntakeGathered); err != nil {
		return nil, err
	}
	err := in.tx(ctx, func(tx pgx.Tx) error {
		if err := b.begin(ctx, tx); err != nil {
			return err
		}
		if err := in.failpoints(ctx, ids, failpoint.IdempotencyBegun); err != nil {
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
		return in.failpoints(ctx, ids, failpoint.IdempotencyStored, failpoint.IntakeBeforeCommit)
	})
	if err != nil {
		return nil, err
	}
	return b.results, in.failpoints(ctx, ids, failpoint.IdempotencyCommitted, failpoint.IntakeAfterCommit)
}

func (in intake) failpoints(ctx context.Context, ids []string, points ...failpoint.Point) error {
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

// batch is the requests of one transaction.
type batch struct {
	placements []placement
	results    []placed
	fresh      []int   // the placements that are executed
	orders     []Order // what they became, in the same order
}

// begin finds out which requests are new, and answers the others.
func (b *batch) begin(ctx context.Context, tx pgx.Tx) error {
	requests := make([]idempotency.Request, 0, len(b.placements))
	for _, p := range b.placements {
		requests = append(requests, p.request)
	}
	outcomes, err := idempotency.Begin(ctx, tx, requests)
	if err != nil {
		return err
	}
	for i, outcome := range outcomes {
		if outcome.Kind == idempotency.Fresh {
			b.fresh = append(b.fresh, i)
			continue
		}
		b.results[i] = placed{outcome.Response, outcome.Kind == idempotency.Replay, outcome.Err()}
	}
	return nil
}

// accept makes orders of the new requests, or refuses them. A refused request leaves its key free.
func (b *batch) accept(ctx context.Context, tx pgx.Tx) error {
	if len(b.fresh) == 0 {
		return nil
	}
	prices, err := readPrices(ctx, tx, b.skus())
	if err != nil {
		return err
	}
	accepted := b.fresh[:0]
	for _, i := range b.fresh {
		snapshot, err := accept(b.placements[i].id, b.placements[i].command, prices)
		if err != nil {
			b.results[i].err = err
			continue
		}
		accepted = append(accepted, i)
		b.orders = append(b.orders, Order{Snapshot: snapshot, Contact: b.placements[i].command.Contact, Status: Pending})
	}
	b.fresh = accepted
	return nil
}

// skus are those that the new requests ask for, each once.
func (b *batch) skus() []string {
	var skus []string
	for _, i := range b.fresh {
		for _, item := range b.placements[i].command.Items {
			skus = append(skus, item.SKU)
		}
	}
	slices.Sort(skus)
	return slices.Compact(skus)
}

// store writes the orders and the events that begin their sagas, each with the cause of its own request.
func (b *batch) store(ctx context.Context, tx pgx.Tx, in intake) error {
	if len(b.orders) == 0 {
		return nil
	}
	now, err := insertOrders(ctx, tx, b.orders, in.deadline)
	if err != nil {
		return err
	}
	created := make([]events.Event, 0, len(b.orders))
	for n, i := range b.fresh {
		order := &b.orders[n]
		order.CreatedAt, order.UpdatedAt, order.Deadline = now, now, now.Add(in.deadline)
		event := in.version.created(order.Snapshot, order.Contact)
		cause := outbox.Cause{TraceParent: tracing.Root(event.Order())}
		created = append(created, messaging.RequestedBy(b.placements[i].asEvents(), now, cause, event))
	}
	if err := messaging.Publish(ctx, tx, created...); err != nil {
		return err
	}
	for _, i := range b.fresh {
		p := b.placements[i]
		tracing.Accepted(ctx, p.id, p.trace, p.began, time.Now())
	}
	return nil
}

// finish stores the answers together with their orders.
func (b *batch) finish(ctx context.Context, tx pgx.Tx) error {
	finished := make([]idempotency.Finished, 0, len(b.orders))
	for n, i := range b.fresh {
		var err error
		if b.results[i].answer, err = accepted(b.orders[n], b.placements[i].version); err != nil {
			return err
		}
		finished = append(finished, idempotency.Finished{Request: b.placements[i].request, Response: b.results[i].answer})
	}
	return idempotency.Finish(ctx, tx, finished)
}

// accepted is the answer to a request that has become an order.
func accepted(o Order, version apiversion.Version) (idempotency.Response, error) {
	body, err := json.Marshal(inVersion(version, o))
	if err != nil {
		return idempotency.Response{}, fmt.Errorf("encode order %s: %w", o.OrderID, err)
	}
	return idempotency.Response{
		Status: http.StatusAccepted,
		Header: map[string]string{"Content-Type": "application/json", "Location": version.Path(o.OrderID)},
		Body:   append(body, '\n'),
	}, nil
}
