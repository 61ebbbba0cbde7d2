package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// An order is at rest when it has ended, nothing is held for it, and its payment is decided. One that is not at rest
// goes on by itself when one of these is true:
//
//   - its payment has to be asked about at the gateway, and an attempt is due. While it has to be, or while its refund
//     is refused, nothing else can move the order;
//   - the order service or inventory waits, and is to act: at the deadline, with another request, with an incident;
//   - an event about it is not published, or its consumer has not acknowledged it.
//
// Due is within a day: no pause of the services is longer, and the stream keeps nothing for longer.
//
// Otherwise a person has to act. So there must be an open incident with an action that its service accepts now, which
// depends on its kind and on the state of the row.

// wakes is the condition that a time at which a service acts by itself is not beyond its reach.
func wakes(at string) string { return at + ` < now() + interval '1 day'` }

// asksAgain is the condition that a service that waits since a time makes its request once more, or has just made the
// last one and is about to open an incident.
func asksAgain(since string) string {
	last := `coalesce(asked_at, ` + since + `)`
	return fmt.Sprintf(`%s AND (attempt < %d OR %s > now() - interval '1 minute')`, wakes(last), asking.Most, last)
}

// actionable are the conditions under which the action of an open incident i is accepted. That of a dead letter is so
// everywhere.
var actionable = map[events.Service]string{
	events.Order: `kind = 'overdue' AND EXISTS (SELECT FROM orders WHERE id = i.order_id AND status = 'CANCELLING')`,
	events.Inventory: `kind = 'unanswered' AND EXISTS (
		SELECT FROM reservation r WHERE r.order_id = i.order_id AND state = 'RESERVED')`,
	events.Payment: `kind = 'reconciliation' OR EXISTS (
		SELECT FROM payment p WHERE p.order_id = i.order_id AND state IN ('UNKNOWN', 'REFUNDING', 'REFUND_REFUSED'))`,
	events.Shipping: `false`,
}

// readAttended finds the services that have an open incident of an order, with an action that is accepted.
func (l *look) readAttended(ctx context.Context) error {
	l.attended = map[string][]events.Service{}
	for _, service := range events.Services {
		ids, err := query[struct{ ID string }](ctx, l, service, `
			SELECT DISTINCT order_id::text FROM incident i
			WHERE resolved_at IS NULL AND (`+actionable[service]+` OR kind = 'poison' AND EXISTS (
				SELECT FROM dead_letter d WHERE d.key = i.order_id::text AND d.closed_at IS NULL))`)
		if err != nil {
			return err
		}
		for _, row := range ids {
			l.attended[row.ID] = append(l.attended[row.ID], service)
		}
	}
	return nil
}

// rest is how an order stands. Payment: nothing but payment, or a person there, can move it.
func (l *look) rest(s *subject) (atRest, moves, payment bool) {
	direct := strings.HasPrefix(s.key, direct)
	switch s.payment.State {
	case "INTENT", "UNKNOWN", "REFUNDING", "LATE_CAPTURED":
		return direct, s.payment.Moves, true
	case "REFUND_REFUSED":
		return direct, false, true
	}
	ended, held := s.order.ID == "" || s.order.ended(), s.reservation.State == "RESERVED"
	waits := s.order.Status != pending || !l.noted.orders[s.key]
	return ended && !held, !ended && waits && s.order.Moves || held && s.reservation.Moves, false
}

// mailsAreDue looks for mails that wait for nothing.
func mailsAreDue(ctx context.Context, l *look) ([]Offender, error) {
	return l.offenders(ctx, events.Notification, `
		SELECT order_id::text, format('the mail that it is %s is WAITING, and no attempt is due', kind)
		FROM mail WHERE state = 'WAITING' AND NOT `+wakes(`next_attempt_at`))
}

// somebodyMoves looks for orders that neither the services nor a person will bring to an end. It also notes the oldest
// one that is not at rest, and that no person is asked about.
func somebodyMoves(ctx context.Context, l *look, s *subject) ([]Offender, error) {
	atRest, moves, payment := l.rest(s)
	attended := l.attended[s.key]
	if atRest || payment && slices.Contains(attended, events.Payment) || !payment && len(attended) > 0 {
		return nil, nil
	}
	if s.order.ID != "" {
		l.oldestOrder.older(s.key, s.order.CreatedAt)
	}
	if !moves && !payment {
		var err error
		if moves, err = l.underWay(ctx, s.key); err != nil {
			return nil, err
		}
	}
	if moves {
		return nil, nil
	}
	return []Offender{{s.key, fmt.Sprintf(
		"nothing moves it, and no incident has an action: it is %q; held %q, payment %q, shipment %q",
		s.order.Status, s.reservation.State, s.payment.State, s.shipment.State)}}, nil
}

// underWay reports whether an event about an order waits in an outbox, or in the stream for a consumer. While the
// broker does not answer it may.
func (l *look) underWay(ctx context.Context, id string) (waits bool, err error) {
	for _, service := range events.Consumers {
		unpublished, err := l.offenders(ctx, service, `
			SELECT m.key::text, m.type FROM outbox_message m JOIN outbox_due USING (id) WHERE m.key = $1 LIMIT 1`, id)
		if err != nil || len(unpublished) > 0 {
			return err == nil, err
		}
	}
	if l.backlog == nil {
		return true, nil
	}
	err = l.stream.History(ctx, id, func(seen eventlog.Seen) error {
		for service, b := range l.backlog {
			waits = waits || seen.Problem == nil && seen.Sequence > b.Floor &&
				slices.Contains(events.Subscriptions[service], seen.Event.Type())
		}
		return nil
	})
	return waits, err
}

// tooOld is how long an event may wait: a third of the time that the stream keeps it.
const tooOld = outbox.Retention / 3

// Age is for how long something has been waiting.
type Age struct {
	Of  string        `json:"of"` // an order, or a service's consumer or outbox; empty: nothing waits
	Age time.Duration `json:"age_ns"`
}

func (a *Age) older(of string, since time.Time) {
	if age := time.Since(since); a.Of == "" || age > a.Age {
		*a = Age{of, age}
	}
}

// eventsAreYoung looks for events that were published, or acknowledged, by nobody for so long that they may be lost.
func eventsAreYoung(ctx context.Context, l *look) (found []Offender, err error) {
	judge := func(of, what string, since time.Time) {
		l.oldestEvent.older(of, since)
		if age := time.Since(since); age > cmp.Or(l.options.TooOld, tooOld) {
			found = append(found, Offender{of, fmt.Sprintf("the oldest event that it has not %s has been waiting for %v", what,
				age.Round(time.Second))})
		}
	}
	for _, service := range events.Consumers {
		rows, err := query[struct{ Since time.Time }](ctx, l, service, `
			SELECT since FROM (
				SELECT CASE WHEN republish THEN greatest(created_at, (SELECT met_at FROM broker)) ELSE created_at END AS since
				FROM outbox_message JOIN outbox_due USING (id)) AS waiting ORDER BY since LIMIT 1`)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			judge(string(service), "published", row.Since)
		}
		if since := l.backlog[service].Oldest; !since.IsZero() {
			judge(string(service), "acknowledged", since)
		}
	}
	return found, nil
}
