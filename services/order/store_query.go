package order

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/pkg/events"
)

// readPrices reads the price list for these SKUs; those that are not sold are missing in it.
func readPrices(ctx context.Context, tx pgx.Tx, skus []string) (map[string]events.Money, error) {
	rows, err := tx.Query(ctx, `SELECT sku, amount, currency FROM price WHERE sku = ANY ($1)`, skus)
	if err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	type tag struct {
		SKU  string
		Unit events.Money
	}
	tags, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (tag, error) {
		var t tag
		err := row.Scan(&t.SKU, &t.Unit.Amount, &t.Unit.Currency)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	prices := make(map[string]events.Money, len(tags))
	for _, t := range tags {
		prices[t.SKU] = t.Unit
	}
	return prices, nil
}

// reader is a pool or a transaction.
type reader interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const selectOrders = `
	SELECT id::text, customer_id, status, coalesce(reason, ''), coalesce(shipment_id, ''), total_amount, currency,
	       items, payment_method, ship_to, coalesce(contact_email, ''), deadline, cancel_requested_at, created_at,
	         updated_at,
	       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', incident_id, 'service', service, 'kind', kind,
	               'reason', reason, 'opened_at', opened_at, 'resolved_at', resolved_at) ORDER BY opened_at,
	                 incident_id), '[]')
	        FROM order_incident WHERE order_id = orders.id AND opened_at IS NOT NULL)
	FROM `

// readOrder reads one order; pgx.ErrNoRows when there is none.
func readOrder(ctx context.Context, db reader, id string) (Order, error) {
	rows, err := db.Query(ctx, selectOrders+`orders WHERE id = $1`, id)
	if err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	order, err := pgx.CollectExactlyOneRow(rows, scanOrder)
	if err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	return order, nil
}

// listOrders reads up to limit orders with this public status (empty: any) that are older than the one
// with the id before, newest first. Pages cut at an id do not shift when orders come in between.
func listOrders(ctx context.Context, db reader, status Status, before string, limit int) ([]Order, error) {
	states, open := stored(status)
	// The newest of each stored status, and of these the newest. Each is a walk along the index orders_status that ends
	// after a page; status = wanted would let the planner walk along the ids, past all orders, to find the few that are
	// pending. Planned anew each time: a plan that was made while the table was small reads all of it.
	rows, err := db.Query(ctx, selectOrders+`(
			SELECT found.* FROM unnest($2::text[]) AS wanted (status), LATERAL (
				SELECT * FROM orders
				WHERE status >= wanted.status AND (status, id) < (wanted.status, $1)
				  AND ($3::boolean IS NULL OR `+hasOpenIncident+` = $3)
				ORDER BY status DESC, id DESC LIMIT $4) AS found
			ORDER BY found.id DESC LIMIT $4) AS orders
		ORDER BY orders.id DESC`, pgx.QueryExecModeCacheDescribe, before, states, open, limit)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	orders, err := pgx.CollectRows(rows, scanOrder)
	if err != nil {
		return nil, fmt.Errorf("list orders: %w", err)
	}
	return orders, nil
}

func scanOrder(row pgx.CollectableRow) (Order, error) {
	var o Order
	err := row.Scan(&o.OrderID, &o.CustomerID, &o.Status, &o.Reason, &o.ShipmentID, &o.Total.Amount, &o.Total.Currency,
		&o.Lines, &o.PaymentMethod, &o.ShipTo, &o.Contact, &o.Deadline, &o.CancelRequestedAt, &o.CreatedAt, &o.UpdatedAt,
		&o.Incidents)
	return o, err
}

// lockOverdue finds up to limit orders that are pending beyond their deadline, and locks them. Those that another
// transaction has locked are skipped: the next round finds them.
func lockOverdue(ctx context.Context, tx pgx.Tx, limit int) (ids []string, err error) {
	rows, err := tx.Query(ctx, `
		SELECT id::text FROM orders
		WHERE status = 'PENDING' AND deadline <= now() AND NOT `+hasOpenIncident+`
		ORDER BY deadline LIMIT $1
		FOR NO KEY UPDATE SKIP LOCKED`, limit)
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, fmt.Errorf("find overdue orders: %w", err)
	}
	return ids, nil
}

// lockStuck finds up to limit orders whose cancel was requested longer ago than the budget, and locks them. The
// IncidentOpened of an incident of our own may not have come back over the stream yet, so both tables are looked at.
// Where another incident is open a person looks already, until shipping has been asked as often as it will be.
func lockStuck(ctx context.Context, tx pgx.Tx, budget time.Duration, limit int) (ids []string, err error) {
	rows, err := tx.Query(ctx, `
		SELECT id::text FROM orders
		WHERE status = 'CANCELLING' AND cancel_requested_at <= now() - $2::interval
		  AND (attempt >= $3 OR NOT `+hasOpenIncident+`)
		  AND NOT EXISTS (
			SELECT FROM incident WHERE order_id = orders.id AND resolved_at IS NULL AND (attempt < $3 OR kind = $4))
		ORDER BY cancel_requested_at LIMIT $1
		FOR NO KEY UPDATE SKIP LOCKED`, limit, budget, asking.Most, kindOverdue)
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, fmt.Errorf("find orders whose cancel takes too long: %w", err)
	}
	return ids, nil
}

// oldestUnattended is when the oldest order was placed that has not ended, and that no person looks at.
const oldestUnattended = `
	SELECT min(created_at) FROM orders WHERE status IN ('PENDING', 'CANCELLING') AND NOT ` + hasOpenIncident

// requestOf is what an order waits for; pgx.ErrNoRows when there is no such order.
func requestOf(ctx context.Context, db asking.Reader, orderID string) (r asking.Request, err error) {
	err = db.QueryRow(ctx, `SELECT status, attempt FROM orders WHERE id = $1`, orderID).Scan(&r.State, &r.Attempt)
	if err != nil {
		return r, fmt.Errorf("read what order %s waits for: %w", orderID, err)
	}
	return r, nil
}

// waitingMail is a mail that the release before this one had not sent.
type waitingMail struct{ OrderID, Kind string }

// takeMails takes up to limit mails out of the queue. One that an earlier process may be sending right now is left
// until its lease ends, and a cancellation until the receipt of its order is handed over.
func takeMails(ctx context.Context, tx pgx.Tx, limit int) ([]waitingMail, error) {
	rows, _ := tx.Query(ctx, `
		WITH due AS (
			SELECT order_id, kind FROM mail
			WHERE sent_at IS NULL AND refused_at IS NULL AND next_attempt_at <= now() AND NOT EXISTS (
				SELECT FROM mail first WHERE mail.kind = 'cancelled' AND first.order_id = mail.order_id
				  AND first.kind = 'received' AND first.sent_at IS NULL AND first.refused_at IS NULL)
			ORDER BY next_attempt_at LIMIT $1
			FOR UPDATE SKIP LOCKED
		), taken AS (
			UPDATE mail SET refused_at = now(), problem = 'handed over to notification' FROM due
			WHERE mail.order_id = due.order_id AND mail.kind = due.kind
			RETURNING mail.order_id, mail.kind
		)
		SELECT order_id::text, kind FROM taken ORDER BY order_id`, limit)
	mails, err := pgx.CollectRows(rows, pgx.RowToStructByPos[waitingMail])
	if err != nil {
		return nil, fmt.Errorf("take mails that wait: %w", err)
	}
	return mails, nil
}
