package verify_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/pkg/events"
)

func TestVerify_AHealthyWorldHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), true)
	w.log(`{"level":"INFO","msg":"served","at_ns":1763856000123456789,"share":0.4111111111111111,"id":"0193a000-0000-7000-8000-411111111111"}`)
	report, err := verify.Check(t.Context(), w.system, verify.Options{AtRest: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		if !r.Holds {
			t.Errorf("%s (%s) is violated: %v", r.ID, r.Sentence, r.Offenders)
		}
	}
	if len(report.Results) != 24 {
		t.Errorf("%d invariants were checked, not 24", len(report.Results))
	}
	if want := (verify.Counted{Orders: 2, Charges: 2, Refunds: 1, Messages: 1}); report.Counted != want {
		t.Errorf("looked at %+v, want %+v", report.Counted, want)
	}
}

func TestVerify_MoreOrdersThanWantedAreNotLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), false)
	if _, err := verify.Check(t.Context(), w.system, verify.Options{AtMost: 1}); !errors.Is(err, verify.ErrTooMany) {
		t.Errorf("of two orders with one wanted: %v", err)
	}
	if report, err := verify.Check(t.Context(), w.system, verify.Options{AtMost: 2}); err != nil || !report.Holds {
		t.Errorf("of two orders with two wanted: %+v, %v", report, err)
	}
}

// damage is one way in which the world is wrong, and what must notice it.
type damage struct {
	what      string
	invariant string
	key       string // of the offender
	do        func(w *world)
	options   verify.Options
}

func TestVerify_EveryInvariantIsViolatedByADoctoredWorld(t *testing.T) {
	t.Parallel()
	atRest, covered := map[string]bool{}, map[string]bool{}
	for _, invariant := range verify.Invariants() {
		atRest[invariant.ID] = invariant.AtRest
	}
	h := newHealthy(t)
	for _, d := range damages() {
		covered[d.invariant] = true
		t.Run(d.invariant+" "+d.what, func(t *testing.T) {
			t.Parallel()
			d.options.AtRest = atRest[d.invariant]
			w := newWorld(t, h, d.options.AtRest || d.invariant == "I20" || d.invariant == "I21")
			d.do(w)
			report, err := verify.Check(t.Context(), w.system, d.options)
			if err != nil {
				t.Fatal(err)
			}
			mustBeViolated(t, report, d.invariant, d.key)
		})
	}
	for _, invariant := range verify.Invariants() {
		if !covered[invariant.ID] {
			t.Errorf("nothing shows that %s can be violated", invariant.ID)
		}
	}
}

func mustBeViolated(t *testing.T, report verify.Report, id, key string) {
	t.Helper()
	if report.Holds {
		t.Error("the report has it that everything holds")
	}
	for _, r := range report.Results {
		if r.ID != id {
			continue
		}
		for _, offender := range r.Offenders {
			if strings.Contains(offender.Key, key) && !r.Holds {
				return
			}
		}
		t.Errorf("%s has the offenders %v, not %q", id, r.Offenders, key)
	}
}

func sql(service events.Service, text string) func(*world) {
	return func(w *world) { w.exec(service, text) }
}

func ledger(more ...entry) func(*world) {
	return func(w *world) { w.ledger = append(w.ledger, more...) }
}

func damages() []damage {
	return slices.Concat(moneyDamages(), orderDamages(), messageDamages(), stuckDamages())
}

