package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
)

// history is finished orders that are older than everything that the stream, the inboxes and the keys remember: one in
// ten was cancelled and refunded, the others are confirmed. They are what verify expects of them, in every database and
// at the gateway. Every second customer wanted mails.
type history struct {
	orders int
	since  time.Time     // before the first one
	step   time.Duration // between two
}

// newHistory spreads orders over 26 days, the last of which ended four days ago.
func newHistory(orders int) history {
	const day = 24 * time.Hour
	step := (26 * day / time.Duration(orders)).Truncate(time.Millisecond)
	return history{orders, time.Now().Add(-30 * day).Truncate(time.Millisecond), step}
}

func (h history) at(n int) time.Time { return h.since.Add(time.Duration(n) * h.step) }

// id is that of the order n, from 1: a UUID of version 7, as the order service makes them. The table past has the same.
func (h history) id(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("%012x70008000%012x", h.at(n).UnixMilli(), n))
}

func undone(n int) bool { return n%10 == 0 }

// past is the orders as a table, of the parameters of [history.insert].
const past = `(
	SELECT n, at, n % 10 = 0 AS undone, n % 2 = 0 AS mailed, replace(id::text, '-', '') AS hex, id
	FROM (SELECT n, $2::timestamptz + n * $3::interval AS at FROM generate_series(1, $1::bigint) AS n) AS orders,
	LATERAL (SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' ||
		lpad(to_hex(n), 12, '0'))::uuid AS id) AS named) AS past`

const (
	pastAddress = `'{"name": "Ada Lovelace", "street": "Chausseestr. 1", "city": "Berlin", "postal_code": "10115",
		"country": "DE"}'::jsonb`
	pastSnapshot = `jsonb_build_object('order_id', id, 'customer_id', 'customer-1', 'lines',
		'[{"sku": "history", "quantity": 1, "unit_price": 1000}]'::jsonb,
		'total', '{"amount": 1000, "currency": "USD"}'::jsonb, 'payment_method', 'tok_visa', 'ship_to', ` + pastAddress + `)`
)

// pastRows are the statements that write the history into each database.
var pastRows = map[events.Service][]string{
	events.Order: {`
		INSERT INTO orders (id, customer_id, status, reason, shipment_id, total_amount, currency, items, payment_method,
			ship_to, deadline, created_at, updated_at, contact_email)
		SELECT id, 'customer-1', CASE WHEN undone THEN 'CANCELLED' ELSE 'CONFIRMED' END,
			CASE WHEN undone THEN 'not_served' END, CASE WHEN NOT undone THEN 'shp_' || hex END, 1000, 'USD',
			'[{"sku": "history", "quantity": 1, "unit_price": 1000}]', 'tok_visa', ` + pastAddress + `,
			at + interval '15 minutes', at, at + interval '1 second', CASE WHEN mailed THEN 'ada@customers.example' END
		FROM ` + past + ` ORDER BY n`, `
		INSERT INTO order_history (order_id, status, reason, at)
		SELECT id, status, CASE WHEN undone AND later > 0 THEN 'not_served' END, at + later * interval '1 second'
		FROM ` + past + `, LATERAL (VALUES (0, 'PENDING'),
			(1, CASE WHEN undone THEN 'CANCELLED' ELSE 'CONFIRMED' END)) AS was (later, status) ORDER BY n, later`},
	events.Inventory: {`
		INSERT INTO stock (sku, sold) SELECT 'history', count(*) FROM ` + past + ` WHERE NOT undone`, `
		INSERT INTO stock_adjustment (id, sku, delta, reason)
		SELECT gen_random_uuid(), 'history', count(*), 'benchmark' FROM ` + past + ` WHERE NOT undone`, `
		INSERT INTO reservation (order_id, state, lines, reason, created_at, updated_at)
		SELECT id, CASE WHEN undone THEN 'RELEASED' ELSE 'SOLD' END, '[{"sku": "history", "quantity": 1}]',
			CASE WHEN undone THEN 'not_served' END, at, at FROM ` + past + ` ORDER BY n`},
	events.Payment: {`
		INSERT INTO payment (order_id, state, charge_key, amount, currency, payment_method, snapshot, charge_id, refund_id,
			refund_amount, reason, captured_amount, returned_amount, returned_by, created_at, updated_at, next_attempt_at)
		SELECT id, CASE WHEN undone THEN 'REFUNDED' ELSE 'CAPTURED' END, 'charge:' || id, 1000, 'USD', 'tok_visa',
			` + pastSnapshot + `, 'ch_' || hex, CASE WHEN undone THEN 're_' || hex END, CASE WHEN undone THEN 1000 END,
			CASE WHEN undone THEN 'not_served' END, 1000, CASE WHEN undone THEN 1000 ELSE 0 END,
			CASE WHEN undone THEN 'refund' END, at, at, at
		FROM ` + past + ` ORDER BY n`, `
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind, created_at)
		SELECT md5(kind || n)::uuid, account, amount * sign, 'USD', id::text, prefix || hex, kind, at
		FROM ` + past + `, (VALUES ('charge', 'ch_', 1000), ('refund', 're_', -1000)) AS moved (kind, prefix, amount),
			(VALUES ('gateway', 1), ('customers', -1)) AS side (account, sign)
		WHERE undone OR kind = 'charge' ORDER BY n, kind, account`, `
		INSERT INTO gateway_line (position, id, kind, merchant_reference, order_id, amount, currency, read_at, matched_at)
		SELECT row_number() OVER (ORDER BY n, kind), prefix || hex, kind, id::text, id, 1000, 'USD', at, at
		FROM ` + past + `, (VALUES ('charge', 'ch_'), ('refund', 're_')) AS moved (kind, prefix)
		WHERE undone OR kind = 'charge'`, `
		INSERT INTO compared (entry) SELECT max(ledger_entry.id) FROM ledger_entry,
			(SELECT $1::bigint, $2::timestamptz, $3::interval) AS past`},
	events.Shipping: {`
		INSERT INTO shipment (order_id, state, shipment_id, reason, ship_to, snapshot, created_at)
		SELECT id, CASE WHEN undone THEN 'FAILED' ELSE 'CREATED' END, CASE WHEN NOT undone THEN 'shp_' || hex END,
			CASE WHEN undone THEN 'not_served' END, ` + pastAddress + `, CASE WHEN NOT undone THEN ` + pastSnapshot + ` END, at
		FROM ` + past + ` ORDER BY n`},
	events.Notification: {`
		INSERT INTO mail (order_id, kind, recipient, name, body, state, attempts, created_at, ended_at)
		SELECT id, kind, 'ada@customers.example', 'Ada Lovelace', repeat('A line of a mail. ', 20), 'SENT', 1, at, at
		FROM ` + past + `, (VALUES ('received'), ('cancelled')) AS sent (kind)
		WHERE mailed AND (undone OR kind = 'received') ORDER BY n`},
}

