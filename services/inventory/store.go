package inventory

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/internal/idset"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// lockStock locks, in SKU order, the stock that new orders need and that earlier ones hold, until the
// transaction ends. Two transactions that lock in one order wait for each other, but never in a circle.
func lockStock(ctx context.Context, tx pgx.Tx, skus, orderIDs []string) error {
	_, err := tx.Exec(ctx, `
		SELECT FROM stock
		WHERE sku = ANY($1) OR sku IN (
			SELECT line->>'sku' FROM reservation, jsonb_array_elements(lines) AS line
			WHERE order_id = ANY($2) AND state = 'RESERVED')
		ORDER BY sku
		FOR UPDATE`, skus, orderIDs)
	if err != nil {
		return fmt.Errorf("lock stock: %w", err)
	}
	return nil
}

// need is what is to be held for an order.
type need struct {
	OrderID string          `json:"order_id"`
	Lines   []Line          `json:"lines"`
	Order   events.Snapshot `json:"snapshot"`
}

// holdForAll holds what several new orders need, in one statement, where there is enough for all of them together. It
// returns the orders for which it did. For the others, and for one order alone, holdStock decides.
func holdForAll(ctx context.Context, tx pgx.Tx, needs []need) (map[string]bool, error) {
	if len(needs) == 1 {
		return nil, nil
	}
	held, err := idset.Query(ctx, tx, `
		WITH new AS (
			SELECT * FROM jsonb_to_recordset($1) AS need (order_id uuid, lines jsonb, snapshot jsonb)
		), needed AS (
			SELECT order_id, sku, quantity FROM new, jsonb_to_recordset(lines) AS line (sku text, quantity bigint)
		), missing AS (
			SELECT sku FROM needed LEFT JOIN stock USING (sku)
			GROUP BY sku, available HAVING coalesce(available, 0) < sum(quantity)
		), recorded AS (
			INSERT INTO reservation (order_id, lines, state, snapshot)
			SELECT order_id, lines, 'RESERVED', snapshot FROM new WHERE NOT EXISTS (SELECT FROM missing)
			ON CONFLICT (order_id) DO NOTHING
			RETURNING order_id
		), held AS (
			UPDATE stock SET available = available - total, reserved = reserved + total
			FROM (SELECT sku, sum(quantity)::bigint AS total FROM needed JOIN recorded USING (order_id) GROUP BY sku) AS sums
			WHERE stock.sku = sums.sku
		)
		SELECT order_id::text FROM recorded`, needs)
	if err != nil {
		return nil, fmt.Errorf("hold stock for %d orders: %w", len(needs), err)
	}
	return held, nil
}

// holdStock holds what an order needs, all of it or nothing, and stores which. It returns no
// reservation when one exists already, or its tombstone: then this order's stock is not touched. When that is for
// another order the event is a dead letter.
//
// What is missing is found in rows that lockStock has locked. Were they not, somebody could take the last
// unit after we looked; then CHECK (available >= 0) fails the transaction and the event is retried.
func holdStock(ctx context.Context, tx pgx.Tx, n need) (*Reservation, error) {
	r := &Reservation{Lines: n.Lines}
	err := tx.QueryRow(ctx, `
		WITH needed AS (
			SELECT sku, quantity FROM jsonb_to_recordset($2) AS line (sku text, quantity bigint)
		), missing AS (
			SELECT string_agg(sku, ', ' ORDER BY sku) AS skus
			FROM needed LEFT JOIN stock USING (sku)
			WHERE coalesce(available, 0) < quantity
		), recorded AS (
			INSERT INTO reservation (order_id, lines, state, reason, snapshot)
			SELECT $1, $2, CASE WHEN skus IS NULL THEN 'RESERVED' ELSE 'REJECTED' END, 'out_of_stock: ' || skus,
			       CASE WHEN skus IS NULL THEN $3::jsonb END
			FROM missing
			ON CONFLICT (order_id) DO NOTHING
			RETURNING state, reason
		), held AS (
			UPDATE stock SET available = available - quantity, reserved = reserved + quantity
			FROM needed, recorded
			WHERE stock.sku = needed.sku AND state = 'RESERVED'
		)
		SELECT state, coalesce(reason, '') FROM recorded`, n.OrderID, n.Lines, n.Order).Scan(&r.State, &r.Reason)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, sameOrder(ctx, tx, n)
	}
	if err != nil {
		return nil, fmt.Errorf("hold stock for order %s: %w", n.OrderID, err)
	}
	return r, nil
}

// sameOrder compares an order with what is known of it. Of what is no longer held only the lines are known.
func sameOrder(ctx context.Context, tx pgx.Tx, n need) error {
	same := false
	err := tx.QueryRow(ctx, `
		SELECT coalesce(lines = $2, true) AND coalesce(snapshot = $3, true) FROM reservation WHERE order_id = $1`,
		n.OrderID, n.Lines, n.Order).Scan(&same)
	if err != nil {
		return fmt.Errorf("compare reservation of order %s: %w", n.OrderID, err)
	}
	if !same {
		return outbox.DeadLetter(fmt.Errorf("order %s came with other lines or details before", n.OrderID))
	}
	return nil
}