func moneyDamages() []damage {
	return []damage{
		{"a second charge", "I1", sold, ledger(entry{"ch_3", "charge", sold, "", 3998, "USD", "succeeded"}), verify.Options{}},
		{"a refund beyond the whole", "I2", "ch_2", ledger(entry{"re_3", "refund", returned, "ch_2", 1, "USD", "succeeded"}), verify.Options{}},
		{"a refund above the charge", "I2", "ch_2", func(w *world) { w.ledger[2].Amount++ }, verify.Options{}},
		{"a refund of no charge", "I2", "ch_9", ledger(entry{"re_9", "refund", returned, "ch_9", 1, "USD", "succeeded"}), verify.Options{}},
		{"a posting that does not balance", "I9", "posting", sql(events.Payment, `
			ALTER TABLE ledger_entry DISABLE TRIGGER ALL;
			UPDATE ledger_entry SET amount = amount + 1 WHERE gateway_id = 'ch_1' AND account = 'customers'`), verify.Options{}},
		{"a part that is not in the ledger", "I9", sold, sql(events.Payment, `UPDATE payment SET returned_amount = 1 WHERE charge_id = 'ch_1'`), verify.Options{}},
		{"a ledger that the service may change", "I9", "ledger_entry", sql(events.Payment, `GRANT UPDATE ON ledger_entry TO payment`), verify.Options{}},
		{"another amount asked", "I11", sold, sql(events.Payment, `UPDATE payment SET amount = 3999 WHERE charge_id = 'ch_1'`), verify.Options{}},
		{"another amount taken", "I11", sold, func(w *world) { w.ledger[0].Amount++ }, verify.Options{}},
		{"another currency taken", "I11", sold, func(w *world) { w.ledger[0].Currency = "JPY" }, verify.Options{}},
		{"a refund that never came", "I13", returned, func(w *world) { w.ledger = w.ledger[:2] }, verify.Options{}},
		{"a payment left undecided", "I15", sold, sql(events.Payment, `UPDATE payment SET state = 'UNKNOWN' WHERE charge_id = 'ch_1'`), verify.Options{}},
		{"a charge that is not booked", "I15", "ch_9", ledger(entry{"ch_9", "charge", "direct:9", "", 5, "USD", "succeeded"}), verify.Options{}},
		{"a booking that the gateway does not know", "I15", "ch_9", sql(events.Payment, posting(sold, "ch_9", "charge", 5)), verify.Options{}},
		{"a refund booked as a charge", "I15", "re_2", sql(events.Payment, `
			ALTER TABLE ledger_entry DISABLE TRIGGER ALL;
			UPDATE ledger_entry SET amount = -amount WHERE gateway_id = 're_2'`), verify.Options{}},
	}
}

