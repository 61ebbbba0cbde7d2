package example

import (
	"testing"

	"example.com/ordersaga/pkg/testkit/systemtest"
)

// Payment dies with the gateway's answer in its hands. The customer does not notice, and is charged once.
func TestPayment_ACrashWithTheAnswerChargesOnce(t *testing.T) {
	system := systemtest.Start(t, systemtest.Options{})
	system.Arm(t, "payment", systemtest.Fault{Point: "gateway.after_charge", Kind: "crash"})
	before := system.PID(t, "payment")

	order := system.Place(t, systemtest.Order{SKU: "widget", Quantity: 2})
	if end := system.AwaitEnd(t, order.ID); end.Status != "CONFIRMED" {
		t.Errorf("the order ended %s: %s", end.Status, end.Reason)
	}
	if system.PID(t, "payment") == before {
		t.Error("payment never died, so nothing was shown")
	}
	system.Verify(t) // every invariant, against the card gateway's own ledger
}
