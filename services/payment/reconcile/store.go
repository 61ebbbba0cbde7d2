package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/payment/charge"
)

// lastLine is the position of the last line of the gateway's ledger that was read, 0 when none was; and the time now,
// by the database's clock.
func lastLine(ctx context.Context, pool *pgxpool.Pool) (position int64, now time.Time, err error) {
	err = pool.QueryRow(ctx, `SELECT coalesce(max(position), 0), now() FROM gateway_line`).Scan(&position, &now)
	if err != nil {
		return 0, now, fmt.Errorf("find the last line read: %w", err)
	}
	return position, now, nil
}

// insertLines stores the lines that follow a position. A line that is there was read by another replica from the same
// ledger, which only grows.
func insertLines(ctx context.Context, tx pgx.Tx, after int64, lines []charge.LedgerEntry) error {
	var ids, kinds, references, directs, currencies []string
	var orders []*uuid.UUID
	var amounts []int64
	for _, line := range lines {
		order, direct := charge.ParseReference(line.Reference)
		ids, kinds, references = append(ids, line.ID), append(kinds, line.Kind), append(references, line.Reference)
		orders, directs = append(orders, order), append(directs, direct)
		amounts, currencies = append(amounts, line.Amount), append(currencies, line.Currency)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO gateway_line (position, id, kind, merchant_reference, order_id, direct_reference, amount, currency)
		SELECT $1 + n, id, kind, reference, order_id, nullif(direct, ''), amount, currency
		FROM unnest($2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::bigint[], $8::text[])
		     WITH ORDINALITY AS line (id, kind, reference, order_id, direct, amount, currency, n)
		ON CONFLICT DO NOTHING`, after, ids, kinds, references, orders, directs, amounts, currencies)
	if err != nil {
		return fmt.Errorf("store the gateway's lines: %w", err)
	}
	return nil
}

// sameMovement compares a line l of the gateway with an entry e of ours.
const sameMovement = `
	e.gateway_id = l.id AND e.account = 'gateway' AND e.kind = l.kind
	AND e.merchant_reference = l.merchant_reference AND e.currency = l.currency
	AND e.amount = CASE l.kind WHEN 'charge' THEN l.amount ELSE -l.amount END`

// matchLines notes which open lines of the gateway our ledger shows with the same kind, reference and amount.
func matchLines(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		UPDATE gateway_line l SET matched_at = now()
		FROM ledger_entry e
		WHERE l.matched_at IS NULL AND `+sameMovement)
	if err != nil {
		return fmt.Errorf("match the gateway's lines: %w", err)
	}
	return nil
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, pool *pgxpool.Pool, what string, to pgx.RowToFunc[T], sql string,
	args ...any) ([]T, error) {
	rows, err := pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	all, err := pgx.CollectRows(rows, to)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return all, nil
}

// paymentOfLine is the payment that a line l of the gateway is about.
const paymentOfLine = `
	SELECT * FROM payment WHERE order_id = l.order_id AND direct_reference IS NULL
	UNION ALL SELECT * FROM payment WHERE direct_reference = l.direct_reference`

// markLate moves the payment of the first late capture to LATE_CAPTURED, with what the gateway captured: a charge at
// the gateway for a payment of which PaymentFailed or PaymentVoided was published. pgx.ErrNoRows when there is none, or
// another replica is at it.
func markLate(ctx context.Context, tx pgx.Tx) (charge.Payment, error) {
	return charge.Scan(tx.QueryRow(ctx, `
		UPDATE payment p SET state = 'LATE_CAPTURED', charge_id = late.id, refund_amount = late.amount,
			captured_amount = late.amount,
			currency = late.currency, attempts = 0, unknown_since = NULL, next_attempt_at = now(), updated_at = now()
		FROM (
			SELECT p.order_id, l.id, l.amount, l.currency
			FROM gateway_line l CROSS JOIN LATERAL (`+paymentOfLine+`) p
			WHERE l.matched_at IS NULL AND l.kind = 'charge' AND p.state IN ('DECLINED', 'VOIDED')
			  AND coalesce(p.currency, l.currency) = l.currency
			ORDER BY l.position LIMIT 1
		) AS late
		WHERE p.order_id = late.order_id AND p.state IN ('DECLINED', 'VOIDED')
		RETURNING `+charge.Columns))
}

// refundedByHand are payments whose charge was refunded without us, where that can be booked; see bookRefunds.
func refundedByHand(ctx context.Context, pool *pgxpool.Pool) ([]charge.Payment, error) {
	return collect(ctx, pool, "look for refunds made by hand",
		func(row pgx.CollectableRow) (charge.Payment, error) { return charge.Scan(row) }, `
		SELECT `+charge.Columns+` FROM payment p WHERE p.order_id IN (
			SELECT p.order_id FROM gateway_line l CROSS JOIN LATERAL (`+paymentOfLine+`) p
			WHERE l.matched_at IS NULL AND l.kind = 'refund'
			  AND (p.state = 'REFUND_REFUSED' OR p.direct_reference IS NOT NULL AND p.state IN ('CAPTURED', 'REFUNDED'))
			LIMIT $1)`, pageSize)
}

