package shipping

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/outbox"
)

// record stores the outcome of an order's shipment, unless there is one already; it reports whether it did. Two that
// decide at once both insert: the second one waits for the first one's commit, and then finds the row there. When that
// is about other goods or another address the event is a dead letter.
func record(ctx context.Context, tx pgx.Tx, orderID string, s Shipment) (bool, error) {
	tag, err := tx.Exec(ctx, `
		INSERT INTO shipment (order_id, state, shipment_id, reason, ship_to, snapshot)
		VALUES ($1, $2, nullif($3, ''), nullif($4, ''), $5, $6)
		ON CONFLICT (order_id) DO NOTHING`, orderID, s.State, s.ShipmentID, s.Reason, s.ShipTo, s.Order)
	if err != nil {
		return false, fmt.Errorf("record shipment of order %s: %w", orderID, err)
	}
	if tag.RowsAffected() == 1 {
		return true, nil
	}
	same := false
	err = tx.QueryRow(ctx, `
		SELECT coalesce(ship_to = $2, true) AND coalesce(snapshot = $3, true) FROM shipment WHERE order_id = $1`,
		orderID, s.ShipTo, s.Order).Scan(&same)
	if err != nil {
		return false, fmt.Errorf("compare shipment of order %s: %w", orderID, err)
	}
	if !same {
		return false, outbox.DeadLetter(fmt.Errorf("order %s has a shipment of other goods, or elsewhere", orderID))
	}
	return false, nil
}

// reader is a pool or a transaction.
type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// shipmentOf reads what became of an order's shipment; pgx.ErrNoRows when nothing is known of the order.
func shipmentOf(ctx context.Context, db reader, orderID string) (Shipment, error) {
	rows, _ := db.Query(ctx, `
		SELECT state, coalesce(shipment_id, '') AS shipment_id, coalesce(reason, '') AS reason, ship_to,
		       snapshot AS "order", created_at
		FROM shipment WHERE order_id = $1`, orderID)
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Shipment])
	if err != nil {
		return Shipment{}, fmt.Errorf("read shipment of order %s: %w", orderID, err)
	}
	return s, nil
}
