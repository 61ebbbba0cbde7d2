package mailbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
)

// OpenIncident opens an incident for an order and puts IncidentOpened, unless one of this kind is open
// for the order already. It returns the id of the open incident.
func OpenIncident(ctx context.Context, tx pgx.Tx, service events.Service, orderID, kind, reason string) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an incident id: %w", err)
	}
	// The update changes nothing; it makes the statement return the row that is open already, whoever
	// opened it, and waits for one that is being opened or resolved at this moment.
	var open uuid.UUID
	err = tx.QueryRow(ctx, `
		INSERT INTO incident (id, order_id, kind, reason) VALUES ($1, $2, $3, $4)
		ON CONFLICT (order_id, kind) WHERE resolved_at IS NULL DO UPDATE SET kind = EXCLUDED.kind
		RETURNING id`, id, orderID, kind, reason).Scan(&open)
	if err != nil {
		return "", fmt.Errorf("open incident %s of order %s: %w", kind, orderID, err)
	}
	if open != id {
		return open.String(), nil
	}
	return open.String(), Put(ctx, tx, events.IncidentOpened{
		Subject:    events.Subject{OrderID: orderID},
		IncidentID: open.String(),
		Service:    string(service),
		Kind:       kind,
		Reason:     reason,
	})
}

// CloseIncident closes the open incident of this kind, if there is one, and puts IncidentResolved.
func CloseIncident(ctx context.Context, tx pgx.Tx, service events.Service, orderID, kind, resolution string) error {
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
	return Put(ctx, tx, events.IncidentResolved{
		Subject:    events.Subject{OrderID: orderID},
		IncidentID: id.String(),
		Service:    string(service),
		Kind:       kind,
		Resolution: resolution,
	})
}
