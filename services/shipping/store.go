package shipping

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// record stores the outcome of an order's shipment, unless there is one already; it reports whether it did. Two that
// decide at once both insert: the second one waits for the first one's commit, and then finds the row there.
func record(ctx context.Context, tx pgx.Tx, orderID string, s Shipment) (bool, error) {
	tag, err := tx.Exec(ctx, `
		INSERT INTO shipment (order_id, state, shipment_id, reason, ship_to)
		VALUES ($1, $2, nullif($3, ''), nullif($4, ''), $5)
		ON CONFLICT (order_id) DO NOTHING`, orderID, s.State, s.ShipmentID, s.Reason, s.ShipTo)
	if err != nil {
		return false, fmt.Errorf("record shipment of order %s: %w", orderID, err)
	}
	return tag.RowsAffected() == 1, nil
}

// shipmentOf reads what became of an order's shipment; pgx.ErrNoRows when nothing is known of the order.
func shipmentOf(ctx context.Context, pool *pgxpool.Pool, orderID string) (Shipment, error) {
	rows, _ := pool.Query(ctx, `
		SELECT state, coalesce(shipment_id, '') AS shipment_id, coalesce(reason, '') AS reason, ship_to, created_at
		FROM shipment WHERE order_id = $1`, orderID)
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Shipment])
	if err != nil {
		return Shipment{}, fmt.Errorf("read shipment of order %s: %w", orderID, err)
	}
	return s, nil
}