func orderDamages() []damage {
	return []damage{
		{"units from nowhere", "I3", "widget", sql(events.Inventory, `UPDATE stock SET available = available + 1 WHERE sku = 'widget'`), verify.Options{}},
		{"a unit counted twice", "I3", "widget", sql(events.Inventory, `UPDATE stock SET available = available - 1, sold = sold + 1 WHERE sku = 'widget'`), verify.Options{}},
		{"less than nothing", "I3", "last-one", sql(events.Inventory, `
			ALTER TABLE stock DROP CONSTRAINT stock_available_check;
			UPDATE stock SET available = -1, sold = 2 WHERE sku = 'last-one'`), verify.Options{}},
		{"a second shipment", "I4", sold, sql(events.Shipping, `
			ALTER TABLE shipment DROP CONSTRAINT shipment_pkey;
			INSERT INTO shipment (order_id, state, reason, ship_to) VALUES ('`+sold+`', 'FAILED', 'x', '{}')`), verify.Options{}},
		{"no key on payments", "I4", "payment", sql(events.Payment, `ALTER TABLE payment DROP CONSTRAINT payment_pkey CASCADE`), verify.Options{}},
		{"a change after the end", "I5", sold, sql(events.Order, `INSERT INTO order_history (order_id, status) VALUES ('`+sold+`', 'CANCELLING')`), verify.Options{}},
		{"both ends", "I5", sold, sql(events.Order, `
			DROP INDEX order_history_end;
			INSERT INTO order_history (order_id, status) VALUES ('`+sold+`', 'CANCELLED')`), verify.Options{}},
		{"a second charge that an operator has taken note of, and that is not back", "I1", sold, func(w *world) {
			w.ledger = append(w.ledger, entry{"ch_3", "charge", sold, "", 5, "USD", "succeeded"}, entry{"re_3", "refund", sold, "ch_3", 4, "USD", "succeeded"})
			w.exec(events.Payment, `INSERT INTO accepted_movement (gateway_id, order_id) VALUES ('ch_3', '`+sold+`'), ('re_3', '`+sold+`')`)
		}, verify.Options{}},
		{"a second charge that is back, and that nobody has taken note of", "I1", sold, ledger(
			entry{"ch_3", "charge", sold, "", 5, "USD", "succeeded"}, entry{"re_3", "refund", sold, "ch_3", 5, "USD", "succeeded"}), verify.Options{}},
		{"confirmed, not shipped", "I6", sold, sql(events.Shipping, `DELETE FROM shipment WHERE order_id = '`+sold+`'`), verify.Options{}},
		{"confirmed, not paid", "I6", sold, func(w *world) { w.ledger = w.ledger[1:] }, verify.Options{}},
		{"confirmed, paid back", "I6", sold, ledger(entry{"re_1", "refund", sold, "ch_1", 3998, "USD", "succeeded"}), verify.Options{}},
		{"confirmed, a part paid back", "I6", sold, ledger(entry{"re_1", "refund", sold, "ch_1", 500, "USD", "succeeded"}), verify.Options{}},
		{"confirmed, more paid back than was accepted", "I6", sold, func(w *world) {
			w.ledger = append(w.ledger, entry{"re_1", "refund", sold, "ch_1", 600, "USD", "succeeded"})
			w.exec(events.Payment, acceptedRefund("CAPTURED"))
		}, verify.Options{}},
		{"confirmed, paid back as if it were to be undone", "I6", sold, func(w *world) {
			w.ledger = append(w.ledger, entry{"re_1", "refund", sold, "ch_1", 500, "USD", "succeeded"})
			w.exec(events.Payment, acceptedRefund("REFUND_REFUSED"))
		}, verify.Options{}},
		{"confirmed, what was accepted never came", "I6", sold, sql(events.Payment, acceptedRefund("CAPTURED")), verify.Options{}},
		{"confirmed, stock let go", "I6", sold, sql(events.Inventory, `UPDATE reservation SET state = 'RELEASED', reason = 'x' WHERE state = 'SOLD'`), verify.Options{}},
		{"confirmed, fewer held", "I6", sold, sql(events.Inventory, `UPDATE reservation SET lines = '[{"sku":"widget","quantity":1}]' WHERE state = 'SOLD'`), verify.Options{}},
		{"cancelled and shipped", "I7", returned, sql(events.Shipping, `UPDATE shipment SET state = 'CREATED', shipment_id = 'shp_2', reason = NULL WHERE state = 'FAILED'`), verify.Options{}},
		{"shipped for an order that is gone", "I23", sold, forget(sold), verify.Options{}},
		{"charged for an order that is gone", "I23", returned, func(w *world) {
			forget(returned)(w)
			w.ledger = w.ledger[:2]
		}, verify.Options{}},
		{"held for an order that is gone", "I23", returned, func(w *world) {
			forget(returned)(w)
			w.exec(events.Inventory, `UPDATE reservation SET state = 'RESERVED', reason = NULL WHERE state = 'RELEASED'`)
		}, verify.Options{}},
		{"a reservation that nobody asked for", "I8", sold, sql(events.Inventory, `DELETE FROM inbox WHERE key = '`+sold+`'`), verify.Options{}},
		{"a payment that nobody asked for", "I8", sold, sql(events.Payment, `DELETE FROM inbox WHERE key = '`+sold+`'`), verify.Options{}},
		{"a shipment that nobody asked for", "I8", sold, sql(events.Shipping, `DELETE FROM inbox WHERE key = '`+sold+`'`), verify.Options{}},
		{"a charge that payment knows nothing of", "I8", stranger, ledger(entry{"ch_9", "charge", stranger, "", 5, "USD", "succeeded"}), verify.Options{}},
		{"two keys for one order", "I10", sold, sql(events.Order, `
			INSERT INTO idempotency_key SELECT scope, 'another', fingerprint, status, headers, body, NULL, NULL, created_at, expires_at
			FROM idempotency_key WHERE key = 'key-`+sold+`'`), verify.Options{}},
		{"an order without a key", "I10", sold, sql(events.Order, `DELETE FROM idempotency_key WHERE key = 'key-`+sold+`'`), verify.Options{}},
		{
			"another answer than the client got", "I10", sold, func(*world) {},
			verify.Options{Acknowledged: []verify.Acknowledged{{OrderID: sold, Key: "key-" + sold, Body: []byte(`{"id": "` + sold + `"}`)}}},
		},
		{"a forgotten order", "I12", stranger, func(w *world) {
			w.exec(events.Order, addOrder(stranger, "CANCELLED", 1, `[]`)+`UPDATE orders SET status = 'PENDING' WHERE id = '`+stranger+`'`)
		}, verify.Options{}},
		{"cancelled, stock held", "I13", returned, sql(events.Inventory, `UPDATE reservation SET state = 'RESERVED', reason = NULL WHERE state = 'RELEASED'`), verify.Options{}},
		{"an acknowledged order that is gone", "I17", stranger, func(*world) {}, verify.Options{Acknowledged: []verify.Acknowledged{{OrderID: stranger}}}},
		{"a mail of the release before that is not handed over", "I19", sold, mails(sold, nil, `INSERT INTO mail (order_id, kind) VALUES ('`+sold+`', 'received')`), verify.Options{}},
		{"a mail that is to be sent", "I19", sold, mails(sold, []string{addMail(sold, "received", "WAITING", "NULL")}, ""), verify.Options{}},
		{"a mail of which nobody knows whether it arrived", "I19", sold, mails(sold, []string{addMail(sold, "received", "UNKNOWN", "now()")}, ""), verify.Options{}},
		{"a customer who was not written to", "I19", sold, mails(sold, nil, ""), verify.Options{}},
		{"a cancel that nobody was told of", "I19", returned, mails(returned, []string{addMail(returned, "received", "SENT", "now()")}, ""), verify.Options{}},
		{"a confirmed order that was told to be cancelled", "I19", sold, mails(sold, []string{
			addMail(sold, "received", "SENT", "now()"), addMail(sold, "cancelled", "SENT", "now()"),
		}, ""), verify.Options{}},
		{"an answered order that is gone", "I17", sold, sql(events.Order, `DELETE FROM orders WHERE id = '`+sold+`'`), verify.Options{}},
	}
}

