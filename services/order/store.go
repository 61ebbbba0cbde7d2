package order

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// Every change of state names the states that it expects, and writes its row of history in the same
// statement: there is no state without history and no history without a state.

// lockOrders locks orders in key order.
func lockOrders(ctx context.Context, tx pgx.Tx, ids []string) error {
	_, err := tx.Exec(ctx, `SELECT FROM orders WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`, ids)
	if err != nil {
		return fmt.Errorf("lock %d orders: %w", len(ids), err)
	}
	return nil
}

// insertOrders stores new orders with the beginning of their history, and returns the database's time, from which their
// deadline counts.
func insertOrders(ctx context.Context, tx pgx.Tx, orders []Order, deadline time.Duration) (now time.Time, err error) {
	rows, err := columnsOf(orders)
	if err != nil {
		return now, err
	}
	err = tx.QueryRow(ctx, `
		WITH placed AS (
			INSERT INTO orders (id, customer_id, total_amount, currency, items, payment_method, ship_to, status, deadline,
			  contact_email)
			SELECT id, customer_id, total, currency, items::jsonb, payment_method, ship_to::jsonb, 'PENDING',
			  now() + $9::interval, nullif(contact, '')
			FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
				AS new (id, customer_id, total, currency, items, payment_method, ship_to, contact)
			RETURNING id, status
		), noted AS (
			INSERT INTO order_history (order_id, status) SELECT id, status FROM placed
		)
		SELECT now()`,
		rows.ids, rows.customers, rows.totals, rows.currencies, rows.items, rows.methods, rows.addresses, rows.contacts,
		deadline).Scan(&now)
	if err != nil {
		return now, fmt.Errorf("insert %d orders: %w", len(orders), err)
	}
	return now, nil
}

// backdate gives a restored order the times that it had.
func backdate(ctx context.Context, tx pgx.Tx, o Order) error {
	_, err := tx.Exec(ctx, `UPDATE orders SET created_at = $2, updated_at = $2, deadline = $3 WHERE id = $1`,
		o.OrderID, o.CreatedAt, o.Deadline)
	if err != nil {
		return fmt.Errorf("restore order %s: %w", o.OrderID, err)
	}
	return nil
}

// columns are orders by column, as unnest takes them.
type columns struct {
	ids, customers, currencies, items, methods, addresses, contacts []string
	totals                                                          []int64
}

func columnsOf(orders []Order) (c columns, err error) {
	for _, o := range orders {
		items, err := json.Marshal(o.Lines)
		if err != nil {
			return c, fmt.Errorf("encode the lines of order %s: %w", o.OrderID, err)
		}
		address, err := json.Marshal(o.ShipTo)
		if err != nil {
			return c, fmt.Errorf("encode the address of order %s: %w", o.OrderID, err)
		}
		c.ids, c.customers = append(c.ids, o.OrderID), append(c.customers, o.CustomerID)
		c.totals, c.currencies = append(c.totals, o.Total.Amount), append(c.currencies, o.Total.Currency)
		c.items, c.addresses = append(c.items, string(items)), append(c.addresses, string(address))
		c.methods, c.contacts = append(c.methods, o.PaymentMethod), append(c.contacts, o.Contact)
	}
	return c, nil
}

// ending is what the end of an order was.
type ending struct {
	changed bool   // it ended just now
	reason  string // that stands
	contact string // the customer's mail address, where the order is cancelled
	overdue bool   // it had lasted so long that an incident is open
}

// isOverdue is part of the statements that end orders, so that the many that are in time cost no other one.
const isOverdue = `EXISTS (SELECT FROM incident i WHERE i.order_id = order_history.order_id
	AND kind = '` + kindOverdue + `' AND resolved_at IS NULL)`

