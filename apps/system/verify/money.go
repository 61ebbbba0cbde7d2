package verify

import (
	"context"
	"fmt"
	"strings"

	"example.com/ordersaga/pkg/events"
)

// direct begins the merchant reference of a payment that belongs to no order.
const direct = "direct:"

func chargedOnce(_ context.Context, l *look) ([]Offender, error) {
	return each(l.charges, func(_ string, charges []charge) string {
		if len(charges) > 1 {
			return fmt.Sprintf("%d charges: %s and %s", len(charges), charges[0].ID, charges[1].ID)
		}
		return ""
	}), nil
}

func refundedWithin(_ context.Context, l *look) ([]Offender, error) {
	captured := map[string]charge{}
	for _, charges := range l.charges {
		for _, c := range charges {
			captured[c.ID] = c
		}
	}
	return each(l.refunds, func(id string, refunds []refund) string {
		charge, known := captured[id]
		if !known {
			return "refund " + refunds[0].ID + " of a charge that does not exist"
		}
		left := charge.Amount
		for _, r := range refunds {
			if left -= r.Amount; left < 0 || r.Currency != charge.Currency {
				return fmt.Sprintf("captured %d %s for %s, refunded %d %s with %s", charge.Amount, charge.Currency,
					charge.Reference, charge.Amount-left, r.Currency, r.ID)
			}
		}
		return ""
	}), nil
}

// ledgerBalances checks double entry, and that the payment service's login could not have changed a row.
func ledgerBalances(ctx context.Context, l *look) ([]Offender, error) {
	return l.offenders(ctx, events.Payment, `
		SELECT 'posting ' || posting_id, format('sums to %s %s', sum(amount), currency)
		FROM ledger_entry GROUP BY posting_id, currency HAVING sum(amount) <> 0
		UNION ALL
		SELECT p.order_id::text, format('%s captured and %s returned, the ledger has %s and %s', p.captured_amount,
			p.returned_amount, booked.captured, booked.returned)
		FROM payment p CROSS JOIN LATERAL (
			SELECT coalesce(-sum(amount) FILTER (WHERE kind = 'charge'), 0) AS captured,
			       coalesce(sum(amount) FILTER (WHERE kind <> 'charge'), 0) AS returned
			FROM ledger_entry e WHERE account = 'customers'
			  AND merchant_reference = coalesce('direct:' || p.direct_reference, p.order_id::text)
		) AS booked
		WHERE coalesce(p.captured_amount, 0) <> booked.captured OR p.returned_amount <> booked.returned
		UNION ALL
		SELECT 'ledger_entry', 'the service''s login may ' || privilege || ' rows'
		FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
		WHERE has_table_privilege('payment', 'ledger_entry', privilege)`)
}

// chargedTheTotal compares what was asked of the gateway, and what it took, with the order. A gateway that
// takes another amount than it was asked for is an incident, or gives it back.
func chargedTheTotal(_ context.Context, l *look) ([]Offender, error) {
	return each(l.orders, func(id string, o order) string {
		p := l.payments[id]
		if p.Amount != nil && (*p.Amount != o.Amount || *p.Currency != o.Currency) {
			return fmt.Sprintf("total %d %s, payment over %d %s", o.Amount, o.Currency, *p.Amount, *p.Currency)
		}
		captured, returned := l.captured(id)
		for _, c := range l.charges[id] {
			if (c.Amount != o.Amount || c.Currency != o.Currency) && captured-returned-p.Settled != 0 && !p.Incident {
				return fmt.Sprintf("total %d %s, captured %d %s", o.Amount, o.Currency, c.Amount, c.Currency)
			}
		}
		return ""
	}), nil
}

// unknownCharges are those that the gateway made for an order of which the payment service knows nothing.
func (l *look) unknownCharges() []Offender {
	return each(l.charges, func(reference string, charges []charge) string {
		if _, known := l.payments[reference]; known || strings.HasPrefix(reference, direct) {
			return ""
		}
		return "charge " + charges[0].ID + " without a payment"
	})
}

// booked is a movement of money in the payment service's own ledger.
type booked struct {
	GatewayID string
	Reference string
	Amount    int64 // negative: it left
	Currency  string
}

// paymentsSettled looks for payments that nobody will decide, and compares the two ledgers row by row.
func paymentsSettled(ctx context.Context, l *look) ([]Offender, error) {
	found := each(l.payments, func(_ string, p payment) string {
		switch p.State {
		case "INTENT", "UNKNOWN", "REFUNDING", "LATE_CAPTURED":
			if !p.Incident {
				return "payment is " + p.State
			}
		}
		return ""
	})
	ours, err := query[booked](ctx, l, events.Payment, ledgerByGatewayID)
	if err != nil {
		return nil, err
	}
	return append(found, compareLedgers(ours, l.charges, l.refunds)...), nil
}

// compareLedgers finds what stands in one ledger and not, or differently, in the other.
func compareLedgers(ours []booked, charges map[string][]charge, refunds map[string][]refund) []Offender {
	theirs := map[string]booked{}
	for _, group := range charges {
		for _, c := range group {
			theirs[c.ID] = booked{c.ID, c.Reference, c.Amount, c.Currency}
		}
	}
	for _, group := range refunds {
		for _, r := range group {
			theirs[r.ID] = booked{r.ID, r.Reference, -r.Amount, r.Currency}
		}
	}
	var found []Offender
	seen := map[string]bool{}
	for _, row := range ours {
		if seen[row.GatewayID] {
			found = append(found, Offender{row.GatewayID, "is booked twice"})
		} else if theirs[row.GatewayID] != row {
			found = append(found, Offender{row.GatewayID, fmt.Sprintf("booked as %+v, the gateway says %+v", row,
				theirs[row.GatewayID])})
		}
		seen[row.GatewayID] = true
	}
	for id, row := range theirs {
		if !seen[id] {
			found = append(found, Offender{id, fmt.Sprintf("not booked: %+v", row)})
		}
	}
	return found
}

// ledgerByGatewayID is every movement at the gateway as the payment service booked it: what arrived there is
// positive, what left it negative.
const ledgerByGatewayID = `
	SELECT gateway_id, merchant_reference, amount, currency FROM ledger_entry WHERE account = 'gateway'`