// forget has the order service lose an order.
func forget(order string) func(*world) {
	return sql(events.Order, `DELETE FROM order_history WHERE order_id = '`+order+`'; DELETE FROM orders WHERE id = '`+order+`'`)
}

// acceptedRefund is that an operator has accepted a refund of 5.00 of the sold order, which was made by hand.
func acceptedRefund(state string) string {
	return `
		UPDATE payment SET returned_amount = 500, refund_id = 're_1' WHERE charge_id = 'ch_1';` + posting(sold, "re_1", "refund", -500) + `
		INSERT INTO incident (id, order_id, kind, reason, resolved_at, resolution)
		VALUES ('` + stranger + `', '` + sold + `', 'reconciliation', 'x', now(), 'the ledgers agree');
		INSERT INTO operator_action (id, request_key, fingerprint, by, why, action, target_kind, target_id, before, after, answer)
		VALUES (gen_random_uuid(), 'k', '', 'grace', 'y', 'resolve refund', 'incident', '` + stranger + `',
			'{"state": "` + state + `"}', '{"state": "` + state + `", "returned": 500}', '')`
}

// mails has a customer who wants mails about an order, those that there are, and what is done in order's own database.
func mails(id string, written []string, before string) func(*world) {
	return func(w *world) {
		w.exec(events.Order, `UPDATE orders SET contact_email = 'ada@customers.example' WHERE id = '`+id+`';`+before)
		w.exec(events.Notification, strings.Join(append(written, "SELECT"), ";"))
	}
}

// addMail is a mail about an order.
func addMail(order, kind, state, ended string) string {
	return `INSERT INTO mail (order_id, kind, recipient, name, body, state, problem, ended_at)
		VALUES ('` + order + `', '` + kind + `', 'ada@customers.example', '', '', '` + state + `', 'no answer', ` + ended + `)`
}

