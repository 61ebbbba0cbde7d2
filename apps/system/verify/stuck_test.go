package verify_test

import (
	"slices"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/pkg/events"
)

// openIncident is an open incident of nobody's order in a service.
func openIncident(kind string) string {
	return `INSERT INTO incident (id, order_id, kind, reason) VALUES (gen_random_uuid(), '` + stranger + `', '` + kind + `', 'x');`
}

// The statements that put an order where only a person helps.
const (
	lastRequest = `UPDATE orders SET status = 'CANCELLING', cancel_requested_at = now() - interval '1 day', attempt = 5,
		asked_at = now() - interval '1 hour' WHERE id = '` + stranger + `';`
	held = `INSERT INTO reservation (order_id, state, lines, attempt, asked_at)
		VALUES ('` + stranger + `', 'RESERVED', '[]', 5, now() - interval '1 hour');`
	refused = `INSERT INTO payment (order_id, state, charge_key, amount, currency, payment_method, charge_id, refund_amount, captured_amount)
		VALUES ('` + stranger + `', 'REFUND_REFUSED', 'k', 5, 'USD', 'tok_visa', 'ch_9', 5, 5);`
	letter = `INSERT INTO dead_letter (id, event_id, key, type, subject, payload, reason)
		VALUES (gen_random_uuid(), 'e', '` + stranger + `', 't', 's', '', 'x');`
)

// placed is an order to which more is done.
func placed(more string) func(*world) {
	return sql(events.Order, addOrder(stranger, "CANCELLED", 1, `[]`)+more)
}

// pending is an order that was not cancelled.
func pending(more string) string {
	return `UPDATE orders SET status = 'PENDING', reason = NULL, deadline = now() + interval '1 minute' WHERE id = '` + stranger + `';` + more
}

const noted = `INSERT INTO order_incident (order_id, incident_id, service, kind, opened_at) VALUES ('` + stranger + `', 'i', 'payment', 'k', now());`

func all(parts ...func(*world)) func(*world) {
	return func(w *world) {
		for _, part := range parts {
			part(w)
		}
	}
}

func stuckDamages() (list []damage) {
	for what, do := range map[string]func(*world){
		"pending without a deadline":   placed(pending(`UPDATE orders SET deadline = 'infinity' WHERE status = 'PENDING'`)),
		"pending, the deadline is far": placed(pending(`UPDATE orders SET deadline = now() + interval '1 year' WHERE status = 'PENDING'`)),
		"pending, held up by an incident that is resolved": all(placed(pending(noted)),
			sql(events.Payment, openIncident("charge_undecided")+`UPDATE incident SET resolved_at = now(), resolution = 'x'`)),
		"pending, its only incident has no action": all(placed(pending(noted)), sql(events.Payment, refused+openIncident("charge_undecided")+`
			UPDATE payment SET state = 'CAPTURED' WHERE order_id = '`+stranger+`'`)),
		"pending, its only incident is about a letter that is closed": all(placed(pending(noted)), sql(events.Shipping, openIncident("poison")+letter+`
			UPDATE dead_letter SET closed_at = now(), closed_as = 'discarded'`)),
		"asked about for the last time, no incident":       placed(lastRequest),
		"to be asked about in a year":                      placed(lastRequest + `UPDATE orders SET attempt = 2, asked_at = now() + interval '1 year' WHERE status = 'CANCELLING'`),
		"stock is held for nobody":                         sql(events.Inventory, held),
		"stock is held, its incident is another":           sql(events.Inventory, held+openIncident("overdue")),
		"a refund is refused, no incident":                 sql(events.Payment, refused),
		"a refund is refused, the incident is inventory's": all(sql(events.Payment, refused), sql(events.Inventory, held+openIncident("unanswered"))),
		"a refund that is never due":                       sql(events.Payment, refused+`UPDATE payment SET state = 'REFUNDING', next_attempt_at = 'infinity' WHERE order_id = '`+stranger+`'`),
		"a charge that is leased for ever": sql(events.Payment, refused+`UPDATE payment SET state = 'INTENT',
			lease_token = gen_random_uuid(), lease_until = 'infinity' WHERE order_id = '`+stranger+`'`),
		"a mail that is never due": sql(events.Notification, addMail(stranger, "received", "WAITING", "NULL")+`;
			UPDATE mail SET next_attempt_at = 'infinity'`),
	} {
		list = append(list, damage{what, "I20", stranger, do, verify.Options{}})
	}
	return append(list,
		damage{"an event that its consumer has not acknowledged", "I21", "inventory", func(w *world) {
			w.record(events.OrderCreated{Snapshot: events.Snapshot{OrderID: stranger}})
		}, verify.Options{TooOld: time.Millisecond}},
		damage{"an event that is not published", "I21", "shipping", sql(events.Shipping, `
			INSERT INTO outbox (id, key, type, subject, payload, created_at)
			VALUES ('`+stranger+`', '`+sold+`', 'saga.shipping.ShipmentCreated.v1', 's', '', now() - interval '9 hours')`), verify.Options{}},
	)
}

