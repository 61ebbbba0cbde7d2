package order

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
)

// overdueAtOnce bounds what one transaction of the sweeper takes, so that it never holds many rows for long.
const overdueAtOnce = 200

// waits is how a person has shipping asked once more about an order that takes too long.
var waits = adminapi.Waits{Kind: kindOverdue, Whom: "shipping", For: requestOf, Repeat: repeatRequest}

// sweeper watches over deadlines.
type sweeper struct {
	tx       transaction
	faults   *failpoint.Set
	patience asking.Patience // with cancels: after the budget an incident is opened
}

// runOnce requests the cancel of every order that is pending beyond its deadline, and opens incidents for those whose
// cancel takes too long, about which shipping is asked again. A pending order with an open incident is left alone: a
// person decides about it.
func (s sweeper) runOnce(ctx context.Context) error {
	return errors.Join(
		s.each(ctx, lockOverdue, func(tx pgx.Tx, found []string) error {
			if err := s.faults.At(ctx, failpoint.DeadlineFound, found...); err != nil {
				return err
			}
			return askToCancel(ctx, tx, found, byDeadline)
		}),
		s.tx(ctx, func(tx pgx.Tx) error {
			requests, err := repeatRequests(ctx, tx, s.patience)
			if err != nil {
				return err
			}
			return messaging.Publish(ctx, tx, requests...)
		}),
		s.each(ctx, s.lockStuck, func(tx pgx.Tx, found []string) error { return s.openIncidents(ctx, tx, found) }),
	)
}

// each acts on all orders that a query finds, some of them at a time.
func (s sweeper) each(
	ctx context.Context, find func(context.Context, pgx.Tx, int) ([]string, error),
	act func(tx pgx.Tx, found []string) error,
) error {
	for {
		var found []string
		err := s.tx(ctx, func(tx pgx.Tx) (err error) {
			if found, err = find(ctx, tx, overdueAtOnce); err != nil || len(found) == 0 {
				return err
			}
			return act(tx, found)
		})
		if err != nil || len(found) == 0 {
			return err
		}
		if err := s.faults.At(ctx, failpoint.DeadlineCommitted, found...); err != nil || len(found) < overdueAtOnce {
			return err
		}
	}
}

func (s sweeper) lockStuck(ctx context.Context, tx pgx.Tx, limit int) ([]string, error) {
	return lockStuck(ctx, tx, s.patience.Budget, limit)
}

// openIncidents opens one for each order that is neither shipped nor cancelled in time. It closes in the transaction
// that ends the order; until then the sweeper leaves the order alone.
func (s sweeper) openIncidents(ctx context.Context, tx pgx.Tx, found []string) error {
	for _, id := range found {
		reason := fmt.Sprintf("neither shipped nor cancelled %v after somebody asked for the cancel", s.patience.Budget)
		if _, err := incident.Open(ctx, tx, events.Order, id, kindOverdue, reason); err != nil {
			return err
		}
	}
	return nil
}