// seed puts a history behind a running system that has no orders yet. Payment is away meanwhile: it compares the
// gateway's ledger with its own all the time.
func (h history) seed(ctx context.Context, s *supervisor.System) (err error) {
	stopped := []string{string(events.Payment), supervisor.Gateway}
	for _, name := range stopped {
		if err := s.Down(ctx, name); err != nil {
			return err
		}
	}
	filling, working := errgroup.WithContext(ctx)
	filling.Go(func() error { return h.charge(s) })
	for service := range pastRows {
		filling.Go(func() error { return h.insert(working, s.Superuser(), service) })
	}
	if err := filling.Wait(); err != nil {
		return fmt.Errorf("write a history of %d orders: %w", h.orders, err)
	}
	if err := execIn(ctx, s.Superuser(), "postgres", `CHECKPOINT`); err != nil {
		return err
	}
	for i := range stopped {
		err = errors.Join(err, s.Up(ctx, stopped[len(stopped)-1-i]))
	}
	return err
}

// insert writes a service's rows, and does what autovacuum would have done by now.
func (h history) insert(ctx context.Context, superuser string, service events.Service) error {
	for _, statement := range pastRows[service] {
		if err := execIn(ctx, superuser, string(service), statement, h.orders, h.since, h.step); err != nil {
			return err
		}
	}
	return execIn(ctx, superuser, string(service), `VACUUM (ANALYZE)`)
}

// charge appends to the gateway's ledger file what it has captured and given back, a record a line.
func (h history) charge(s *supervisor.System) (err error) {
	env, err := s.Environment(supervisor.Gateway)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(env["LEDGER_FILE"], os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("write the gateway's ledger: %w", err)
	}
	lines := bufio.NewWriter(file)
	for n := 1; n <= h.orders; n++ {
		id, at := h.id(n), h.at(n).UTC().Format(time.RFC3339Nano)
		hex := strings.ReplaceAll(id.String(), "-", "")
		moved := fmt.Sprintf(`"merchant_reference":"%s","amount":1000,"currency":"USD","status":"succeeded",`+
			`"created_at":"%s"`, id, at)
		fmt.Fprintf(lines, `{"kind":"charge","key":"charge:%s","fingerprint":"-","payment_method":"tok_visa","status":201,`+
			`"answer":{"id":"ch_%s",%s,"refunds":[]}}`+"\n", id, hex, moved)
		if undone(n) {
			fmt.Fprintf(lines, `{"kind":"refund","key":"refund:ch_%s:1","fingerprint":"-","status":201,`+
				`"answer":{"id":"re_%s","charge_id":"ch_%s",%s}}`+"\n", hex, hex, hex, moved)
		}
	}
	return errors.Join(lines.Flush(), file.Sync(), file.Close())
}