// lock is a payment that stays as it is until the end of the transaction.
func lock(ctx context.Context, tx pgx.Tx, orderID string) (charge.Payment, error) {
	return charge.Scan(tx.QueryRow(ctx, `
		SELECT `+charge.Columns+` FROM payment p WHERE p.order_id = $1 FOR UPDATE`, orderID))
}

// difference is a movement of money that one ledger shows and the other one does not.
type difference struct {
	orderID   string // empty where the reference is not an order's: no order could show an incident
	gatewayID string
	sentence  string
}

// onlyTheirs are movements that the gateway alone shows, for longer than the grace, and that are not explained by a
// payment which is being worked on, or by an operator. Workers go on during a round: the state and our ledger are seen
// at one moment, since what a payment has just booked is not noted as matched yet.
func onlyTheirs(ctx context.Context, pool *pgxpool.Pool, grace time.Duration) ([]difference, error) {
	return collect(ctx, pool, "compare the gateway's ledger with ours",
		func(row pgx.CollectableRow) (d difference, err error) {
			var kind string
			var money events.Money
			err = row.Scan(&d.orderID, &kind, &d.gatewayID, &money.Amount, &money.Currency)
			d.sentence = fmt.Sprintf("the gateway alone shows %s %s of %s", kind, d.gatewayID, money)
			return d, err
		}, `
		SELECT coalesce(l.order_id::text, ''), l.kind, l.id, l.amount, l.currency
		FROM gateway_line l LEFT JOIN LATERAL (`+paymentOfLine+`) p ON true
		WHERE l.matched_at IS NULL AND l.read_at < now() - $1::interval
		  AND coalesce(p.state, '') NOT IN ('INTENT', 'UNKNOWN', 'REFUNDING', 'LATE_CAPTURED')
		  AND NOT EXISTS (SELECT FROM accepted_movement a WHERE a.gateway_id = l.id)
		  AND NOT EXISTS (SELECT FROM ledger_entry e WHERE `+sameMovement+`)
		ORDER BY l.position LIMIT $2`, grace, pageSize)
}

// ourEntry is an entry of our ledger, and whether the gateway shows it.
type ourEntry struct {
	difference // if it does not
	id         int64
	found      bool
}

func ourEntries(ctx context.Context, pool *pgxpool.Pool, after int64, before time.Time) ([]ourEntry, error) {
	return collect(ctx, pool, "compare our ledger with the gateway's",
		func(row pgx.CollectableRow) (e ourEntry, err error) {
			var reference string
			err = row.Scan(&e.id, &reference, &e.gatewayID, &e.sentence, &e.found)
			if order, _ := charge.ParseReference(reference); order != nil {
				e.orderID = order.String()
			}
			return e, err
		}, `
		SELECT e.id, e.merchant_reference, e.gateway_id, format('our ledger alone shows %s %s', e.kind, e.gateway_id),
			coalesce((SELECT true FROM gateway_line l WHERE l.id = e.gateway_id), false) -- EXISTS would read all lines
		FROM ledger_entry e
		WHERE e.id > $1 AND e.account = 'gateway' AND e.created_at < $2
		ORDER BY e.id LIMIT $3`, after, before, pageSize)
}

// comparedUpTo is the last of our entries up to which the gateway was found to show all.
func comparedUpTo(ctx context.Context, pool *pgxpool.Pool) (entry int64, err error) {
	err = pool.QueryRow(ctx, `SELECT coalesce(max(entry), 0) FROM compared`).Scan(&entry)
	if err != nil {
		return 0, fmt.Errorf("find the last entry compared: %w", err)
	}
	return entry, nil
}

func storeCompared(ctx context.Context, pool *pgxpool.Pool, entry int64) error {
	_, err := pool.Exec(ctx, `
		INSERT INTO compared (entry) VALUES ($1) ON CONFLICT (one) DO UPDATE SET entry = greatest(compared.entry, $1)`,
		entry)
	if err != nil {
		return fmt.Errorf("store the last entry compared: %w", err)
	}
	return nil
}

// linesOf are the ids of those movements that the gateway shows by now.
func linesOf(ctx context.Context, pool *pgxpool.Pool, missing []ourEntry) ([]string, error) {
	var ids []string
	for _, e := range missing {
		ids = append(ids, e.gatewayID)
	}
	return collect(ctx, pool, "look for missing lines", pgx.RowTo[string],
		`SELECT id FROM gateway_line WHERE id = ANY($1)`, ids)
}

// openIncidents are the orders with an open incident about their ledgers.
func openIncidents(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	return collect(ctx, pool, "look for open incidents", pgx.RowTo[string],
		`SELECT order_id::text FROM incident WHERE resolved_at IS NULL AND kind = $1`, charge.KindReconciliation)
}
