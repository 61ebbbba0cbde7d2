package payment

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/failpoint"
)

// reconciler compares our ledger with the gateway's, row by row and in both directions. It is part of the
// protocol and not an extra: a request that lay somewhere between us and the gateway may be carried out after we
// were told "not found" and let the stock go, and nothing but the gateway's ledger shows that.
type reconciler struct {
	Settings
	pool    *pgxpool.Pool
	do      func(context.Context, func(pgx.Tx) error) error
	gateway *gateway
	faults  *failpoint.Set
	log     *slog.Logger
	metrics *metrics
	poke    func() // wakes the workers, who give late captures back

	checked int64        // our entries up to here were compared; begins anew with the process
	missing []difference // those of them that the gateway did not show
	told    int          // how many differences the log has told of
}

// pageSize bounds a page of either ledger, and so a transaction.
const pageSize = 1000

// runOnce is one round: read what is new at the gateway, give back what should not be there, and let people
// know of every other difference.
func (r *reconciler) runOnce(ctx context.Context) error {
	if err := r.read(ctx); err != nil {
		return err
	}
	if err := r.giveBackLate(ctx); err != nil {
		return err
	}
	if err := r.compareOurs(ctx); err != nil {
		return err
	}
	return r.report(ctx)
}

// read copies the gateway's new lines, page by page.
func (r *reconciler) read(ctx context.Context) error {
	for {
		var after int64
		if err := r.pool.QueryRow(ctx, `SELECT coalesce(max(position), 0) FROM gateway_line`).Scan(&after); err != nil {
			return fmt.Errorf("find the last line read: %w", err)
		}
		lines, next, err := r.gateway.ledger(ctx, after, pageSize)
		if err != nil {
			return fmt.Errorf("read the gateway's ledger: %w", err)
		}
		if next < after { // it can only grow: this is not the ledger that we know
			return fmt.Errorf("the gateway's ledger has %d lines, %d were read before", next, after)
		}
		if err := r.faults.At(ctx, failpoint.ReconcileRead); err != nil {
			return err
		}
		if err := r.keep(ctx, after, lines); err != nil || len(lines) < pageSize {
			return err
		}
	}
}

// keep stores new lines and notes which of all open ones our ledger shows too. It need not wait for the
// disk: what a crash of the database forgets is read again.
func (r *reconciler) keep(ctx context.Context, after int64, lines []entry) error {
	var ids, kinds, references, directs, currencies []string
	var orders []*uuid.UUID
	var amounts []int64
	for _, line := range lines {
		order, direct := whose(line.Reference)
		ids, kinds, references = append(ids, line.ID), append(kinds, line.Kind), append(references, line.Reference)
		orders, directs = append(orders, order), append(directs, direct)
		amounts, currencies = append(amounts, line.Amount), append(currencies, line.Currency)
	}
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit TO off`); err != nil {
			return fmt.Errorf("commit without waiting: %w", err)
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO gateway_line (position, id, kind, merchant_reference, order_id, direct_reference, amount, currency)
			SELECT $1 + n, id, kind, reference, order_id, nullif(direct, ''), amount, currency
			FROM unnest($2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::bigint[], $8::text[])
			     WITH ORDINALITY AS line (id, kind, reference, order_id, direct, amount, currency, n)
			ON CONFLICT DO NOTHING`, after, ids, kinds, references, orders, directs, amounts, currencies)
		if err != nil {
			return fmt.Errorf("keep the gateway's lines: %w", err)
		}
		return matchLines(ctx, tx)
	})
}

// matchLines notes which open lines of the gateway our ledger shows with the same kind, reference and amount.
func matchLines(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		UPDATE gateway_line l SET matched_at = now()
		FROM ledger_entry e
		WHERE l.matched_at IS NULL AND e.gateway_id = l.id AND e.account = 'gateway' AND e.kind = l.kind
		  AND e.merchant_reference = l.merchant_reference AND e.currency = l.currency
		  AND e.amount = CASE l.kind WHEN 'charge' THEN l.amount ELSE -l.amount END`)
	if err != nil {
		return fmt.Errorf("match the gateway's lines: %w", err)
	}
	return nil
}

// whose reads a merchant reference: an order's id, or a direct payment's own.
func whose(reference string) (order *uuid.UUID, direct string) {
	if direct, ok := strings.CutPrefix(reference, directPrefix); ok {
		return nil, direct
	}
	if id, err := uuid.Parse(reference); err == nil {
		return &id, ""
	}
	return nil, ""
}
