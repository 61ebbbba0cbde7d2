package inventory

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// waits is how a person has payment asked once more about an order whose stock is held.
var waits = adminapi.Waits{Kind: kindUnanswered, Whom: "payment", For: requestOf, Repeat: repeatRequest,
	Complete: complete}

// sweeper watches over stock that is held: payment and shipping end that, and it asks them again when they do not.
type sweeper struct {
	tx       func(ctx context.Context, fn func(tx pgx.Tx) error) error
	patience asking.Patience
}

// runOnce asks again about some of the orders whose stock is held for too long, and opens an incident where that
// did not help.
func (s sweeper) runOnce(ctx context.Context) error {
	return s.tx(ctx, func(tx pgx.Tx) error {
		stuck, err := lockUnanswered(ctx, tx, s.patience)
		if err != nil {
			return err
		}
		for _, id := range stuck {
			why := fmt.Sprintf("its stock has been held for %v, and nobody answers what became of it", s.patience.Budget)
			if _, err := incident.Open(ctx, tx, events.Inventory, id, kindUnanswered, why); err != nil {
				return err
			}
		}
		requests, err := repeatRequests(ctx, tx, s.patience)
		if err != nil {
			return err
		}
		return messaging.Publish(ctx, tx, requests...)
	})
}

// restore notes how often payment was asked, which nothing but the requests themselves has after the database has lost
// it: a request with a number that was used before would not be published.
func restore(ctx context.Context, tx pgx.Tx, _ events.Envelope, event events.Event) error {
	if again, is := event.(events.InventoryReserved); is {
		return setAttempt(ctx, tx, again.OrderID, again.Attempt)
	}
	return nil
}

// complete stores the order that stock is held for, where the reservation is from before it was stored. Payment and
// shipping compare it with what they know when they are asked.
func complete(ctx context.Context, tx pgx.Tx, orderID string, order events.Snapshot) error {
	lines, err := quantities(order.Lines)
	if err != nil {
		return problem.New(http.StatusBadRequest, "This is no order: "+err.Error()+".")
	}
	tag, err := tx.Exec(ctx, `
		UPDATE reservation SET snapshot = $2
		WHERE order_id = $1 AND $1::text = $4 AND state = 'RESERVED' AND snapshot IS NULL AND lines = $3`,
		orderID, order, lines, order.OrderID)
	if err == nil && tag.RowsAffected() == 0 {
		return problem.New(http.StatusConflict, "This is another order than the one that the stock is held for.")
	}
	if err != nil {
		return fmt.Errorf("store the order of reservation %s: %w", orderID, err)
	}
	return nil
}
