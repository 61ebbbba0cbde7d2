package verify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/ordersaga/pkg/events"
)

// What the services claim, one row an order.
type (
	order struct {
		ID        string
		Status    string
		Amount    int64
		Currency  string
		Items     []item
		Incident  bool // one is open
		Moves     bool // the order service acts by itself, unless it has ended
		CreatedAt time.Time
	}
	item struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
	}
	reservation struct {
		OrderID string
		State   string
		Lines   []item
		Moves   bool // inventory acts by itself, if it is held
	}
	payment struct {
		OrderID     string
		State       string
		Amount      *int64 // none in a tombstone
		Currency    *string
		Incident    bool  // one is open
		LateCapture bool  // the open one is that money was found which should not be there
		Settled     int64 // returned outside the gateway, audited
		Accepted    int64 // refunded by hand at the gateway, which an operator has accepted
		Direct      bool  // a client's own, of no order
		Moves       bool  // payment acts by itself, unless it is decided
	}
	accepted struct{ ID string } // a charge that was not ours, or a refund of it: an operator has taken note
	shipment struct {
		OrderID string
		State   string
	}
)

// What the gateway did.
type (
	entry struct {
		ID        string `json:"id"`
		Kind      string `json:"kind"` // charge or refund
		Reference string `json:"merchant_reference"`
		ChargeID  string `json:"charge_id"` // of a refund
		Amount    int64  `json:"amount"`
		Currency  string `json:"currency"`
		Status    string `json:"status"`
	}
	charge entry
	refund entry
)

const succeeded = "succeeded"

// fewEnough refuses to look at more orders than were asked for.
func (l *look) fewEnough(ctx context.Context) error {
	if l.options.AtMost == 0 {
		return nil
	}
	counted,
		err := query[struct{ N int }](ctx, l, events.Order, `SELECT count(*) FROM (SELECT FROM orders LIMIT $1) AS counted`,
		l.options.AtMost+1)
	if err == nil && counted[0].N > l.options.AtMost {
		return ErrTooMany
	}
	return err
}

func (l *look) readOrders(ctx context.Context) error {
	orders, err := query[order](ctx, l, events.Order, `
		SELECT id::text, status, total_amount, currency, items,
		       EXISTS (SELECT FROM order_incident i WHERE i.order_id = o.id AND i.opened_at IS NOT NULL
		         AND i.resolved_at IS NULL),
		       CASE status WHEN 'PENDING' THEN `+wakes(`deadline`)+` AND NOT EXISTS (SELECT FROM order_incident i
		         WHERE i.order_id = o.id AND i.opened_at IS NOT NULL AND i.resolved_at IS NULL)
		       ELSE coalesce(`+asksAgain(`cancel_requested_at`)+`, false) END,
		       created_at
		FROM orders o`)
	l.orders = byKey(orders, func(o order) string { return o.ID })
	return err
}

func (l *look) readReservations(ctx context.Context) error {
	reservations, err := query[reservation](ctx, l, events.Inventory, `
		SELECT order_id::text, state, coalesce(lines, '[]'), `+asksAgain(`created_at`)+` FROM reservation`)
	l.reservations = byKey(reservations, func(r reservation) string { return r.OrderID })
	return err
}

func (l *look) readPayments(ctx context.Context) error {
	payments, err := query[payment](ctx, l, events.Payment, `
		SELECT order_id::text, state, amount, currency,
		       EXISTS (SELECT FROM incident i WHERE i.order_id = p.order_id AND i.resolved_at IS NULL),
		       EXISTS (SELECT FROM incident i WHERE i.order_id = p.order_id AND i.resolved_at IS NULL
		         AND i.kind = 'late_capture'),
		       coalesce((SELECT -sum(e.amount) FROM ledger_entry e
		                 WHERE e.merchant_reference = p.order_id::text AND e.account = 'manual_settlement'), 0)::bigint,
		       coalesce((SELECT sum((a.after->>'returned')::bigint - coalesce((a.before->>'returned')::bigint, 0))
		                 FROM incident i JOIN operator_action a ON a.target_kind = 'incident' AND a.target_id = i.id::text
		                 WHERE i.order_id = p.order_id AND a.action = 'resolve refund'
		                   AND a.after->>'state' = 'CAPTURED'), 0)::bigint,
		       direct_reference IS NOT NULL, `+wakes(`greatest(next_attempt_at, lease_until)`)+`
		FROM payment p`)
	l.payments = byKey(payments, func(p payment) string { return p.OrderID })
	if err == nil {
		l.accepted, err = query[accepted](ctx, l, events.Payment, `SELECT gateway_id FROM accepted_movement`)
	}
	return err
}

func (l *look) readShipments(ctx context.Context) error {
	shipments, err := query[shipment](ctx, l, events.Shipping, `SELECT order_id::text, state FROM shipment`)
	l.shipments = byKey(shipments, func(s shipment) string { return s.OrderID })
	return err
}

func byKey[T any](rows []T, key func(T) string) map[string]T {
	m := make(map[string]T, len(rows))
	for _, row := range rows {
		m[key(row)] = row
	}
	return m
}

// readLedger reads what money really moved.
func (l *look) readLedger(ctx context.Context) error {
	entries, err := l.getLedger(ctx)
	if err != nil {
		return err
	}
	l.charges, l.refunds = map[string][]charge{}, map[string][]refund{}
	for _, e := range entries {
		switch {
		case e.Status != succeeded:
		case e.Kind == "charge":
			l.charges[e.Reference] = append(l.charges[e.Reference], charge(e))
		case e.Kind == "refund":
			l.refunds[e.ChargeID] = append(l.refunds[e.ChargeID], refund(e))
		default:
			return fmt.Errorf("read the gateway's ledger: entry %s is of the unknown kind %q", e.ID, e.Kind)
		}
	}
	l.leaveAccepted()
	return nil
}

// leaveAccepted leaves charges out of which an operator has taken note, as long as they are back in full.
func (l *look) leaveAccepted() {
	for reference, charges := range l.charges {
		l.charges[reference] = slices.DeleteFunc(charges, func(c charge) bool {
			rest := c.Amount
			for _, r := range l.refunds[c.ID] {
				rest -= r.Amount
			}
			gone := rest == 0 && slices.Contains(l.accepted, accepted{c.ID})
			if gone {
				delete(l.refunds, c.ID)
			}
			return gone
		})
		if len(l.charges[reference]) == 0 {
			delete(l.charges, reference)
		}
	}
}

// captured and returned are what the gateway took for an order and gave back.
func (l *look) captured(orderID string) (captured, returned int64) {
	for _, c := range l.charges[orderID] {
		captured += c.Amount
		for _, r := range l.refunds[c.ID] {
			returned += r.Amount
		}
	}
	return captured, returned
}