// cancelOrder ends an order as cancelled, unless it has ended. Where the saga was undone because of a request, the
// reason of the request stays: shipping's reason ("cancelled") has less in it.
func cancelOrder(ctx context.Context, tx pgx.Tx, orderID, reason string) (ending, error) {
	var ended ending
	err := tx.QueryRow(ctx, `
		WITH ended AS (
			UPDATE orders SET status = 'CANCELLED', updated_at = now(),
				reason = CASE WHEN status = 'CANCELLING' AND $2 = 'cancelled' THEN reason ELSE $2 END
			WHERE id = $1 AND status IN ('PENDING', 'CANCELLING')
			RETURNING id, status, reason, contact_email
		)
		INSERT INTO order_history (order_id, status, reason, event_id)
		SELECT id, status, reason, nullif($3, '')::uuid FROM ended
		RETURNING reason, (SELECT coalesce(contact_email, '') FROM ended), `+isOverdue,
		orderID, reason, outbox.CauseOf(ctx).EventID).Scan(&ended.reason, &ended.contact, &ended.overdue)
	if errors.Is(err, pgx.ErrNoRows) {
		return ending{}, nil
	}
	if err != nil {
		return ending{}, fmt.Errorf("cancel order %s: %w", orderID, err)
	}
	ended.changed = true
	return ended, nil
}

// confirmed is an order that has just ended. Overdue: it had lasted so long that an incident is open.
type confirmed struct {
	OrderID string
	Overdue bool
}

// confirmOrders ends orders as confirmed that have not ended, and returns these, each with whether an incident is open
// because it lasted so long.
func confirmOrders(ctx context.Context, tx pgx.Tx, shipments []events.ShipmentCreated,
	causes []outbox.Cause) (ended map[string]bool, err error) {
	var orders, ids, causedBy []string
	for i, s := range shipments {
		orders, ids = append(orders, s.OrderID), append(ids, s.ShipmentID)
		causedBy = append(causedBy, causes[i].EventID)
	}
	rows, err := tx.Query(ctx, `
		WITH ended AS (
			UPDATE orders SET status = 'CONFIRMED', shipment_id = shipment.id, updated_at = now(),
				reason = CASE WHEN status = 'CANCELLING' THEN 'cancel_too_late' END
			FROM unnest($1::uuid[], $2::text[], $3::text[]) AS shipment (order_id, id, event_id)
			WHERE orders.id = shipment.order_id AND status IN ('PENDING', 'CANCELLING')
			RETURNING orders.id, status, reason, event_id
		)
		INSERT INTO order_history (order_id, status, reason, event_id)
		SELECT id, status, reason, nullif(event_id, '')::uuid FROM ended
		RETURNING order_id::text, `+isOverdue, orders, ids, causedBy)
	var list []confirmed
	if err == nil {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[confirmed])
	}
	if err != nil {
		return nil, fmt.Errorf("confirm %d orders: %w", len(shipments), err)
	}
	ended = make(map[string]bool, len(list))
	for _, c := range list {
		ended[c.OrderID] = c.Overdue
	}
	return ended, nil
}

// requestCancel stores why these orders are to be cancelled, and returns those that were pending.
func requestCancel(ctx context.Context, tx pgx.Tx, orderIDs []string, reason string) (asked []string, err error) {
	rows, err := tx.Query(ctx, `
		WITH asked AS (
			UPDATE orders SET status = 'CANCELLING', reason = $2, cancel_requested_at = now(), updated_at = now()
			WHERE id = ANY ($1::uuid[]) AND status = 'PENDING'
			RETURNING id, status, reason
		)
		INSERT INTO order_history (order_id, status, reason)
		SELECT id, status, reason FROM asked
		RETURNING order_id::text`, orderIDs, reason)
	if err == nil {
		asked, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, fmt.Errorf("request the cancel of %d orders: %w", len(orderIDs), err)
	}
	return asked, nil
}

