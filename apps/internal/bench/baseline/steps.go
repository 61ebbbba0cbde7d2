package baseline

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/services/order/api"
)

// work is one order on its way.
type work struct {
	id       string
	body     *api.NewOrder
	request  idempotency.Request
	lines    []events.Line
	total    int64
	chargeID string
	answer   idempotency.Response
}

// The steps write what the services write, less the inboxes and the outboxes, one order a transaction.

func accept(ctx context.Context, tx pgx.Tx, o *work) error {
	outcomes, err := idempotency.Begin(ctx, tx, []idempotency.Request{o.request})
	if err != nil {
		return err
	}
	if outcomes[0].Kind != idempotency.Fresh {
		return errors.New("the benchmark uses every key once")
	}
	for _, item := range o.body.Items {
		line := events.Line{SKU: item.Sku, Quantity: item.Quantity}
		if err := tx.QueryRow(ctx, `SELECT amount FROM price WHERE sku = $1`, item.Sku).Scan(&line.UnitPrice); err != nil {
			return fmt.Errorf("price of %s: %w", item.Sku, err)
		}
		o.lines = append(o.lines, line)
		o.total += line.UnitPrice * int64(line.Quantity)
	}
	_, err = tx.Exec(ctx, `
		WITH placed AS (
			INSERT INTO orders (id, customer_id, total_amount, currency, items, payment_method, ship_to, status, deadline)
			VALUES ($1, $2, $3, 'USD', $4, $5, $6, 'PENDING', now() + interval '1 minute')
			RETURNING id, status)
		INSERT INTO order_history (order_id, status) SELECT id, status FROM placed`,
		o.id, o.body.CustomerId, o.total, o.lines, o.body.PaymentMethod, o.body.ShipTo)
	if err != nil {
		return err
	}
	if o.answer, err = o.encode(); err != nil {
		return err
	}
	return idempotency.Finish(ctx, tx, []idempotency.Finished{{Request: o.request, Response: o.answer}})
}

func reserve(ctx context.Context, tx pgx.Tx, o *work) error {
	_, err := tx.Exec(ctx, `
		WITH wanted AS (
			SELECT sku, quantity FROM jsonb_to_recordset($2) AS line (sku text, quantity bigint)
		), recorded AS (
			INSERT INTO reservation (order_id, lines, state) VALUES ($1, $2, 'RESERVED')
		)
		UPDATE stock SET available = available - quantity, reserved = reserved + quantity
		FROM wanted WHERE stock.sku = wanted.sku`, o.id, o.lines)
	return err
}

func intend(ctx context.Context, tx pgx.Tx, o *work) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO payment (order_id, state, charge_key, amount, currency, payment_method, snapshot)
		VALUES ($1::text::uuid, 'INTENT', 'charge:' || $1, $2, 'USD', $3, $4)`, o.id, o.total, o.body.PaymentMethod, o.body)
	return err
}

func capture(ctx context.Context, tx pgx.Tx, o *work) error {
	posting, err := uuid.NewV7()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		WITH captured AS (
			UPDATE payment SET state = 'CAPTURED', charge_id = $2, updated_at = now()
			WHERE order_id = $1::text::uuid AND state = 'INTENT'
		)
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		VALUES ($3, 'gateway', $4, 'USD', $1, $2, 'charge'), ($3, 'customers', -$4::bigint, 'USD', $1, $2, 'charge')`,
		o.id, o.chargeID, posting, o.total)
	return err
}

func ship(ctx context.Context, tx pgx.Tx, o *work) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO shipment (order_id, state, shipment_id, ship_to)
		VALUES ($1::text::uuid, 'CREATED', 'shp_' || $1, $2)`,
		o.id, o.body.ShipTo)
	return err
}

func sell(ctx context.Context, tx pgx.Tx, o *work) error {
	_, err := tx.Exec(ctx, `
		WITH shipped AS (
			UPDATE reservation SET state = 'SOLD', updated_at = now() WHERE order_id = $1 AND state = 'RESERVED' RETURNING lines
		)
		UPDATE stock SET reserved = reserved - quantity, sold = sold + quantity
		FROM shipped, jsonb_to_recordset(lines) AS line (sku text, quantity bigint)
		WHERE stock.sku = line.sku`, o.id)
	return err
}

func confirm(ctx context.Context, tx pgx.Tx, o *work) error {
	_, err := tx.Exec(ctx, `
		WITH ended AS (
			UPDATE orders SET status = 'CONFIRMED', shipment_id = 'shp_' || $1, updated_at = now()
			WHERE id = $1::text::uuid AND status = 'PENDING'
			RETURNING id, status)
		INSERT INTO order_history (order_id, status) SELECT id, status FROM ended`, o.id)
	return err
}
