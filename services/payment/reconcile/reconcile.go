// Package reconcile compares our ledger with the gateway's, row by row and in both directions. It is part of the
// protocol and not an extra: a request that lay somewhere between us and the gateway may be carried out after
// "not found" became definite and the stock was released, and nothing but the gateway's ledger shows that.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/payment/charge"
)

// Reconciler compares the ledgers. One goroutine at a time may use it.
type Reconciler struct {
	grace   time.Duration
	pool    *pgxpool.Pool
	tx      charge.Transact
	gateway ledger
	wake    charge.Wake // of the workers, who refund late captures
	faults  *failpoint.Set
	log     *slog.Logger

	late        prometheus.Counter
	differences prometheus.Gauge

	checked  int64      // our entries up to here were compared
	stored   int64      // up to here the gateway shows all of them, as the table compared has it
	missing  []ourEntry // those of them that the gateway did not show
	reported int        // how many differences were logged last
}

// ledger is the gateway's: [charge.Gateway].
type ledger interface {
	Ledger(ctx context.Context, after int64, limit int) (lines []charge.LedgerEntry, next int64, err error)
	LookUp(ctx context.Context, p charge.Payment) ([]charge.GatewayResponse, error)
}

// New makes the reconciler of a process. Grace is how long a movement may stand in one ledger alone.
func New(app *service.App, grace time.Duration, tx charge.Transact, gateway *charge.Gateway,
	wake charge.Wake) *Reconciler {
	add := promauto.With(app.Metrics)
	return &Reconciler{
		grace: grace, pool: app.Pool, tx: tx, gateway: gateway, wake: wake, faults: app.Faults, log: app.Log,
		late: add.NewCounter(prometheus.CounterOpts{
			Namespace: "payment", Name: "late_captures_total",
			Help: "Charges found in the gateway's ledger after they were said not to be made.",
		}),
		differences: add.NewGauge(prometheus.GaugeOpts{
			Namespace: "payment", Name: "ledger_differences",
			Help: "Movements that stand in one ledger and not in the other, and are not explained by work under way.",
		}),
	}
}

// pageSize bounds a page of either ledger, and so a transaction.
const pageSize = 1000

// RunOnce is one round: read what is new at the gateway, have refunded what should not be there, and report
// every other difference.
func (r *Reconciler) RunOnce(ctx context.Context) error {
	asOf, err := r.read(ctx)
	if err != nil {
		return err
	}
	for taken := true; taken; {
		if taken, err = r.takeOver(ctx); err != nil {
			return err
		}
	}
	if err := r.bookRefunds(ctx); err != nil {
		return err
	}
	if err := r.compareOurs(ctx, asOf.Add(-r.grace)); err != nil {
		return err
	}
	return r.report(ctx)
}

// read copies the gateway's new lines, page by page. Their commit need not wait for the disk: what a crash of the
// database loses is read once more. What the gateway had done by asOf was read.
func (r *Reconciler) read(ctx context.Context) (asOf time.Time, err error) {
	for {
		after, now, err := lastLine(ctx, r.pool)
		if err != nil {
			return now, err
		}
		lines, next, err := r.gateway.Ledger(ctx, after, pageSize)
		if err != nil {
			return now, fmt.Errorf("read the gateway's ledger: %w", err)
		}
		if next < after { // it can only grow: this is not the ledger that we know
			return now, fmt.Errorf("the gateway's ledger has %d lines, %d were read before", next, after)
		}
		if err := r.faults.At(ctx, failpoint.ReconcileRead); err != nil {
			return now, err
		}
		err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
			if err := charge.CommitWithoutDisk(ctx, tx); err != nil {
				return err
			}
			if err := insertLines(ctx, tx, after, lines); err != nil {
				return err
			}
			return matchLines(ctx, tx)
		})
		if err != nil || len(lines) < pageSize {
			return now, err
		}
	}
}

