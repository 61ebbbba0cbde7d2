package shop

import (
	"os"
	"testing"

	"example.com/ordersaga/pkg/testkit/systemtest"
)

var system *systemtest.System

func TestMain(m *testing.M) {
	os.Exit(systemtest.Main(m, systemtest.Options{}, func(s *systemtest.System) { system = s }))
}

func TestOrder_IsChargedOnce(t *testing.T) {
	before := system.Stock(t, "widget")
	order := system.Place(t, systemtest.Order{SKU: "widget", Quantity: 2})
	if end := system.AwaitEnd(t, order.ID); end.Status != "CONFIRMED" {
		t.Errorf("it ended %s", end.Status)
	}
	if got := system.Charges(t, order.ID); len(got) != 1 || got[0].Amount != order.Total.Amount {
		t.Errorf("it was charged %+v, want %d once", got, order.Total.Amount)
	}
	if after := system.Stock(t, "widget"); after.Available != before.Available-2 {
		t.Errorf("the stock was %+v and is %+v", before, after)
	}
}

func TestOrder_ThatCannotBeShippedIsRefunded(t *testing.T) {
	order := system.Place(t, systemtest.Order{Country: "AQ"})
	if end := system.AwaitEnd(t, order.ID); end.Status != "CANCELLED" {
		t.Errorf("it ended %s", end.Status)
	}
	charges, refunds := system.Charges(t, order.ID), system.Refunds(t, order.ID)
	if len(charges) != 1 || len(refunds) != 1 || charges[0].Amount != refunds[0].Amount {
		t.Errorf("it was charged %+v and refunded %+v", charges, refunds)
	}
}
