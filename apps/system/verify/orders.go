package verify

import (
	"context"
	"fmt"
	"slices"

	"example.com/ordersaga/pkg/events"
)

// terminalStays looks into the history of each order for something that follows its end.
func terminalStays(ctx context.Context, l *look) ([]Offender, error) {
	return l.offenders(ctx, events.Order, `
		WITH ending AS (
			SELECT order_id, min(position) AS position FROM order_history
			WHERE status IN ('CONFIRMED', 'CANCELLED') GROUP BY order_id),
		latest AS (
			SELECT DISTINCT ON (order_id) order_id, status FROM order_history ORDER BY order_id, position DESC)
		SELECT h.order_id::text, format('%s after its end', h.status)
		FROM order_history h JOIN ending e ON e.order_id = h.order_id AND h.position > e.position
		UNION ALL
		SELECT o.id::text, format('is %s, its history ends with %s', o.status, coalesce(l.status, 'nothing'))
		FROM orders o LEFT JOIN latest l ON l.order_id = o.id
		WHERE o.status IS DISTINCT FROM l.status`)
}

// confirmedIsDone looks for the three effects that a confirmed order promises.
func confirmedIsDone(_ context.Context, l *look) ([]Offender, error) {
	return each(l.orders, func(id string, o order) string {
		if o.Status != confirmed {
			return ""
		}
		captured, returned := l.captured(id)
		held := l.reservations[id]
		switch {
		case l.shipments[id].State != "CREATED":
			return "is not shipped"
		case captured-returned+l.payments[id].Accepted != o.Amount:
			return fmt.Sprintf("total %d %s, captured %d, returned %d, of which %d are accepted", o.Amount, o.Currency, captured,
				returned, l.payments[id].Accepted)
		case held.State != "SOLD" && held.State != "RESERVED":
			return fmt.Sprintf("its stock is neither sold nor held but %q", held.State)
		case !sameItems(o.Items, held.Lines):
			return fmt.Sprintf("ordered %v, held %v", o.Items, held.Lines)
		}
		return ""
	}), nil
}

func cancelledIsNotShipped(_ context.Context, l *look) ([]Offender, error) {
	return each(l.orders, func(id string, o order) string {
		if o.Status == cancelled && l.shipments[id].State == "CREATED" {
			return "is cancelled and shipped"
		}
		return ""
	}), nil
}

func everyOrderEnded(_ context.Context, l *look) ([]Offender, error) {
	return each(l.orders, func(id string, o order) string {
		if o.Status == confirmed || o.Status == cancelled || o.Incident || l.payments[id].Incident {
			return ""
		}
		return fmt.Sprintf("is %s; held %q, payment %q, shipment %q",
			o.Status, l.reservations[id].State, l.payments[id].State, l.shipments[id].State)
	}), nil
}

func cancelledIsUndone(_ context.Context, l *look) ([]Offender, error) {
	return each(l.orders, func(id string, o order) string {
		if o.Status != cancelled {
			return ""
		}
		captured, returned := l.captured(id)
		settled := l.payments[id].Settled
		switch {
		case captured-returned-settled != 0 && !l.payments[id].LateCapture:
			return fmt.Sprintf("captured %d, returned %d, settled %d", captured, returned, settled)
		case l.reservations[id].State == "RESERVED" || l.reservations[id].State == "SOLD":
			return "its stock is " + l.reservations[id].State
		}
		return ""
	}), nil
}

// customersAreMailed looks for mails that are still to be sent, and for cancels that were not announced. What the
// release before this one has sent, or had refused, stands in order's own table.
func customersAreMailed(ctx context.Context, l *look) ([]Offender, error) {
	unsent, err := l.offenders(ctx, events.Notification, `
		SELECT order_id::text, format('the mail that it is %s is %s: %s', kind, state, coalesce(problem, 'it was not tried'))
		FROM mail WHERE state IN ('WAITING', 'UNKNOWN')`)
	if err != nil {
		return nil, err
	}
	written, err := query[struct{ ID, Kind string }](ctx, l, events.Notification, `SELECT order_id::text, kind FROM mail`)
	if err != nil {
		return nil, err
	}
	kinds := map[string][]string{}
	for _, mail := range written {
		kinds[mail.ID] = append(kinds[mail.ID], mail.Kind)
	}
	orders, err := query[struct {
		ID, Status string
		Before     []string
		Waiting    bool
		Young      bool
	}](ctx, l, events.Order, `
		SELECT id::text, status, array(SELECT kind FROM mail WHERE order_id = id),
		       EXISTS (SELECT FROM mail WHERE order_id = id AND sent_at IS NULL AND refused_at IS NULL),
		       created_at > now() - interval '23 hours'
		FROM orders WHERE contact_email IS NOT NULL`)
	found := unsent
	for _, o := range orders {
		all := slices.Concat(o.Before, kinds[o.ID])
		switch {
		case o.Waiting:
			found = append(found, Offender{o.ID, "a mail of the release before is not handed over"})
		case len(all) == 0 && !o.Young: // that release had no mail server
		case !slices.Contains(all, "received") && o.Status != cancelled,
			slices.Contains(all, "cancelled") != (o.Status == cancelled):
			found = append(found, Offender{o.ID, fmt.Sprintf("is %s, and there are the mails %v", o.Status, all)})
		}
	}
	return found, err
}

// keysAreKept checks the answers that are stored under Idempotency-Keys. A second execution under a key
// would leave an order that no key names, or two keys that name one.
func keysAreKept(ctx context.Context, l *look) ([]Offender, error) {
	found, err := l.offenders(ctx, events.Order, `
		WITH answered AS (
			SELECT key, convert_from(body, 'UTF8')::jsonb->>'id' AS order_id
			FROM idempotency_key WHERE status = 202 AND `+placing+`)
		SELECT order_id, format('%s keys answer with it', count(*)) FROM answered GROUP BY order_id HAVING count(*) > 1
		UNION ALL
		SELECT o.id::text, 'no key answers with it' FROM orders o
		WHERE o.created_at > now() - interval '23 hours' -- keys are kept for 24
		  AND NOT EXISTS (SELECT FROM answered a WHERE a.order_id = o.id::text)`)
	if err != nil {
		return nil, err
	}
	for _, given := range l.options.Acknowledged {
		if given.Key == "" || given.Body == nil {
			continue
		}
		stored, err := query[struct{ Body []byte }](ctx, l, events.Order,
			`SELECT body FROM idempotency_key WHERE key = $1 AND status = 202 AND `+placing, given.Key)
		if err != nil {
			return nil, err
		}
		if len(stored) != 1 || string(stored[0].Body) != string(given.Body) {
			found = append(found, Offender{given.OrderID, "the answer stored under its key is not the one that its client got"})
		}
	}
	return found, nil
}

// acknowledgedExists takes the promise from the clients, where they are asked, and from the stored answers.
func acknowledgedExists(ctx context.Context, l *look) ([]Offender, error) {
	found, err := l.offenders(ctx, events.Order, `
		SELECT answer->>'id', 'was acknowledged under the key ' || key
		FROM (SELECT key, convert_from(body, 'UTF8')::jsonb AS answer
		      FROM idempotency_key WHERE status = 202 AND `+placing+`) a
		WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id::text = answer->>'id')`)
	for _, given := range l.options.Acknowledged {
		if _, exists := l.orders[given.OrderID]; !exists {
			found = append(found, Offender{given.OrderID, "was acknowledged to its client"})
		}
	}
	return found, err
}

// placing are the keys of requests that place orders.
const placing = `scope = 'orders'`
