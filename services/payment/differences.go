package payment

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/pkg/events"
)

// difference is a movement of money that one ledger shows and the other one does not.
type difference struct {
	orderID   string // empty where the reference is not an order's: then there is nobody to show an incident to
	reference string
	gatewayID string
	sentence  string
}

// paymentOfLine is the payment that a line l of the gateway is about.
const paymentOfLine = `
	SELECT * FROM payment WHERE order_id = l.order_id AND direct_reference IS NULL
	UNION ALL SELECT * FROM payment WHERE direct_reference = l.direct_reference`

// onlyTheirs are movements that the gateway alone shows, for longer than the grace, and that are not
// explained by a payment which is being worked on.
func (r *reconciler) onlyTheirs(ctx context.Context) ([]difference, error) {
	rows, err := r.pool.Query(ctx, `
		SELECT coalesce(l.order_id::text, ''), l.merchant_reference, l.id,
		       format('the gateway alone shows %s %s of %s %s', l.kind, l.id, l.amount, l.currency)
		FROM gateway_line l LEFT JOIN LATERAL (`+paymentOfLine+`) p ON true
		WHERE l.matched_at IS NULL AND l.read_at < now() - $1::interval
		  AND coalesce(p.state, '') NOT IN ('INTENT', 'UNKNOWN', 'REFUNDING', 'LATE_CAPTURED')
		ORDER BY l.position LIMIT $2`, r.ReconcileGrace, pageSize)
	if err != nil {
		return nil, fmt.Errorf("compare the gateway's ledger with ours: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d difference, err error) {
		return d, row.Scan(&d.orderID, &d.reference, &d.gatewayID, &d.sentence)
	})
}

// compareOurs looks each of our entries up among the gateway's lines, once; those that are missing there
// are looked up again in every round. Entries younger than the grace wait: a number is given before its
// transaction commits, so among young ones some may not be visible yet.
func (r *reconciler) compareOurs(ctx context.Context) error {
	if err := r.forgetFound(ctx); err != nil {
		return err
	}
	for full := true; full; {
		rows, err := r.pool.Query(ctx, `
			SELECT e.id, e.merchant_reference, e.gateway_id, e.kind, EXISTS (SELECT FROM gateway_line l
			  WHERE l.id = e.gateway_id)
			FROM ledger_entry e
			WHERE e.id > $1 AND e.account = 'gateway' AND e.created_at < now() - $2::interval
			ORDER BY e.id LIMIT $3`, r.checked, r.ReconcileGrace, pageSize)
		if err != nil {
			return fmt.Errorf("compare our ledger with the gateway's: %w", err)
		}
		n, kind, found, d := 0, "", false, difference{}
		_, err = pgx.ForEachRow(rows, []any{&r.checked, &d.reference, &d.gatewayID, &kind, &found}, func() error {
			if n++; !found {
				d.sentence = fmt.Sprintf("our ledger alone shows %s %s", kind, d.gatewayID)
				if order, _ := whose(d.reference); order != nil {
					d.orderID = order.String()
				}
				r.missing = append(r.missing, d)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("compare our ledger with the gateway's: %w", err)
		}
		full = n == pageSize
	}
	return nil
}

// forgetFound drops what the gateway shows by now.
func (r *reconciler) forgetFound(ctx context.Context) error {
	if len(r.missing) == 0 {
		return nil
	}
	var ids []string
	for _, d := range r.missing {
		ids = append(ids, d.gatewayID)
	}
	rows, err := r.pool.Query(ctx, `SELECT id FROM gateway_line WHERE id = ANY($1)`, ids)
	if err != nil {
		return fmt.Errorf("look for missing lines: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for missing lines: %w", err)
	}
	r.missing = slices.DeleteFunc(r.missing, func(d difference) bool { return slices.Contains(found, d.gatewayID) })
	return nil
}

// report opens an incident for every order with a difference, and closes those whose difference is gone.
func (r *reconciler) report(ctx context.Context) error {
	differences, err := r.onlyTheirs(ctx)
	if err != nil {
		return err
	}
	differences = append(differences, r.missing...)
	r.metrics.differences.Set(float64(len(differences)))
	if len(differences) != r.told {
		r.told = len(differences)
		r.log.WarnContext(ctx, "the ledgers differ", "differences", len(differences), "event", "reconciliation")
	}
	open, err := r.openIncidents(ctx)
	if err != nil || len(open)+len(differences) == 0 {
		return err
	}
	return r.do(ctx, func(tx pgx.Tx) error { return tell(ctx, tx, differences, open) })
}

func (r *reconciler) openIncidents(ctx context.Context) (map[string]bool, error) {
	rows, err := r.pool.Query(ctx, `SELECT order_id::text FROM incident WHERE resolved_at IS NULL AND kind = $1`,
		kindReconciliation)
	if err != nil {
		return nil, fmt.Errorf("look for open incidents: %w", err)
	}
	orders, err := pgx.CollectRows(rows, pgx.RowTo[string])
	open := make(map[string]bool, len(orders))
	for _, order := range orders {
		open[order] = true
	}
	return open, err
}

func tell(ctx context.Context, tx pgx.Tx, differences []difference, open map[string]bool) error {
	for _, d := range differences {
		if known := open[d.orderID]; !known && d.orderID != "" {
			if _, err := incident.Open(ctx, tx, events.Payment, d.orderID, kindReconciliation, d.sentence); err != nil {
				return err
			}
		}
		delete(open, d.orderID)
	}
	for orderID := range open {
		if err := incident.Close(ctx, tx, events.Payment, orderID, kindReconciliation, "the ledgers agree"); err != nil {
			return err
		}
	}
	return nil
}
