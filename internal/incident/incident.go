// Package incident records where a service cannot go on with an order by itself. At most one incident is open per order
// and kind; whoever opens or closes one publishes that in the same transaction.
package incident

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// Open opens an incident for an order and publishes IncidentOpened, unless one of this kind is open
// for the order already. It returns the id of the open incident, which is made of the order, the kind, and how many
// of this kind the order had before.
func Open(ctx context.Context, tx pgx.Tx, service events.Service, orderID, kind, reason string) (string, error) {
	// Of two that open the same incident, the second one counts after the first one's commit: they have one id.
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('incident ' || $1 || $2, 0))`, orderID, kind)
	if err != nil {
		return "", fmt.Errorf("lock incidents %s of order %s: %w", kind, orderID, err)
	}
	var before int
	err = tx.QueryRow(ctx, `SELECT count(*) FROM incident WHERE order_id = $1 AND kind = $2 AND resolved_at IS NOT NULL`,
		orderID, kind).Scan(&before)
	if err != nil {
		return "", fmt.Errorf("count incidents %s of order %s: %w", kind, orderID, err)
	}
	id := events.DerivedID(orderID, "incident", string(service), orderID, kind, strconv.Itoa(before))
	// The update changes nothing; it makes the statement return the row that is open already, whoever
	// opened it, and waits for one that is being resolved at this moment.
	var open string
	var opened bool
	err = tx.QueryRow(ctx, `
		INSERT INTO incident (id, order_id, kind, reason) VALUES ($1, $2, $3, $4)
		ON CONFLICT (order_id, kind) WHERE resolved_at IS NULL DO UPDATE SET kind = EXCLUDED.kind
		RETURNING id::text, xmax = 0 -- an updated row has been locked, and bears who did that
		`, id, orderID, kind, reason).Scan(&open, &opened)
	if err != nil {
		return "", fmt.Errorf("open incident %s of order %s: %w", kind, orderID, err)
	}
	if !opened {
		return open, nil
	}
	return open, messaging.Publish(ctx, tx, events.IncidentOpened{
		Subject:    events.Subject{OrderID: orderID},
		IncidentID: open,
		Service:    string(service),
		Kind:       kind,
		Reason:     reason,
	})
}

// Close closes the open incident of this kind, if there is one, and publishes IncidentResolved.
func Close(ctx context.Context, tx pgx.Tx, service events.Service, orderID, kind, resolution string) error {
	var id uuid.UUID
	err := tx.QueryRow(ctx, `
		UPDATE incident SET resolved_at = now(), resolution = $3
		WHERE order_id = $1 AND kind = $2 AND resolved_at IS NULL
		RETURNING id`, orderID, kind, resolution).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("close incident %s of order %s: %w", kind, orderID, err)
	}
	return messaging.Publish(ctx, tx, events.IncidentResolved{
		Subject:    events.Subject{OrderID: orderID},
		IncidentID: id.String(),
		Service:    string(service),
		Kind:       kind,
		Resolution: resolution,
	})
}

// KindLostCommits is the kind of incident of an order whose past a database has lost, and cannot get back.
const KindLostCommits = "lost_commits"

// kindDeadLetter is the kind of incident of an order about which a message is dead-lettered.
const kindDeadLetter = "poison"

// OnDeadLetter returns the hook of [outbox.Config] that opens an incident for the order of a dead letter.
func OnDeadLetter(service events.Service) func(context.Context, pgx.Tx, outbox.DeadLetterRow) error {
	return func(ctx context.Context, tx pgx.Tx, row outbox.DeadLetterRow) error {
		if !messaging.IsID(row.Key) { // nobody's order
			return nil
		}
		_, err := Open(ctx, tx, service, row.Key, kindDeadLetter, row.Reason)
		return err
	}
}

// CloseDeadLetter closes the order's incident when none of its dead letters is open any more. The incident is locked
// before they are counted: of two letters that are closed at the same time, the second sees that it is the last.
func CloseDeadLetter(ctx context.Context, tx pgx.Tx, service events.Service, orderID, resolution string) error {
	if !messaging.IsID(orderID) {
		return nil
	}
	_, err := tx.Exec(ctx, `
		SELECT FROM incident WHERE order_id = $1 AND kind = $2 AND resolved_at IS NULL FOR UPDATE`, orderID, kindDeadLetter)
	if err != nil {
		return fmt.Errorf("lock the incident %s of order %s: %w", kindDeadLetter, orderID, err)
	}
	var more bool
	err = tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM dead_letter WHERE key = $1 AND closed_at IS NULL)`, orderID).Scan(&more)
	if err != nil {
		return fmt.Errorf("look for more dead letters of order %s: %w", orderID, err)
	}
	if more {
		return nil
	}
	return Close(ctx, tx, service, orderID, kindDeadLetter, resolution)
}

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of incidents, and of what operators did about them and about dead letters.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	return sub
}
