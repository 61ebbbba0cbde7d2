package verify

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sort"
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
		Moves     bool // the order service acts by itself, unless it has ended or an incident is open
		CreatedAt time.Time
		Mailed    bool // the customer wanted mails
		Young     bool // placed within a day
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
		OrderID   string
		Reference string // of an order's the same; of a client's own direct:…
		State     string
		Amount    *int64 // none in a tombstone
		Currency  *string
		Moves     bool // payment acts by itself, unless it is decided
	}
	shipment struct {
		OrderID string
		State   string
	}
	mail struct {
		OrderID, Kind string
		Waiting       bool // it is one of the release before, and not handed over
	}
	// booked is a movement of money in the payment service's own ledger: at the gateway, or settled outside of it.
	booked struct {
		GatewayID *string // none of what was settled
		Reference string
		Amount    int64 // negative: it left
		Currency  string
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

		CreatedAt time.Time `json:"created_at"`
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

// feeds are all sources of what is judged order by order.
type feeds struct {
	orders       *feed[order]
	reservations *feed[reservation]
	payments     *feed[payment]
	direct       *feed[payment] // those that are no order's
	shipments    *feed[shipment]
	mails        *feed[mail]
	before       *feed[mail] // those of the release before
	booked       *feed[booked]
	entries      *feed[entry]
}

// narrowed is the condition on a key, of type, that it is one of those that are looked at.
func narrowed(key, of string) string { return `($1::` + of + `[] IS NULL OR ` + key + ` = ANY ($1))` }

func (l *look) openFeeds(ctx context.Context) (f feeds, err error) {
	steps := []func() error{
		func() (err error) { f.orders, err = l.readOrders(ctx); return err },
		func() (err error) { f.reservations, err = l.readReservations(ctx); return err },
		func() (err error) { f.payments, f.direct, err = l.readPayments(ctx); return err },
		func() (err error) { f.shipments, err = l.readShipments(ctx); return err },
		func() (err error) { f.mails, err = l.readMails(ctx, events.Notification, `false`); return err },
		func() (err error) {
			f.before, err = l.readMails(ctx, events.Order, `sent_at IS NULL AND refused_at IS NULL`)
			return err
		},
		func() (err error) { f.booked, err = l.readBooked(ctx); return err },
		func() (err error) { f.entries, err = l.spool.feed(); return err },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (l *look) readOrders(ctx context.Context) (*feed[order], error) {
	return openFeed(ctx, l, events.Order, "placed", `
		SELECT id::text, status, total_amount, currency, items,
		       CASE status WHEN 'PENDING' THEN `+wakes(`deadline`)+`
		       ELSE coalesce(`+asksAgain(`cancel_requested_at`)+`, false) END,
		       created_at, contact_email IS NOT NULL, created_at > now() - interval '23 hours'
		FROM orders o WHERE `+narrowed(`id`, `uuid`)+` ORDER BY o.id`,
		func(o order) string { return o.ID }, l.orderIDs())
}

func (l *look) readReservations(ctx context.Context) (*feed[reservation], error) {
	return openFeed(ctx, l, events.Inventory, "reserved", `
		SELECT order_id::text, state, coalesce(lines, '[]'), `+asksAgain(`created_at`)+` FROM reservation
		WHERE `+narrowed(`order_id`, `uuid`)+` ORDER BY reservation.order_id`,
		func(r reservation) string { return r.OrderID }, l.orderIDs())
}

// readPayments has those of orders by their order, and the others by their reference.
func (l *look) readPayments(ctx context.Context) (orders, others *feed[payment], err error) {
	key := func(p payment) string { return p.Reference }
	columns := `state, amount, currency, ` + wakes(`greatest(next_attempt_at, lease_until)`) + ` FROM payment WHERE `
	if orders, err = openFeed(ctx, l, events.Payment, "paid", `
		SELECT order_id::text, order_id::text, `+columns+`direct_reference IS NULL AND `+narrowed(`order_id`, `uuid`)+`
		ORDER BY payment.order_id`, key, l.orderIDs()); err != nil {
		return nil, nil, err
	}
	others, err = openFeed(ctx, l, events.Payment, "paid_directly", `
		SELECT order_id::text, '`+direct+`' || direct_reference, `+columns+`
		direct_reference IS NOT NULL AND `+narrowed(`'`+direct+`' || direct_reference`, `text`)+`
		ORDER BY direct_reference COLLATE "C"`, key, l.keys)
	return orders, others, err
}

func (l *look) readShipments(ctx context.Context) (*feed[shipment], error) {
	return openFeed(ctx, l, events.Shipping, "shipped", `
		SELECT order_id::text, state FROM shipment WHERE `+narrowed(`order_id`, `uuid`)+`
		ORDER BY shipment.order_id`,
		func(s shipment) string { return s.OrderID }, l.orderIDs())
}

// readMails has those of a service; order has those of the release before.
func (l *look) readMails(ctx context.Context, service events.Service, waiting string) (*feed[mail], error) {
	return openFeed(ctx, l, service, "mailed", `
		SELECT order_id::text, kind, `+waiting+` FROM mail WHERE `+narrowed(`order_id`, `uuid`)+` ORDER BY mail.order_id`,
		func(m mail) string { return m.OrderID }, l.orderIDs())
}

// readBooked reads every movement at the gateway as the payment service booked it, and what was settled.
func (l *look) readBooked(ctx context.Context) (*feed[booked], error) {
	return openFeed(ctx, l, events.Payment, "booked", `
		SELECT CASE account WHEN 'gateway' THEN coalesce(gateway_id, '') END, merchant_reference, amount, currency
		FROM ledger_entry
		WHERE account IN ('gateway', 'manual_settlement') AND `+narrowed(`merchant_reference`, `text`)+`
		ORDER BY merchant_reference COLLATE "C"`,
		func(b booked) string { return b.Reference }, l.keys)
}

// readNoted reads what people decided about payments, and what they are still to decide: a few rows.
func (l *look) readNoted(ctx context.Context) error {
	l.noted = noted{accepted: map[string]bool{}, refunded: map[string]int64{}, open: map[string]bool{},
		late: map[string]bool{}, orders: map[string]bool{}}
	// A charge that was not ours, or a refund of it: an operator has taken note.
	ids, err := query[struct{ ID string }](ctx, l, events.Payment, `SELECT gateway_id FROM accepted_movement`)
	if err != nil {
		return err
	}
	for _, row := range ids {
		l.noted.accepted[row.ID] = true
	}
	refunded, err := query[struct {
		OrderID string
		Amount  int64
	}](ctx, l, events.Payment, `
		SELECT i.order_id::text,
		       sum((a.after->>'returned')::bigint - coalesce((a.before->>'returned')::bigint, 0))::bigint
		FROM incident i JOIN operator_action a ON a.target_kind = 'incident' AND a.target_id = i.id::text
		WHERE a.action = 'resolve refund' AND a.after->>'state' = 'CAPTURED' GROUP BY i.order_id`)
	if err != nil {
		return err
	}
	for _, row := range refunded {
		l.noted.refunded[row.OrderID] = row.Amount
	}
	incidents, err := query[struct {
		OrderID string
		Late    bool
	}](ctx, l, events.Payment, `
		SELECT order_id::text, bool_or(kind = 'late_capture') FROM incident WHERE resolved_at IS NULL GROUP BY order_id`)
	if err != nil {
		return err
	}
	for _, row := range incidents {
		l.noted.open[row.OrderID], l.noted.late[row.OrderID] = true, row.Late
	}
	waiting, err := query[struct{ ID string }](ctx, l, events.Order, `
		SELECT DISTINCT order_id::text FROM order_incident WHERE opened_at IS NOT NULL AND resolved_at IS NULL`)
	for _, row := range waiting {
		l.noted.orders[row.ID] = true
	}
	return err
}

// noted is what people decided about payments, by order, or are to decide.
type noted struct {
	accepted map[string]bool  // by the gateway's id
	refunded map[string]int64 // by hand at the gateway, which an operator has accepted
	orders   map[string]bool  // the order service knows of an open incident
	open     map[string]bool  // payment has an open incident
	late     map[string]bool  // and is that money was found which should not be there
}

// ledgerPage is how many entries of the gateway's ledger are asked for at once.
const ledgerPage = 5000

// readLedger reads what money really moved.
func (l *look) readLedger(ctx context.Context) error {
	wanted := map[string]bool{}
	for _, key := range l.keys {
		wanted[key] = true
	}
	after, err := l.beginning(ctx)
	for err == nil {
		page, err := l.getLedger(ctx, after, ledgerPage)
		if err != nil {
			return err
		}
		for _, e := range page {
			if l.keys != nil && !wanted[e.Reference] || e.Status != succeeded {
				continue
			}
			if e.Kind != "charge" && e.Kind != "refund" {
				return fmt.Errorf("read the gateway's ledger: entry %s is of the unknown kind %q", e.ID, e.Kind)
			}
			if err := l.spool.add(e); err != nil {
				return err
			}
		}
		if after += len(page); len(page) < ledgerPage {
			return nil
		}
		l.progress("entries of the gateway's ledger read: %d", after)
	}
	return err
}

// beginning is how many entries of the gateway's ledger are left out: they are older than all that is looked at. The
// clocks may differ by an hour.
func (l *look) beginning(ctx context.Context) (after int, err error) {
	if l.keys == nil {
		return 0, nil
	}
	return sort.Search(math.MaxInt32, func(n int) bool {
		page, failed := l.getLedger(ctx, n, 1)
		err = cmp.Or(err, failed)
		return err != nil || len(page) == 0 || page[0].CreatedAt.After(l.oldest.Add(-time.Hour))
	}), err
}
