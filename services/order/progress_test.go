package order

import (
	"strings"
	"testing"
	"time"
)

func TestHowFarASagaIs(t *testing.T) {
	t.Parallel()
	asked := new(time.Unix(2, 0))
	says := func(state string) Part { return Part{State: state} }
	silent := Part{Silence: "it cannot be reached"}
	tests := []struct {
		name                         string
		status                       Status
		inventory, payment, shipping Part
		progress                     string // of the three steps
		next                         string // step, service, events; empty: it has ended
	}{
		{"nobody has heard of it", Pending, Part{}, Part{}, Part{}, "Processing Pending Pending", "reserve inventory InventoryReserved InventoryRejected"},
		{"held", Pending, says("RESERVED"), Part{}, Part{}, "Committed Processing Pending", "charge payment PaymentProcessed PaymentFailed"},
		{"being charged", Pending, says("RESERVED"), says("INTENT"), Part{}, "Committed Processing Pending", "charge payment PaymentProcessed PaymentFailed"},
		{"nobody knows", Pending, says("RESERVED"), says("UNKNOWN"), Part{}, "Committed Processing Pending", "charge payment PaymentProcessed PaymentFailed"},
		{"paid", Pending, says("RESERVED"), says("CAPTURED"), Part{}, "Committed Committed Processing", "ship shipping ShipmentCreated ShipmentFailed"},
		{"shipped", Pending, says("RESERVED"), says("CAPTURED"), says("CREATED"), "Committed Committed Committed", "end order OrderConfirmed"},
		{"confirmed, not sold yet", Confirmed, says("RESERVED"), says("CAPTURED"), says("CREATED"), "Committed Committed Committed", ""},
		{"confirmed, nobody answers", Confirmed, silent, silent, silent, "Committed Committed Committed", ""},

		{"rejected", Pending, says("REJECTED"), Part{}, Part{}, "Compensated Pending Pending", "end order OrderCancelled"},
		{"declined", Pending, says("RESERVED"), says("DECLINED"), Part{}, "Compensating Compensated Pending", "release inventory InventoryReleased"},
		{"declined and released", Pending, says("RELEASED"), says("DECLINED"), Part{}, "Compensated Compensated Pending", "end order OrderCancelled"},
		{"declined, cancelled", Cancelled, says("RELEASED"), says("DECLINED"), Part{}, "Compensated Compensated Pending", ""},
		{"cannot be shipped", Pending, says("RESERVED"), says("CAPTURED"), says("FAILED"), "Compensating Compensating Compensated", "refund payment PaymentRefunded"},
		{"being refunded", Pending, says("RESERVED"), says("REFUNDING"), says("FAILED"), "Compensating Compensating Compensated", "refund payment PaymentRefunded"},
		{"refund refused", Pending, says("RESERVED"), says("REFUND_REFUSED"), says("FAILED"), "Compensating Compensating Compensated", "refund payment PaymentRefunded"},
		{"refunded", Pending, says("RESERVED"), says("REFUNDED"), says("FAILED"), "Compensating Compensated Compensated", "release inventory InventoryReleased"},

		{"a wish to cancel", Cancelling, says("RESERVED"), says("CAPTURED"), Part{}, "Committed Committed Processing", "fence shipping ShipmentFailed ShipmentCreated"},
		{"a wish that comes too late", Cancelling, says("RESERVED"), says("CAPTURED"), says("CREATED"), "Committed Committed Committed", "end order OrderConfirmed"},
		{"fenced before anybody heard", Cancelling, Part{}, Part{}, says("FENCED"), "Compensating Compensating Compensated", "refund payment PaymentVoided"},
		{"fenced while being charged", Cancelling, says("RESERVED"), says("UNKNOWN"), says("FENCED"), "Compensating Compensating Compensated", "refund payment PaymentRefunded PaymentFailed"},
		{"voided", Cancelling, says("RESERVED"), says("VOIDED"), says("FENCED"), "Compensating Compensated Compensated", "release inventory InventoryReleased"},
		{"a late capture of a cancelled order", Cancelled, says("RELEASED"), says("LATE_CAPTURED"), says("FENCED"), "Compensated Compensating Compensated", ""},

		{"inventory is silent", Pending, silent, says("CAPTURED"), Part{}, "Committed Committed Processing", "ship shipping ShipmentCreated ShipmentFailed"},
		{"payment is silent", Pending, says("RESERVED"), silent, Part{}, "Committed Processing Pending", "charge payment PaymentProcessed PaymentFailed"},
		{"payment is silent, and it was shipped", Pending, says("SOLD"), silent, says("CREATED"), "Committed Committed Committed", "end order OrderConfirmed"},
		{"shipping is silent, and has refused", Pending, says("RESERVED"), Part{State: "UNKNOWN", CancelWanted: true}, silent, "Compensating Compensating Compensated", "refund payment PaymentRefunded PaymentFailed"},
		{"all are silent", Cancelling, silent, silent, silent, "Processing Pending Processing", "fence shipping ShipmentFailed ShipmentCreated"},
		{"cancelled, nobody answers", Cancelled, silent, silent, silent, "Compensated Compensated Compensated", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			saga := Saga{Order{Status: test.status, CancelRequestedAt: asked}, test.inventory, test.payment, test.shipping}
			same(t, "progress", strings.Join([]string{string(saga.reserve()), string(saga.charge()), string(saga.ship())}, " "), test.progress)
			var next []string
			if n, more := saga.next(); more {
				next = []string{n.Step, string(n.By)}
				for _, event := range n.Events {
					next = append(next, event.Type().Name)
				}
			}
			same(t, "next", strings.Join(next, " "), test.next)
		})
	}
}

