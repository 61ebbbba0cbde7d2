package payment

import (
	"testing"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/payment/charge"
)

func TestCancel_NeverVoidsOverACallThatMayHaveReachedTheGateway(t *testing.T) {
	t.Parallel()
	for _, state := range allStates() {
		refund, remember := onCancel(state)
		if wantRefund, wantRemember := state == charge.Captured, state == charge.Intent || state == charge.Unknown; refund != wantRefund || remember != wantRemember {
			t.Errorf("%s: refund %v, remember %v", state, refund, remember)
		}
	}
}

func allStates() []charge.State {
	return []charge.State{charge.Intent, charge.Captured, charge.Declined, charge.Unknown, charge.Voided, charge.Refunding, charge.Refunded, charge.RefundRefused, charge.Settled, charge.LateCaptured}
}

func TestChargeable_RefusesAnOrderThatCannotBeCharged(t *testing.T) {
	t.Parallel()
	order := reserved("o", "tok_visa").Snapshot
	if err := chargeable(order); err != nil {
		t.Error(err)
	}
	free, foreign, unpaid := order, order, order
	free.Total.Amount, foreign.Total.Currency, unpaid.PaymentMethod = 0, "", ""
	for _, bad := range []events.Snapshot{free, foreign, unpaid} {
		if chargeable(bad) == nil {
			t.Errorf("%+v would be charged", bad)
		}
	}
}
