// Package payment takes the money for an order exactly once, and refunds it when the order is undone. It is what the
// saga asks of payment, and how the parts are put together: package charge calls the gateway, direct, reconcile and
// repair stand beside each other above it.
package payment

import (
	"fmt"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/payment/charge"
)

// chargeable is why an order can never be charged, if so; asking the gateway would not help.
func chargeable(order events.Snapshot) error {
	if order.Total.Amount <= 0 || len(order.Total.Currency) != 3 || order.PaymentMethod == "" {
		return fmt.Errorf("order of %d %q by %q cannot be charged", order.Total.Amount, order.Total.Currency,
			order.PaymentMethod)
	}
	return nil
}

// onCancel decides what a cancel does to a payment that exists: captured money is refunded, an open charge
// remembers that a cancel is wanted. It is never voided over a call that may have reached the gateway.
// Everywhere else the cancel finds nothing to do.
func onCancel(s charge.State) (refund, remember bool) {
	return s == charge.Captured, s == charge.Intent || s == charge.Unknown
}

// answered is what payment has published about an order, once more, for somebody who never got it; nil while it is
// still at work or waits for a person: the end of that will be published.
func answered(p charge.Payment, asked events.Repeat) events.Event {
	switch p.State {
	case charge.Captured:
		return events.PaymentProcessed{Snapshot: p.Order, ChargeID: p.ChargeID, Repeat: asked}
	case charge.Declined:
		return events.PaymentFailed{Subject: p.Subject(), Reason: p.Reason, Repeat: asked}
	case charge.Voided:
		return events.PaymentVoided{Subject: p.Subject(), Reason: p.Reason, Repeat: asked}
	case charge.Refunded, charge.Settled:
		return events.PaymentRefunded{
			Subject: p.Subject(), RefundID: p.RefundID, Reason: p.Reason, Repeat: asked,
			Amount: p.Money(p.Captured),
		}
	default:
		return nil
	}
}
