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
// The programs are built by `make build`; [Options.Bin] says where they are.
package systemtest
