package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/ordersaga/pkg/events"
)

// terminalStays looks into the history of each order for something that follows its end.
func terminalStays(ctx context.Context, l *look) ([]Offender, error) {
	return l.offenders(ctx, events.Order, `
		SELECT id::text, format('is %s, its history is %s', coalesce(status, 'unknown'), coalesce((
			SELECT string_agg(h.status, ', ' ORDER BY position) FROM order_history h WHERE order_id = id), 'empty'))
		FROM (
			SELECT coalesce(o.id, h.order_id) AS id, o.status FROM orders o FULL JOIN order_history h ON h.order_id = o.id
			WHERE `+narrowed(`coalesce(o.id, h.order_id)`, `uuid`)+`
			GROUP BY 1, 2
			HAVING min(position) FILTER (WHERE h.status IN ('CONFIRMED', 'CANCELLED')) < max(position)
			    OR o.status IS NOT NULL
			       AND coalesce(max(position) FILTER (WHERE h.status = o.status), -1) <> coalesce(max(position), 0)
		) AS offending`, l.orderIDs())
}

// confirmedIsDone looks for the three effects that a confirmed order promises.
func confirmedIsDone(l *look, s *subject) string {
	if s.order.Status != confirmed {
		return ""
	}
	captured, returned := s.captured()
	accepted := l.noted.refunded[s.key]
	switch o, held := s.order, s.reservation; {
	case s.shipment.State != "CREATED":
		return "is not shipped"
	case captured-returned+accepted != o.Amount:
		return fmt.Sprintf("total %d %s, captured %d, returned %d, of which %d are accepted", o.Amount, o.Currency, captured,
			returned, accepted)
	case held.State != "SOLD" && held.State != "RESERVED":
		return fmt.Sprintf("its stock is neither sold nor held but %q", held.State)
	case !sameItems(o.Items, held.Lines):
		return fmt.Sprintf("ordered %v, held %v", o.Items, held.Lines)
	}
	return ""
}

// orderIsKnown looks for effects of an order that is gone: its database has lost it, and the others have not.
func orderIsKnown(_ *look, s *subject) string {
	if s.order.ID != "" || strings.HasPrefix(s.key, direct) {
		return ""
	}
	captured, returned := s.captured()
	switch {
	case s.shipment.State == "CREATED":
		return "is shipped, and unknown to the order service"
	case captured != returned:
		return fmt.Sprintf("%d are taken for it, and the order service does not know it", captured-returned)
	case s.reservation.State == "RESERVED" || s.reservation.State == "SOLD":
		return "its stock is " + s.reservation.State + ", and the order service does not know it"
	}
	return ""
}

func cancelledIsNotShipped(_ *look, s *subject) string {
	if s.order.Status == cancelled && s.shipment.State == "CREATED" {
		return "is cancelled and shipped"
	}
	return ""
}

func everyOrderEnded(l *look, s *subject) string {
	if s.order.ended() || l.noted.orders[s.key] || l.paymentIncident(s) {
		return ""
	}
	return fmt.Sprintf("is %s; held %q, payment %q, shipment %q",
		s.order.Status, s.reservation.State, s.payment.State, s.shipment.State)
}

func (o order) ended() bool { return o.Status == confirmed || o.Status == cancelled }

func cancelledIsUndone(l *look, s *subject) string {
	if s.order.Status != cancelled {
		return ""
	}
	captured, returned := s.captured()
	switch {
	case captured-returned-s.settled != 0 && !l.noted.late[s.payment.OrderID]:
		return fmt.Sprintf("captured %d, returned %d, settled %d", captured, returned, s.settled)
	case s.reservation.State == "RESERVED" || s.reservation.State == "SOLD":
		return "its stock is " + s.reservation.State
	}
	return ""
}

// mailsHaveLeft looks for mails that are still to be sent.
func mailsHaveLeft(ctx context.Context, l *look) ([]Offender, error) {
	return l.offenders(ctx, events.Notification, `
		SELECT order_id::text, format('the mail that it is %s is %s: %s', kind, state, coalesce(problem, 'it was not tried'))
		FROM mail WHERE state IN ('WAITING', 'UNKNOWN')`)
}

// customersAreMailed looks for a cancel that was not announced. What the release before this one has sent, or had
// refused, stands in order's own table.
func customersAreMailed(_ *look, s *subject) string {
	o := s.order
	if !o.Mailed {
		return ""
	}
	var all []string
	waiting := false
	for _, m := range s.mails {
		all, waiting = append(all, m.Kind), waiting || m.Waiting
	}
	switch {
	case waiting:
		return "a mail of the release before is not handed over"
	case len(all) == 0 && !o.Young: // that release had no mail server
	case !slices.Contains(all, "received") && o.Status != cancelled,
		slices.Contains(all, "cancelled") != (o.Status == cancelled):
		return fmt.Sprintf("is %s, and there are the mails %v", o.Status, all)
	}
	return ""
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
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(l.options.Acknowledged))
	for i, given := range l.options.Acknowledged {
		ids[i] = given.OrderID
	}
	gone, err := l.offenders(ctx, events.Order, `
		SELECT given.id, 'was acknowledged to its client' FROM unnest($1::text[]) AS given (id)
		WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id::text = given.id)`, ids)
	return append(found, gone...), err
}

// placing are the keys of requests that place orders.
const placing = `scope = 'orders'`