// releaseReservation gives up what an order has reserved. Where nothing is known of the order it leaves a
// tombstone, so that nothing will be held when the order arrives late. It reports whether it did either,
// what is now to be returned (nothing for a tombstone), and whether it was asked again what becomes of the order.
//
// INSERT and UPDATE are one statement because the order may be arriving at this very moment, in a
// transaction that we cannot see yet: ON CONFLICT waits for it, and then sees what it did.
func releaseReservation(ctx context.Context, tx pgx.Tx, orderID,
	reason string) (lines []Line, released, asked bool, err error) {
	err = tx.QueryRow(ctx, `
		INSERT INTO reservation (order_id, state, reason) VALUES ($1, 'RELEASED', $2)
		ON CONFLICT (order_id) DO UPDATE SET state = 'RELEASED', reason = $2, snapshot = NULL, updated_at = now()
		WHERE reservation.state = 'RESERVED'
		RETURNING lines, attempt > 1`, orderID, reason).Scan(&lines, &asked)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, false, nil
	}
	if err != nil {
		return nil, false, false, fmt.Errorf("release reservation of order %s: %w", orderID, err)
	}
	return lines, true, asked, nil
}

// returnStock makes what was reserved available again. It is a statement of its own, because a statement
// sees the stock as it was when it began: releaseReservation may have begun before there was anything
// reserved, and CHECK (reserved >= 0) looks at what it sees.
func returnStock(ctx context.Context, tx pgx.Tx, lines []Line) error {
	_, err := tx.Exec(ctx, `
		UPDATE stock SET available = available + quantity, reserved = reserved - quantity
		FROM jsonb_to_recordset($1) AS line (sku text, quantity bigint)
		WHERE stock.sku = line.sku`, lines)
	if err != nil {
		return fmt.Errorf("return stock: %w", err)
	}
	return nil
}

// sellStock makes what is held for shipped orders sold, and returns the orders of which it was asked again what becomes
// of them. Where nothing is held it changes nothing.
func sellStock(ctx context.Context, tx pgx.Tx, shipments []events.ShipmentCreated) (asked map[string]bool, err error) {
	ids := make([]string, len(shipments))
	for i, s := range shipments {
		ids[i] = s.OrderID
	}
	asked, err = idset.Query(ctx, tx, `
		WITH shipped AS (
			UPDATE reservation SET state = 'SOLD', snapshot = NULL, updated_at = now()
			WHERE order_id = ANY ($1::uuid[]) AND state = 'RESERVED'
			RETURNING order_id, lines, attempt
		), sold AS (
			UPDATE stock SET reserved = reserved - total, sold = sold + total
			FROM (
				SELECT sku, sum(quantity)::bigint AS total
				FROM shipped, jsonb_to_recordset(lines) AS line (sku text, quantity bigint) GROUP BY sku
			) AS sums
			WHERE stock.sku = sums.sku
		)
		SELECT order_id::text FROM shipped WHERE attempt > 1`, ids)
	if err != nil {
		return nil, fmt.Errorf("sell stock of %d orders: %w", len(shipments), err)
	}
	return asked, nil
}

// repeatRequests notes that payment is asked again about orders whose stock is held for too long, some at a time.
func repeatRequests(ctx context.Context, tx pgx.Tx, patience asking.Patience) ([]events.Event, error) {
	return repeat(ctx, tx, `
		SELECT order_id FROM reservation WHERE state = 'RESERVED' AND `+asking.Due("created_at")+`
		ORDER BY coalesce(asked_at, created_at) LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`, patience.Args()...)
}

// repeatRequest notes the same about one order, whenever it was asked before.
func repeatRequest(ctx context.Context, tx pgx.Tx, orderID string) ([]events.Event, error) {
	return repeat(ctx, tx, `SELECT order_id FROM reservation WHERE state = 'RESERVED' AND order_id = $1`, orderID)
}

// repeat counts an attempt for an order without a snapshot, too: it must not be in the way of the others, and an
// incident is opened for it.
// setAttempt notes that payment was asked at least so often.
func setAttempt(ctx context.Context, tx pgx.Tx, orderID string, attempt int) error {
	_, err := tx.Exec(ctx, `UPDATE reservation SET attempt = greatest(attempt, $2) WHERE order_id = $1`, orderID, attempt)
	if err != nil {
		return fmt.Errorf("restore the requests about order %s: %w", orderID, err)
	}
	return nil
}