// setAttempt notes that shipping was asked at least so often.
func setAttempt(ctx context.Context, tx pgx.Tx, orderID string, attempt int) error {
	_, err := tx.Exec(ctx, `UPDATE orders SET attempt = greatest(attempt, $2) WHERE id = $1`, orderID, attempt)
	if err != nil {
		return fmt.Errorf("restore the requests about order %s: %w", orderID, err)
	}
	return nil
}

// repeatRequests notes that shipping is asked again about orders that have waited for too long, some at a time.
func repeatRequests(ctx context.Context, tx pgx.Tx, patience asking.Patience) ([]events.Event, error) {
	return repeat(ctx, tx, `
		SELECT id FROM orders WHERE status = 'CANCELLING' AND `+asking.Due("cancel_requested_at")+`
		ORDER BY cancel_requested_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`, patience.Args()...)
}

// repeatRequest notes the same about one order that waits, whenever it was asked before.
func repeatRequest(ctx context.Context, tx pgx.Tx, orderID string) ([]events.Event, error) {
	return repeat(ctx, tx, `SELECT id FROM orders WHERE status = 'CANCELLING' AND id = $1`, orderID)
}

func repeat(ctx context.Context, tx pgx.Tx, which string, args ...any) ([]events.Event, error) {
	rows, _ := tx.Query(ctx, `
		UPDATE orders SET attempt = attempt + 1, asked_at = now() WHERE id IN (`+which+`)
		RETURNING reason, attempt, id::text, customer_id, items, total_amount, currency, payment_method, ship_to`, args...)
	requests, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (events.Event, error) {
		var o events.Snapshot
		r := events.OrderCancelRequested{Snapshot: &o}
		err := row.Scan(&r.Reason, &r.Attempt, &o.OrderID, &o.CustomerID, &o.Lines, &o.Total.Amount, &o.Total.Currency,
			&o.PaymentMethod, &o.ShipTo)
		r.OrderID = o.OrderID
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("repeat requests to cancel: %w", err)
	}
	return requests, nil
}

const hasOpenIncident = `EXISTS (
	SELECT FROM order_incident
	WHERE order_id = orders.id AND opened_at IS NOT NULL AND resolved_at IS NULL)`

// openIncident adds to the order's incidents; stuck: this one is new and open, and the order has not ended. Over a
// tombstone it stays resolved.
func openIncident(ctx context.Context, tx pgx.Tx, event events.IncidentOpened) (stuck bool, err error) {
	err = tx.QueryRow(ctx, `
		WITH opened AS (
			INSERT INTO order_incident AS known (order_id, incident_id, service, kind, reason, opened_at)
			VALUES ($1, $2, $3, $4, $5, now())
			ON CONFLICT (order_id, incident_id) DO UPDATE SET reason = EXCLUDED.reason, opened_at = known.resolved_at
			WHERE known.opened_at IS NULL
			RETURNING resolved_at
		)
		SELECT EXISTS (SELECT FROM opened WHERE resolved_at IS NULL)
		   AND EXISTS (SELECT FROM orders WHERE id = $1 AND status IN ('PENDING', 'CANCELLING'))`,
		event.OrderID, event.IncidentID, event.Service, event.Kind, event.Reason).Scan(&stuck)
	if err != nil {
		return false, fmt.Errorf("open incident %s of order %s: %w", event.IncidentID, event.OrderID, err)
	}
	return stuck, nil
}

// resolveIncident ends one of the order's incidents, or leaves a tombstone for one that is still to come.
func resolveIncident(ctx context.Context, tx pgx.Tx, event events.IncidentResolved) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO order_incident AS known (order_id, incident_id, service, kind, resolved_at)
		VALUES ($1, $2, $3, $4, now())
		ON CONFLICT (order_id, incident_id) DO UPDATE SET resolved_at = now() WHERE known.resolved_at IS NULL`,
		event.OrderID, event.IncidentID, event.Service, event.Kind)
	if err != nil {
		return fmt.Errorf("resolve incident %s of order %s: %w", event.IncidentID, event.OrderID, err)
	}
	return nil
}
