package repair

import (
	"fmt"
	"testing"
	"time"

	"example.com/ordersaga/services/payment/charge"
)

// Every kind of incident has an accepted action in every state in which it can be open, but where payment goes on by
// itself (INTENT, LATE_CAPTURED), and where our ledger alone shows a movement: the gateway's ledger only grows, and the
// incident closes when it shows the movement.
func TestIncident_HasAnAcceptedActionInEveryState(t *testing.T) {
	t.Parallel()
	own := charge.GatewayResponse{ID: "ch_1", Reference: "o", Amount: 4950, Currency: "USD"}
	back := own
	back.Refunds = []charge.GatewayResponse{{ID: "re_9", ChargeID: "ch_1", Reference: "o", Amount: 500, Currency: "USD"}}
	second := charge.GatewayResponse{ID: "ch_2", Reference: "o", Amount: 500, Currency: "EUR"}
	for _, c := range []struct {
		kind  string
		state charge.State
		shown []charge.GatewayResponse
	}{
		{charge.KindChargeUndecided, charge.Unknown, nil},
		{charge.KindChargeUndecided, charge.Unknown, []charge.GatewayResponse{own, second}},
		{charge.KindRefundUndecided, charge.Refunding, nil},
		{charge.KindRefundRefused, charge.RefundRefused, []charge.GatewayResponse{own}},
		{charge.KindRefundRefused, charge.RefundRefused, []charge.GatewayResponse{back, second}},
		{charge.KindRefundRefused, charge.Refunding, nil},
		{charge.KindLateCapture, charge.Refunding, nil},
		{charge.KindLateCapture, charge.RefundRefused, []charge.GatewayResponse{own}},
		{charge.KindReconciliation, charge.Captured, []charge.GatewayResponse{back}},
		{charge.KindReconciliation, charge.Settled, []charge.GatewayResponse{back}},
		{charge.KindReconciliation, none, []charge.GatewayResponse{second}},
		{charge.KindReconciliation, charge.Captured, []charge.GatewayResponse{own, second}},
		{charge.KindReconciliation, charge.Declined, []charge.GatewayResponse{second}},
		{charge.KindReconciliation, charge.Voided, []charge.GatewayResponse{second}},
		{charge.KindReconciliation, charge.Refunded, []charge.GatewayResponse{own, second}},
		{charge.KindReconciliation, charge.RefundRefused, []charge.GatewayResponse{own, second}},
		{charge.KindReconciliation, charge.Settled, []charge.GatewayResponse{own, second}},
	} {
		p := charge.Payment{OrderID: "o", State: c.state, Amount: 4950, Captured: 4950, Currency: "USD", RefundNumber: 1}
		switch c.state {
		case charge.Unknown, charge.Declined, charge.Voided, none:
			p.Captured = 0
		case charge.Refunded, charge.Settled:
			p.ChargeID, p.Returned = own.ID, 4950
		default:
			p.ChargeID = own.ID
		}
		t.Run(fmt.Sprintf("%s, %s, %d shown", c.kind, c.state, len(c.shown)), func(t *testing.T) {
			t.Parallel()
			if steps := steps(c.kind, p, evidence{shown: c.shown, definite: &time.Time{}}); len(steps) == 0 {
				t.Error("nothing can be done")
			}
		})
	}
}
