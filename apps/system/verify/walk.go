package verify

import (
	"context"
	"errors"
)

// subject is all that is known of one order, or of what was paid directly under one reference. What is not known is
// the zero value.
type subject struct {
	key         string // the order's id, or the reference
	order       order
	reservation reservation
	payment     payment
	shipment    shipment
	mails       []mail
	booked      []booked // at the gateway, as payment has it
	settled     int64    // returned outside the gateway, audited
	charges     []charge
	refunds     map[string][]refund // by charge
}

// walk judges one order after the other, each by what all sources have of it. The sources are sorted alike, so that no
// more than a page of each is in memory.
func (l *look) walk(ctx context.Context, judged []Invariant) error {
	f, err := l.openFeeds(ctx)
	if err != nil {
		return err
	}
	for {
		s, exists, err := f.next(ctx)
		if err != nil || !exists {
			return err
		}
		l.leaveAccepted(s)
		l.count(s)
		for _, invariant := range judged {
			if invariant.each == nil {
				continue
			}
			found, err := invariant.each(ctx, l, s)
			if err != nil {
				return err
			}
			l.found[invariant.ID] = append(l.found[invariant.ID], found...)
		}
	}
}

// count counts what a subject has, and reports how far the look is.
func (l *look) count(s *subject) {
	if s.order.ID != "" {
		l.counted.Orders++
	}
	l.counted.Charges += len(s.charges)
	for _, refunds := range s.refunds {
		l.counted.Refunds += len(refunds)
	}
	l.progress("orders looked at: %d", l.counted.Orders)
}

// next brings together what has the smallest key; false: nothing is left.
func (f feeds) next(ctx context.Context) (*subject, bool, error) {
	s, exists := &subject{}, false
	for _, head := range []func(context.Context) (string, bool, error){
		f.orders.head, f.reservations.head, f.payments.head, f.direct.head, f.shipments.head, f.mails.head, f.before.head,
		f.booked.head, f.entries.head,
	} {
		key, one, err := head(ctx)
		if err != nil {
			return nil, false, err
		}
		if one && (!exists || key < s.key) {
			s.key, exists = key, true
		}
	}
	if !exists {
		return nil, false, nil
	}
	return s, true, f.fill(ctx, s)
}

func (f feeds) fill(ctx context.Context, s *subject) error {
	var failed [9]error
	failed[0] = f.orders.takeOne(ctx, s.key, &s.order)
	failed[1] = f.reservations.takeOne(ctx, s.key, &s.reservation)
	failed[2] = f.payments.takeOne(ctx, s.key, &s.payment)
	failed[3] = f.direct.takeOne(ctx, s.key, &s.payment)
	failed[4] = f.shipments.takeOne(ctx, s.key, &s.shipment)
	s.mails, failed[5] = f.mails.take(ctx, s.key)
	var before []mail
	before, failed[8] = f.before.take(ctx, s.key)
	s.mails = append(before, s.mails...)
	var entries []entry
	entries, failed[6] = f.entries.take(ctx, s.key)
	var movements []booked
	movements, failed[7] = f.booked.take(ctx, s.key)
	for _, b := range movements {
		if b.GatewayID == nil {
			s.settled -= b.Amount
		} else {
			s.booked = append(s.booked, b)
		}
	}
	for _, e := range entries {
		if e.Kind == "charge" {
			s.charges = append(s.charges, charge(e))
			continue
		}
		if s.refunds == nil {
			s.refunds = map[string][]refund{}
		}
		s.refunds[e.ChargeID] = append(s.refunds[e.ChargeID], refund(e))
	}
	return errors.Join(failed[:]...)
}

// leaveAccepted leaves charges out of which an operator has taken note, as long as they are back in full.
func (l *look) leaveAccepted(s *subject) {
	kept := s.charges[:0]
	for _, c := range s.charges {
		rest := c.Amount
		for _, r := range s.refunds[c.ID] {
			rest -= r.Amount
		}
		if rest == 0 && l.noted.accepted[c.ID] {
			delete(s.refunds, c.ID)
		} else {
			kept = append(kept, c)
		}
	}
	s.charges = kept
}

// captured and returned are what the gateway took and gave back.
func (s *subject) captured() (captured, returned int64) {
	for _, c := range s.charges {
		captured += c.Amount
		for _, r := range s.refunds[c.ID] {
			returned += r.Amount
		}
	}
	return captured, returned
}

// paymentIncident: one about the payment is open.
func (l *look) paymentIncident(s *subject) bool { return l.noted.open[s.payment.OrderID] }

// stated makes a judge of a sentence about a subject; empty: nothing is wrong.
func stated(sentence func(*look, *subject) string) judge {
	return func(_ context.Context, l *look, s *subject) ([]Offender, error) {
		if detail := sentence(l, s); detail != "" {
			return []Offender{{s.key, detail}}, nil
		}
		return nil, nil
	}
}

// ofOrders makes a judge of a sentence about an order that the order service knows.
func ofOrders(sentence func(*look, *subject) string) judge {
	return stated(func(l *look, s *subject) string {
		if s.order.ID == "" {
			return ""
		}
		return sentence(l, s)
	})
}
