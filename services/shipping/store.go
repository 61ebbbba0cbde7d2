package shipping

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/idset"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// record stores the outcomes of orders that have none, and returns the orders for which it did. Two that decide at once
// both insert: the second one waits for the first one's commit, and then finds the row there.
func record(ctx context.Context, tx pgx.Tx, outcomes []outcome) (map[string]bool, error) {
	var orders, states, shipments, reasons []string
	var addresses []*events.Address
	var snapshots []*events.Snapshot
	for _, o := range outcomes {
		orders, states = append(orders, o.orderID), append(states, string(o.State))
		shipments, reasons = append(shipments, o.ShipmentID), append(reasons, o.Reason)
		addresses, snapshots = append(addresses, o.ShipTo), append(snapshots, o.Order)
	}
	first, err := idset.Query(ctx, tx, `
		INSERT INTO shipment (order_id, state, shipment_id, reason, ship_to, snapshot)
		SELECT order_id, state, nullif(shipment_id, ''), nullif(reason, ''), ship_to, snapshot
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[])
			AS new (order_id, state, shipment_id, reason, ship_to, snapshot)
		ON CONFLICT DO NOTHING -- the order's row, or the shipment's id, which is made of the order
		RETURNING order_id::text`, orders, states, shipments, reasons, addresses, snapshots)
	if err != nil {
		return nil, fmt.Errorf("record the shipments of %d orders: %w", len(outcomes), err)
	}
	return first, nil
}

// sameShipment compares an outcome with the one that was stored before. When that is about other goods or another
// address the event is a dead letter.
func sameShipment(ctx context.Context, tx pgx.Tx, o outcome) error {
	same := false
	err := tx.QueryRow(ctx, `
		SELECT coalesce(ship_to = $2, true) AND coalesce(snapshot = $3, true) FROM shipment WHERE order_id = $1`,
		o.orderID, o.ShipTo, o.Order).Scan(&same)
	if err != nil {
		return fmt.Errorf("compare shipment of order %s: %w", o.orderID, err)
	}
	if !same {
		return outbox.DeadLetter(fmt.Errorf("order %s has a shipment of other goods, or elsewhere", o.orderID))
	}
	return nil
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
