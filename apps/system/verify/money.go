package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"example.com/ordersaga/pkg/events"
)

// direct begins the merchant reference of a payment that belongs to no order.
const direct = "direct:"

func chargedOnce(_ *look, s *subject) string {
	if len(s.charges) > 1 {
		return fmt.Sprintf("%d charges: %s and %s", len(s.charges), s.charges[0].ID, s.charges[1].ID)
	}
	return ""
}

// refundedWithin finds the charge of a refund under the same reference: the gateway has no refund of another one's.
func refundedWithin(_ context.Context, _ *look, s *subject) (found []Offender, _ error) {
	for id, refunds := range s.refunds {
		at := slices.IndexFunc(s.charges, func(c charge) bool { return c.ID == id })
		if at < 0 {
			found = append(found, Offender{id, "refund " + refunds[0].ID + " of a charge that does not exist"})
			continue
		}
		charge := s.charges[at]
		left := charge.Amount
		for _, r := range refunds {
			if left -= r.Amount; left < 0 || r.Currency != charge.Currency {
				found = append(found, Offender{id, fmt.Sprintf("captured %d %s for %s, refunded %d %s with %s", charge.Amount,
					charge.Currency, charge.Reference, charge.Amount-left, r.Currency, r.ID)})
				break
			}
		}
	}
	return found, nil
}

// ledgerBalances checks double entry, and that the payment service's login could not have changed a row.
func ledgerBalances(ctx context.Context, l *look) ([]Offender, error) {
	return l.offenders(ctx, events.Payment, `
		SELECT 'posting ' || posting_id, format('sums to %s %s', sum(amount), currency)
		FROM ledger_entry GROUP BY posting_id, currency HAVING sum(amount) <> 0
		UNION ALL
		SELECT p.order_id::text, format('%s captured and %s returned, the ledger has %s and %s', p.captured_amount,
			p.returned_amount, booked.captured, booked.returned)
		FROM (
			SELECT order_id, coalesce(captured_amount, 0) AS captured_amount, returned_amount,
			       coalesce('direct:' || direct_reference, order_id::text) AS merchant_reference FROM payment
		) AS p LEFT JOIN (
			SELECT merchant_reference, coalesce(-sum(amount) FILTER (WHERE kind = 'charge'), 0) AS captured,
			       coalesce(sum(amount) FILTER (WHERE kind <> 'charge'), 0) AS returned
			FROM ledger_entry WHERE account = 'customers' GROUP BY merchant_reference
		) AS booked USING (merchant_reference)
		WHERE p.captured_amount <> coalesce(booked.captured, 0) OR p.returned_amount <> coalesce(booked.returned, 0)
		UNION ALL
		SELECT 'ledger_entry', 'the service''s login may ' || privilege || ' rows'
		FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
		WHERE has_table_privilege('payment', 'ledger_entry', privilege)`)
}

// chargedTheTotal compares what was asked of the gateway, and what it took, with the order. A gateway that
// takes another amount than it was asked for is an incident, or gives it back.
func chargedTheTotal(l *look, s *subject) string {
	o, p := s.order, s.payment
	if p.Amount != nil && (*p.Amount != o.Amount || *p.Currency != o.Currency) {
		return fmt.Sprintf("total %d %s, payment over %d %s", o.Amount, o.Currency, *p.Amount, *p.Currency)
	}
	captured, returned := s.captured()
	for _, c := range s.charges {
		if (c.Amount != o.Amount || c.Currency != o.Currency) && captured-returned-s.settled != 0 && !l.paymentIncident(s) {
			return fmt.Sprintf("total %d %s, captured %d %s", o.Amount, o.Currency, c.Amount, c.Currency)
		}
	}
	return ""
}

// unknownCharges are those that the gateway made for an order of which the payment service knows nothing. One that was
// made during the look has its payment in the next one.
func unknownCharges(l *look, s *subject) string {
	if s.payment.OrderID != "" || len(s.charges) == 0 || strings.HasPrefix(s.key, direct) ||
		s.charges[0].CreatedAt.After(l.began) {
		return ""
	}
	return "charge " + s.charges[0].ID + " without a payment"
}

// paymentsSettled looks for payments that nobody will decide, and compares the two ledgers row by row.
func paymentsSettled(_ context.Context, l *look, s *subject) (found []Offender, _ error) {
	switch s.payment.State {
	case "INTENT", "UNKNOWN", "REFUNDING", "LATE_CAPTURED":
		if !l.paymentIncident(s) {
			found = append(found, Offender{s.payment.OrderID, "payment is " + s.payment.State})
		}
	}
	return append(found, s.compareLedgers()...), nil
}

// movement is one of money, as either ledger has it.
type movement struct {
	Reference string
	Amount    int64 // negative: it left the gateway
	Currency  string
}

// compareLedgers finds what stands in one ledger and not, or differently, in the other.
func (s *subject) compareLedgers() (found []Offender) {
	theirs := map[string]movement{}
	for _, c := range s.charges {
		theirs[c.ID] = movement{c.Reference, c.Amount, c.Currency}
	}
	for _, group := range s.refunds {
		for _, r := range group {
			theirs[r.ID] = movement{r.Reference, -r.Amount, r.Currency}
		}
	}
	seen := map[string]bool{}
	for _, row := range s.booked {
		id, ours := *row.GatewayID, movement{row.Reference, row.Amount, row.Currency}
		if seen[id] {
			found = append(found, Offender{id, "is booked twice"})
		} else if theirs[id] != ours {
			found = append(found, Offender{id, fmt.Sprintf("booked as %+v, the gateway says %+v", ours, theirs[id])})
		}
		seen[id] = true
	}
	for id, row := range theirs {
		if !seen[id] {
			found = append(found, Offender{id, fmt.Sprintf("not booked: %+v", row)})
		}
	}
	return found
}