func TestSinceWhenASagaWaits(t *testing.T) {
	t.Parallel()
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	placed := Order{Status: Pending, CreatedAt: at(1), UpdatedAt: at(1)}
	cancelling := Order{Status: Cancelling, CreatedAt: at(1), UpdatedAt: at(5), CancelRequestedAt: new(at(5))}
	for _, test := range []struct {
		name string
		saga Saga
		want time.Time
	}{
		{"for the stock since the order", Saga{Order: placed}, at(1)},
		{"for payment to hear since the stock is held", Saga{Order: placed, Inventory: Part{State: "RESERVED", UpdatedAt: at(2)}}, at(2)},
		{"for the charge since payment knows", Saga{Order: placed, Inventory: Part{State: "RESERVED", UpdatedAt: at(2)}, Payment: Part{State: "INTENT", CreatedAt: at(3), UpdatedAt: at(9)}}, at(3)},
		{"for the charge since nobody knows", Saga{Order: placed, Payment: Part{State: "UNKNOWN", CreatedAt: at(3), UnknownSince: at(4)}}, at(4)},
		{"for the parcel since it is paid", Saga{Order: placed, Payment: Part{State: "CAPTURED", CreatedAt: at(3), UpdatedAt: at(4)}}, at(4)},
		{"for shipping's word since the wish", Saga{Order: cancelling, Payment: Part{State: "CAPTURED", UpdatedAt: at(4)}}, at(5)},
		{"for the refund since shipping said no", Saga{Order: cancelling, Payment: Part{State: "CAPTURED", UpdatedAt: at(4)}, Shipping: Part{State: "FENCED", CreatedAt: at(6)}}, at(6)},
		{"for the release since the refund", Saga{Order: cancelling, Payment: Part{State: "REFUNDED", UpdatedAt: at(7)}, Shipping: Part{State: "FENCED", CreatedAt: at(6)}}, at(7)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := test.saga.waiting(at(100))
			same(t, "since", got.Since, test.want)
			if test.saga.waiting(at(2)) != nil {
				t.Error("it waits already when it has just begun")
			}
		})
	}
}