// An order that is under way, or that a person can act upon, is named by nobody.
func TestVerify_AnOrderThatGoesOnIsNoOffence(t *testing.T) {
	t.Parallel()
	h := newHealthy(t)
	for what, do := range map[string]func(*world){
		"pending before its deadline":         placed(pending("")),
		"pending beyond its deadline":         placed(pending(`UPDATE orders SET deadline = now() - interval '1 hour' WHERE status = 'PENDING'`)),
		"pending, a person looks":             all(placed(pending(noted)), sql(events.Payment, openIncident("reconciliation"))),
		"pending, with a dead letter":         all(placed(pending(noted)), sql(events.Shipping, openIncident("poison")+letter)),
		"asked about again":                   placed(lastRequest + `UPDATE orders SET attempt = 4 WHERE status = 'CANCELLING'`),
		"asked about for the last time, now":  placed(lastRequest + `UPDATE orders SET asked_at = now() WHERE status = 'CANCELLING'`),
		"asked about in vain, a person looks": placed(lastRequest + openIncident("overdue")),
		"an event about it is not published": all(placed(lastRequest), sql(events.Shipping, `
			INSERT INTO outbox (id, key, type, subject, payload) VALUES (gen_random_uuid(), '`+stranger+`', 't', 's', '')`)),
		"an event about it waits for its consumer": all(placed(lastRequest), func(w *world) {
			w.record(events.OrderCreated{Snapshot: events.Snapshot{OrderID: stranger}})
		}),
		"stock is held, payment is asked":     sql(events.Inventory, held+`UPDATE reservation SET attempt = 1`),
		"stock is held, a person looks":       sql(events.Inventory, held+openIncident("unanswered")),
		"a refund is refused, a person looks": sql(events.Payment, refused+openIncident("refund_refused")),
		"a refund is under way":               sql(events.Payment, refused+`UPDATE payment SET state = 'REFUNDING' WHERE order_id = '`+stranger+`'`),
		"a direct refund is refused":          sql(events.Payment, refused+`UPDATE payment SET direct_reference = 'x' WHERE order_id = '`+stranger+`'`),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, h, true)
			do(w)
			report, err := verify.Check(t.Context(), w.system, verify.Options{})
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(report.Results, func(r verify.Result) bool { return r.ID == "I20" })
			if !report.Results[at].Holds || !report.Broker {
				t.Errorf("named: %+v", report.Results[at])
			}
		})
	}
}

func TestVerify_ReportsWhatHasWaitedForTheLongestTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), true)
	placed(pending(`UPDATE orders SET created_at = now() - interval '3 hours' WHERE status = 'PENDING'`))(w)
	sql(events.Shipping, `INSERT INTO outbox (id, key, type, subject, payload, created_at)
		VALUES (gen_random_uuid(), '`+sold+`', 'saga.shipping.ShipmentCreated.v1', 's', '', now() - interval '2 hours')`)(w)
	report, err := verify.Check(t.Context(), w.system, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if o, e := report.OldestOrder, report.OldestEvent; o.Of != stranger || o.Age.Round(time.Hour) != 3*time.Hour ||
		e.Of != string(events.Shipping) || e.Age.Round(time.Hour) != 2*time.Hour {
		t.Errorf("the oldest order is %+v, the oldest event %+v", o, e)
	}
	w.system.NATS = "nats://observer:x@127.0.0.1:1"
	if report, err = verify.Check(t.Context(), w.system, verify.Options{}); err != nil || report.Broker {
		t.Errorf("without a broker: %+v, %v", report, err)
	}
}