func repeat(ctx context.Context, tx pgx.Tx, which string, args ...any) ([]events.Event, error) {
	rows, _ := tx.Query(ctx, `
		WITH repeated AS (
			UPDATE reservation SET attempt = attempt + 1, asked_at = now()
			WHERE order_id IN (`+which+`)
			RETURNING snapshot, attempt
		)
		SELECT snapshot, attempt FROM repeated WHERE snapshot IS NOT NULL`, args...)
	requests, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (events.Event, error) {
		var r events.InventoryReserved
		err := row.Scan(&r.Snapshot, &r.Attempt)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("repeat reservations: %w", err)
	}
	return requests, nil
}

// lockUnanswered finds orders about which payment was asked again, in vain, and that have no incident yet.
func lockUnanswered(ctx context.Context, tx pgx.Tx, patience asking.Patience) (ids []string, err error) {
	rows, err := tx.Query(ctx, `
		SELECT order_id::text FROM reservation
		WHERE state = 'RESERVED' AND coalesce(asked_at, created_at) <= now() - $2::interval AND attempt > 1
		  AND NOT EXISTS (
			SELECT FROM incident i WHERE i.order_id = reservation.order_id AND kind = $3 AND resolved_at IS NULL)
		ORDER BY coalesce(asked_at, created_at) LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`,
		asking.AtOnce, patience.Pause, kindUnanswered)
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, fmt.Errorf("find orders that nobody answers about: %w", err)
	}
	return ids, nil
}

// oldestUnattended is when the oldest reservation was made whose stock is held, and that no person looks at.
const oldestUnattended = `
	SELECT min(created_at) FROM reservation r WHERE state = 'RESERVED'
	   AND NOT EXISTS (SELECT FROM incident i WHERE i.order_id = r.order_id AND resolved_at IS NULL)`

// requestOf is what the stock of an order is held for; pgx.ErrNoRows when nothing is known of the order.
func requestOf(ctx context.Context, db asking.Reader, orderID string) (r asking.Request, err error) {
	err = db.QueryRow(ctx, `
		SELECT state, attempt, state = 'RESERVED' AND snapshot IS NULL FROM reservation
		WHERE order_id = $1`, orderID).Scan(&r.State, &r.Attempt, &r.NeedsOrder)
	if err != nil {
		return r, fmt.Errorf("read what order %s waits for: %w", orderID, err)
	}
	return r, nil
}

// lockLevel reads the stock of one SKU and keeps it as it is until the transaction ends; pgx.ErrNoRows
// when there is no such SKU.
func lockLevel(ctx context.Context, tx pgx.Tx, sku string) (Stock, error) {
	rows, _ := tx.Query(ctx, `SELECT sku, available, reserved, sold FROM stock WHERE sku = $1 FOR UPDATE`, sku)
	level, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Stock])
	if err != nil {
		return Stock{}, fmt.Errorf("lock stock of %s: %w", sku, err)
	}
	return level, nil
}

// adjustStock changes what is available, and enters the reason into the ledger. It returns the adjustment
// with the stock after it.
func adjustStock(ctx context.Context, tx pgx.Tx, a Adjustment) (Adjustment, error) {
	err := tx.QueryRow(ctx, `
		WITH entry AS (
			INSERT INTO stock_adjustment (id, sku, delta, reason) VALUES ($1, $2, $3, $4)
			RETURNING created_at
		)
		UPDATE stock SET available = available + $3 FROM entry WHERE sku = $2
		RETURNING created_at, sku, available, reserved, sold`, a.ID, a.SKU, a.Delta, a.Reason).
		Scan(&a.CreatedAt, &a.After.SKU, &a.After.Available, &a.After.Reserved, &a.After.Sold)
	if err != nil {
		return a, fmt.Errorf("adjust stock of %s: %w", a.SKU, err)
	}
	return a, nil
}

// allStock reads the stock of every SKU, in SKU order.
func allStock(ctx context.Context, pool *pgxpool.Pool) ([]Stock, error) {
	rows, _ := pool.Query(ctx, `SELECT sku, available, reserved, sold FROM stock ORDER BY sku`)
	levels, err := pgx.CollectRows(rows, pgx.RowToStructByName[Stock])
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	return levels, nil
}

// stockOf reads the stock of one SKU; pgx.ErrNoRows when there is no such SKU.
func stockOf(ctx context.Context, pool *pgxpool.Pool, sku string) (Stock, error) {
	rows, _ := pool.Query(ctx, `SELECT sku, available, reserved, sold FROM stock WHERE sku = $1`, sku)
	level, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Stock])
	if err != nil {
		return Stock{}, fmt.Errorf("read stock of %s: %w", sku, err)
	}
	return level, nil
}

// reader is a pool or a transaction.
type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// reservationOf reads what is known of an order; pgx.ErrNoRows when nothing is.
func reservationOf(ctx context.Context, db reader, orderID string) (Reservation, error) {
	rows, _ := db.Query(ctx, `
		SELECT state, lines, coalesce(reason, '') AS reason, created_at, updated_at
		FROM reservation WHERE order_id = $1`, orderID)
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Reservation])
	if err != nil {
		return Reservation{}, fmt.Errorf("read reservation of order %s: %w", orderID, err)
	}
	return r, nil
}
