// Package systemtest is for tests of the whole system: start it as processes, break it, place orders, await
// their ends, and have every invariant checked. It drives the system as any client would, over HTTP and
// by the sagactl program, so another team's tests can use it, too.
//
//	system := systemtest.Start(t, systemtest.Options{})
//	system.Arm(t, "payment", systemtest.Fault{Point: "gateway.after_charge", Kind: "crash"})
//	order := system.Place(t, systemtest.Order{SKU: "widget", Quantity: 2})
//	if end := system.AwaitEnd(t, order.ID); end.Status != "CONFIRMED" {
//		t.Errorf("the order ended %s: %s", end.Status, end.Reason)
//	}
//	system.Verify(t)
//
// A package whose tests share one system starts it in its TestMain, with [Main]. Where the programs are found, or how
// they are built, is said at [Start].
package systemtest