func messageDamages() []damage {
	return []damage{
		{"a row that nobody publishes", "I14", stranger, sql(events.Shipping, `
			INSERT INTO outbox (id, key, type, subject, payload, created_at)
			VALUES ('`+stranger+`', '`+sold+`', 'saga.shipping.ShipmentCreated.v1', 's', '', now() - interval '6 seconds')`), verify.Options{}},
		{"a published row that the stream lost", "I14", stranger, sql(events.Shipping, `
			INSERT INTO outbox (id, key, type, subject, payload, published_at, stream_seq)
			VALUES ('`+stranger+`', '`+sold+`', 'saga.shipping.ShipmentCreated.v1', 's', '', now(), 7)`), verify.Options{}},
		{"a message that waits", "I16", "inventory", func(w *world) {
			w.record(events.OrderCreated{Snapshot: events.Snapshot{OrderID: sold}})
		}, verify.Options{}},
		{"a card number in a log", "I18", "payment.log:1", func(w *world) { w.log(`{"card":"4111111111111111"}`) }, verify.Options{}},
		{"a password in a log", "I18", "payment.log:1", func(w *world) { w.log(`cannot connect to postgres://payment:hunter2@127.0.0.1/payment`) }, verify.Options{}},
		{"a token in a log", "I18", "payment.log:1", func(w *world) { w.log(`token ` + w.system.AdminToken) }, verify.Options{}},
		{"a secret of its own in a log", "I18", "payment.log:1", func(w *world) { w.log(`it is sesame`) }, verify.Options{Secrets: []string{"sesame"}}},
		{"a card number in an event", "I18", "message 2", func(w *world) {
			w.record(events.OrderCancelled{Subject: events.Subject{OrderID: returned}, Reason: "card 4111111111111111 was declined"})
		}, verify.Options{}},
		{"an event that its service has lost", "I22", "", func(w *world) {
			w.publish(events.OrderCancelled{Subject: events.Subject{OrderID: returned}, Reason: "x"})
		}, verify.Options{}},
		{"an event that another service was to publish", "I22", "", func(w *world) {
			id := w.publish(events.PaymentVoided{Subject: events.Subject{OrderID: returned}, Reason: "x"})
			w.exec(events.Order, `INSERT INTO outbox (id, key, type, subject, payload) VALUES ($1, $1::uuid, 'x', 'x', '')`, id)
		}, verify.Options{}},
		{"two parcels", "I24", sold, func(w *world) {
			w.record(events.ShipmentCreated{Snapshot: events.Snapshot{OrderID: sold}, ShipmentID: "shp_1"})
			w.record(events.ShipmentCreated{Snapshot: events.Snapshot{OrderID: sold}, ShipmentID: "shp_1"})
			w.record(events.ShipmentCreated{Snapshot: events.Snapshot{OrderID: sold}, ShipmentID: "shp_2"})
		}, verify.Options{}},
	}
}

func TestVerify_ExceptionsAreNoOffences(t *testing.T) {
	t.Parallel()
	exceptions := map[string]func(w *world){
		"a settlement outside the gateway, audited": func(w *world) {
			w.ledger = w.ledger[:2]
			w.exec(events.Payment, `
				DELETE FROM ledger_entry WHERE gateway_id = 're_2';
				INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, kind)
				SELECT '`+stranger+`'::uuid, account, 4950 * sign, 'USD', '`+returned+`', 'settlement'
				FROM (VALUES ('customers', 1), ('manual_settlement', -1)) AS side (account, sign)`)
		},
		"a refund after a settlement, which is reversed": func(w *world) {
			w.exec(events.Payment, `
				INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, kind)
				SELECT posting::uuid, account, 4950 * sign * turn, 'USD', '`+returned+`', 'settlement'
				FROM (VALUES ('customers', 1), ('manual_settlement', -1)) AS side (account, sign),
				     (VALUES ('`+stranger+`', 1), ('`+sold+`', -1)) AS way (posting, turn)`)
		},
		"a second charge that is back, of which an operator has taken note": func(w *world) {
			w.ledger = append(w.ledger, entry{"ch_3", "charge", sold, "", 5, "EUR", "succeeded"}, entry{"re_3", "refund", sold, "ch_3", 5, "EUR", "succeeded"})
			w.exec(events.Payment, `INSERT INTO accepted_movement (gateway_id, order_id) VALUES ('ch_3', '`+sold+`'), ('re_3', '`+sold+`')`)
		},
		"a refund of a confirmed order, accepted": func(w *world) {
			w.ledger = append(w.ledger, entry{"re_1", "refund", sold, "ch_1", 500, "USD", "succeeded"})
			w.exec(events.Payment, acceptedRefund("CAPTURED"))
		},
		"money that should not be there, with its incident": func(w *world) {
			w.ledger = w.ledger[:2]
			w.exec(events.Payment, `
				DELETE FROM ledger_entry WHERE gateway_id = 're_2';
				UPDATE payment SET state = 'LATE_CAPTURED', returned_amount = 0 WHERE charge_id = 'ch_2';
				INSERT INTO incident (id, order_id, kind, reason) VALUES ('`+stranger+`', '`+returned+`', 'late_capture', 'x')`)
		},
		"an order that waits for a person": func(w *world) {
			w.exec(events.Order, addOrder(stranger, "CANCELLED", 1, `[]`)+`
				UPDATE orders SET status = 'PENDING' WHERE id = '`+stranger+`';
				INSERT INTO order_history (order_id, status) VALUES ('`+stranger+`', 'PENDING');
				INSERT INTO order_incident (order_id, incident_id, service, kind, opened_at) VALUES ('`+stranger+`', 'i', 'payment', 'k', now());
				DROP INDEX order_history_end; DELETE FROM order_history WHERE order_id = '`+stranger+`' AND status = 'CANCELLED'`)
			w.exec(events.Payment, openIncident("reconciliation"))
		},
		"an event that was translated": func(w *world) {
			w.translate(events.OrderCreated{Snapshot: events.Snapshot{OrderID: sold}})
		},
		"a message of nobody that is a dead letter": func(w *world) {
			id := w.publish(events.OrderCancelled{Subject: events.Subject{OrderID: returned}, Reason: "x"})
			w.exec(events.Inventory, `INSERT INTO dead_letter (id, event_id, key, type, subject, payload, reason)
				VALUES (gen_random_uuid(), '`+id+`', '', '', '', '', '')`)
			w.handle()
		},
		"one parcel of which was published twice": func(w *world) {
			for range 2 {
				w.record(events.ShipmentCreated{Snapshot: events.Snapshot{OrderID: sold}, ShipmentID: "shp_1"})
			}
			w.handle()
			w.handleAs(events.Order)
		},
		"an order that is gone, of which nothing is left": func(w *world) {
			forget(returned)(w)
			w.exec(events.Order, `DELETE FROM idempotency_key WHERE key = 'key-`+returned+`'`)
		},
		"a direct payment": func(w *world) {
			w.exec(events.Payment, posting("direct:1", "ch_7", "charge", 5))
			w.ledger = append(w.ledger, entry{"ch_7", "charge", "direct:1", "", 5, "USD", "succeeded"})
		},
		"a young row that is not published yet": func(w *world) {
			w.exec(events.Shipping, `INSERT INTO outbox (id, key, type, subject, payload)
				VALUES ('`+stranger+`', '`+sold+`', 'saga.shipping.ShipmentCreated.v1', 's', '')`)
		},
	}
	h := newHealthy(t)
	for what, do := range exceptions {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, h, true)
			do(w)
			report, err := verify.Check(t.Context(), w.system, verify.Options{AtRest: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range report.Results {
				if !r.Holds {
					t.Errorf("%s is called violated: %v", r.ID, r.Offenders)
				}
			}
		})
	}
}