// takeOver books a late capture, if there is one, and makes it work for the workers, who refund it: PaymentFailed or
// PaymentVoided was published, and the stock is gone. The order shows why in the meantime.
func (r *Reconciler) takeOver(ctx context.Context) (taken bool, err error) {
	var p charge.Payment
	err = r.tx(ctx, func(tx pgx.Tx) (err error) {
		if p, err = markLate(ctx, tx); err != nil {
			return err
		}
		if err := charge.Post(ctx, tx, charge.Posting{Kind: "charge", Reference: p.Reference(), GatewayID: p.ChargeID,
			Amount: p.RefundAmount, Currency: p.Currency}); err != nil {
			return err
		}
		if p.Direct == "" {
			reason := fmt.Sprintf("the gateway captured %d %s late; they are being given back", p.RefundAmount, p.Currency)
			if _, err := incident.Open(ctx, tx, events.Payment, p.OrderID, charge.KindLateCapture, reason); err != nil {
				return err
			}
		}
		return r.faults.At(ctx, failpoint.ReconcileBeforeCommit, p.OrderID)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take a late capture over: %w", err)
	}
	r.late.Inc()
	r.log.WarnContext(ctx, "late capture found, it will be refunded", "order_id", p.OrderID, "charge_id", p.ChargeID)
	r.wake.Signal()
	return true, r.faults.At(ctx, failpoint.ReconcileCommitted, p.OrderID)
}

// bookRefunds books what somebody has refunded by hand at the gateway, as far as the payment waits for that or belongs
// to no order. When all of the money is back the payment ends. Of an order that is not undone it is only reported.
func (r *Reconciler) bookRefunds(ctx context.Context) error {
	payments, err := refundedByHand(ctx, r.pool)
	for _, p := range payments {
		shown, err := r.gateway.LookUp(ctx, p)
		if err != nil {
			return fmt.Errorf("look the refunds of %s up: %w", p.Reference(), err)
		}
		if err := r.tx(ctx, func(tx pgx.Tx) error { return book(ctx, tx, p, shown) }); err != nil {
			return fmt.Errorf("book the refunds of %s: %w", p.Reference(), err)
		}
	}
	return err
}

// book books the refunds of a payment that still stands as it was seen.
func book(ctx context.Context, tx pgx.Tx, seen charge.Payment, shown []charge.GatewayResponse) error {
	p, err := lock(ctx, tx, seen.OrderID)
	if err != nil || p.State != seen.State {
		return err
	}
	found, err := p.NewRefunds(shown)
	if err != nil || len(found) == 0 {
		return nil //nolint:nilerr // what cannot be booked is reported as a difference
	}
	change := p.Book(found, p.State, p.Reason)
	change.Problem = p.Problem
	if err := charge.Apply(ctx, tx, charge.Transition{From: charge.Locked{Payment: p, Incidents: true},
		To: change}); err != nil {
		return err
	}
	return matchLines(ctx, tx)
}

// compareOurs looks each of our entries up among the gateway's lines, once, whichever process does; those that are
// missing there are looked up in every round. Entries that were younger than the grace when those lines were read wait:
// the gateway may show them since, and some may not be visible yet, as a number is given before its transaction
// commits.
func (r *Reconciler) compareOurs(ctx context.Context, before time.Time) error {
	if r.checked == 0 {
		var err error
		if r.checked, err = comparedUpTo(ctx, r.pool); err != nil {
			return err
		}
		r.stored = r.checked
	}
	found, err := linesOf(ctx, r.pool, r.missing)
	if err != nil {
		return err
	}
	r.missing = slices.DeleteFunc(r.missing, func(e ourEntry) bool { return slices.Contains(found, e.gatewayID) })
	for full := true; full; {
		entries, err := ourEntries(ctx, r.pool, r.checked, before)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if r.checked = e.id; !e.found {
				r.missing = append(r.missing, e)
			}
		}
		full = len(entries) == pageSize
	}
	upTo := r.checked
	if len(r.missing) > 0 { // they are in the order of their ids
		upTo = r.missing[0].id - 1
	}
	if upTo <= r.stored {
		return nil
	}
	r.stored = upTo
	return storeCompared(ctx, r.pool, upTo)
}

// report opens an incident for every order with a difference, and closes those whose difference is gone.
func (r *Reconciler) report(ctx context.Context) error {
	differences, err := onlyTheirs(ctx, r.pool, r.grace)
	if err != nil {
		return err
	}
	for _, e := range r.missing {
		differences = append(differences, e.difference)
	}
	r.differences.Set(float64(len(differences)))
	if len(differences) != r.reported {
		r.reported = len(differences)
		r.log.WarnContext(ctx, "the ledgers differ", "differences", len(differences), "event", "reconciliation")
	}
	open, err := openIncidents(ctx, r.pool)
	if err != nil || len(open)+len(differences) == 0 {
		return err
	}
	return r.tx(ctx, func(tx pgx.Tx) error { return keepIncidents(ctx, tx, differences, open) })
}

func keepIncidents(ctx context.Context, tx pgx.Tx, differences []difference, open []string) error {
	differing := map[string]bool{"": true} // where there is no order there is no incident
	for _, d := range differences {
		if !differing[d.orderID] && !slices.Contains(open, d.orderID) {
			_, err := incident.Open(ctx, tx, events.Payment, d.orderID, charge.KindReconciliation, d.sentence)
			if err != nil {
				return err
			}
		}
		differing[d.orderID] = true
	}
	for _, order := range open {
		if differing[order] {
			continue
		}
		err := incident.Close(ctx, tx, events.Payment, order, charge.KindReconciliation, "the ledgers agree")
		if err != nil {
			return err
		}
	}
	return nil
}
