package order

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
)

// batch is the requests of one transaction on their way to answers.
type batch struct {
	placements []placement
	results    []placed
	fresh      []int   // which placements are executed
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
		snapshot, err := accept(b.placements[i].id, b.placements[i].wish, prices)
		if err != nil {
			b.results[i].err = err
			continue
		}
		accepted = append(accepted, i)
		b.orders = append(b.orders, Order{Snapshot: snapshot, Contact: b.placements[i].wish.Contact, Status: Pending})
	}
	b.fresh = accepted
	return nil
}

// skus are those that the new requests ask for, each once.
func (b *batch) skus() []string {
	var skus []string
	for _, i := range b.fresh {
		for _, item := range b.placements[i].wish.Items {
			skus = append(skus, item.SKU)
		}
	}
	slices.Sort(skus)
	return slices.Compact(skus)
}

// store writes the orders, and the events that begin their sagas, each in the trace of its own request.
func (b *batch) store(ctx context.Context, tx pgx.Tx, in intake) error {
	if len(b.orders) == 0 {
		return nil
	}
	now, err := insertOrders(ctx, tx, b.orders, in.patience, in.mails)
	if err != nil {
		return err
	}
	created := make([]events.Event, 0, len(b.orders))
	for n, i := range b.fresh {
		order := &b.orders[n]
		order.CreatedAt, order.UpdatedAt, order.Deadline = now, now, now.Add(in.patience)
		created = append(created, messaging.CausedBy(b.placements[i].cause, in.version.created(order.Snapshot)))
	}
	return messaging.Publish(ctx, tx, created...)
}

// finish stores the answers with the orders that they tell of.
func (b *batch) finish(ctx context.Context, tx pgx.Tx) error {
	finished := make([]idempotency.Finished, 0, len(b.orders))
	for n, i := range b.fresh {
		form := b.placements[i].form
		body, err := json.Marshal(form.show(b.orders[n]))
		if err != nil {
			return fmt.Errorf("encode order %s: %w", b.placements[i].id, err)
		}
		b.results[i].answer = idempotency.Response{
			Status: http.StatusAccepted,
			Header: map[string]string{"Content-Type": "application/json", "Location": form.address(b.placements[i].id)},
			Body:   append(body, '\n'),
		}
		finished = append(finished, idempotency.Finished{Request: b.placements[i].request, Response: b.results[i].answer})
	}
	return idempotency.Finish(ctx, tx, finished)
}