// A charge is made between the look at the payment database and the look at the ledger: the next look finds
// its payment. That is a message under way and no offence.
func TestVerify_ADifferenceIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), false)
	w.ledger = append(w.ledger, entry{"ch_9", "charge", stranger, "", 5, "USD", "succeeded"})
	looks := 0
	w.onFetch = func() {
		if looks++; looks == 2 {
			w.ledger = w.ledger[:3]
		}
	}
	report, err := verify.Check(t.Context(), w.system, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Holds || looks < 2 {
		t.Errorf("after %d looks: %+v", looks, report)
	}
}

func TestVerify_AtRestWaitsForTheSystemToComeToRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), true)
	missing := w.ledger[2]
	w.ledger = w.ledger[:2]
	looks := 0
	w.onFetch = func() {
		if looks++; looks == 3 {
			w.ledger = append(w.ledger, missing)
		}
	}
	report, err := verify.Check(t.Context(), w.system, verify.Options{AtRest: true, Within: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if !report.Holds || looks != 3 {
		t.Errorf("after %d looks: %+v", looks, report)
	}
}

func TestVerify_ChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), true)
	w.exec(events.Payment, `SELECT 1`) // makes the database our own
	count := func() (n int) {
		t.Helper()
		err := w.owners[events.Payment].QueryRow(context.WithoutCancel(t.Context()),
			`SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	if _, err := verify.Check(t.Context(), w.system, verify.Options{AtRest: true}); err != nil {
		t.Fatal(err)
	}
	if after := count(); after != before {
		t.Errorf("%d rows were written", after-before)
	}
}

func TestVerify_WhatCannotBeLookedAtIsAnErrorAndNoViolation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), false)
	w.system.URLs["gateway"] = "http://127.0.0.1:1"
	if _, err := verify.Check(t.Context(), w.system, verify.Options{}); err == nil || !strings.Contains(err.Error(), "ledger") {
		t.Errorf("got %v", err)
	}
}
