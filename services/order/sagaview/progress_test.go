package sagaview

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/services/order/api"
)

// order is one in a state; its cancel was requested where that makes a difference.
func order(status string, requested *time.Time) api.Order {
	o := api.Order{Status: api.Status(status)}
	if status == "CANCELLING" {
		o.CancelRequestedAt = requested
	}
	return o
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

func TestProgress_FollowsFromWhatTheServicesAnswer(t *testing.T) {
	t.Parallel()
	asked := new(time.Unix(2, 0))
	in := func(state string) ServiceStatus { return ServiceStatus{State: state} }
	silent := ServiceStatus{Unavailable: "it cannot be reached"}
	tests := []struct {
		name                         string
		status                       string
		inventory, payment, shipping ServiceStatus
		progress                     string // of the three steps
		next                         string // step, service, events; empty: it has ended
	}{
		{"no service knows of it", "PENDING", ServiceStatus{}, ServiceStatus{}, ServiceStatus{}, "Processing Pending Pending", "reserve inventory InventoryReserved InventoryRejected"},
		{"held", "PENDING", in("RESERVED"), ServiceStatus{}, ServiceStatus{}, "Committed Processing Pending", "charge payment PaymentProcessed PaymentFailed"},
		{"being charged", "PENDING", in("RESERVED"), in("INTENT"), ServiceStatus{}, "Committed Processing Pending", "charge payment PaymentProcessed PaymentFailed"},
		{"nobody knows", "PENDING", in("RESERVED"), in("UNKNOWN"), ServiceStatus{}, "Committed Processing Pending", "charge payment PaymentProcessed PaymentFailed"},
		{"paid", "PENDING", in("RESERVED"), in("CAPTURED"), ServiceStatus{}, "Committed Committed Processing", "ship shipping ShipmentCreated ShipmentFailed"},
		{"shipped", "PENDING", in("RESERVED"), in("CAPTURED"), in("CREATED"), "Committed Committed Committed", "end order OrderConfirmed"},
		{"confirmed, not sold yet", "CONFIRMED", in("RESERVED"), in("CAPTURED"), in("CREATED"), "Committed Committed Committed", ""},
		{"confirmed, nobody answers", "CONFIRMED", silent, silent, silent, "Committed Committed Committed", ""},

		{"rejected", "PENDING", in("REJECTED"), ServiceStatus{}, ServiceStatus{}, "Compensated Pending Pending", "end order OrderCancelled"},
		{"declined", "PENDING", in("RESERVED"), in("DECLINED"), ServiceStatus{}, "Compensating Compensated Pending", "release inventory InventoryReleased"},
		{"declined and released", "PENDING", in("RELEASED"), in("DECLINED"), ServiceStatus{}, "Compensated Compensated Pending", "end order OrderCancelled"},
		{"declined, cancelled", "CANCELLED", in("RELEASED"), in("DECLINED"), ServiceStatus{}, "Compensated Compensated Pending", ""},
		{"cannot be shipped", "PENDING", in("RESERVED"), in("CAPTURED"), in("FAILED"), "Compensating Compensating Compensated", "refund payment PaymentRefunded"},
		{"being refunded", "PENDING", in("RESERVED"), in("REFUNDING"), in("FAILED"), "Compensating Compensating Compensated", "refund payment PaymentRefunded"},
		{"refund refused", "PENDING", in("RESERVED"), in("REFUND_REFUSED"), in("FAILED"), "Compensating Compensating Compensated", "refund payment PaymentRefunded"},
		{"refunded", "PENDING", in("RESERVED"), in("REFUNDED"), in("FAILED"), "Compensating Compensated Compensated", "release inventory InventoryReleased"},

		{"a cancel is requested", "CANCELLING", in("RESERVED"), in("CAPTURED"), ServiceStatus{}, "Committed Committed Processing", "fence shipping ShipmentFailed ShipmentCreated"},
		{"a cancel that comes too late", "CANCELLING", in("RESERVED"), in("CAPTURED"), in("CREATED"), "Committed Committed Committed", "end order OrderConfirmed"},
		{"fenced before anybody knew", "CANCELLING", ServiceStatus{}, ServiceStatus{}, in("FENCED"), "Compensating Compensating Compensated", "refund payment PaymentVoided"},
		{"fenced while being charged", "CANCELLING", in("RESERVED"), in("UNKNOWN"), in("FENCED"), "Compensating Compensating Compensated", "refund payment PaymentRefunded PaymentFailed"},
		{"voided", "CANCELLING", in("RESERVED"), in("VOIDED"), in("FENCED"), "Compensating Compensated Compensated", "release inventory InventoryReleased"},
		{"a late capture of a cancelled order", "CANCELLED", in("RELEASED"), in("LATE_CAPTURED"), in("FENCED"), "Compensated Compensating Compensated", ""},

		{"inventory is silent", "PENDING", silent, in("CAPTURED"), ServiceStatus{}, "Committed Committed Processing", "ship shipping ShipmentCreated ShipmentFailed"},
		{"payment is silent", "PENDING", in("RESERVED"), silent, ServiceStatus{}, "Committed Processing Pending", "charge payment PaymentProcessed PaymentFailed"},
		{"payment is silent, and it was shipped", "PENDING", in("SOLD"), silent, in("CREATED"), "Committed Committed Committed", "end order OrderConfirmed"},
		{"shipping is silent, and has refused", "PENDING", in("RESERVED"), ServiceStatus{State: "UNKNOWN", CancelWanted: true}, silent, "Compensating Compensating Compensated", "refund payment PaymentRefunded PaymentFailed"},
		{"all are silent", "CANCELLING", silent, silent, silent, "Processing Pending Processing", "fence shipping ShipmentFailed ShipmentCreated"},
		{"cancelled, nobody answers", "CANCELLED", silent, silent, silent, "Compensated Compensated Compensated", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			saga := Saga{order(test.status, asked), test.inventory, test.payment, test.shipping}
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

func TestWaiting_HasItsBeginning(t *testing.T) {
	t.Parallel()
	at := func(second int64) time.Time { return time.Unix(second, 0).UTC() }
	placed := api.Order{Status: api.PENDING, CreatedAt: at(1), UpdatedAt: at(1)}
	cancelling := api.Order{Status: api.CANCELLING, CreatedAt: at(1), UpdatedAt: at(5), CancelRequestedAt: new(at(5))}
	for _, test := range []struct {
		name string
		saga Saga
		want time.Time
	}{
		{"for the stock since the order", Saga{Order: placed}, at(1)},
		{"for payment since the stock is held", Saga{Order: placed, Inventory: ServiceStatus{State: "RESERVED", UpdatedAt: at(2)}}, at(2)},
		{"for the charge since payment knows", Saga{Order: placed, Inventory: ServiceStatus{State: "RESERVED", UpdatedAt: at(2)}, Payment: ServiceStatus{State: "INTENT", CreatedAt: at(3), UpdatedAt: at(9)}}, at(3)},
		{"for the charge since nobody knows", Saga{Order: placed, Payment: ServiceStatus{State: "UNKNOWN", CreatedAt: at(3), UnknownSince: at(4)}}, at(4)},
		{"for the parcel since it is paid", Saga{Order: placed, Payment: ServiceStatus{State: "CAPTURED", CreatedAt: at(3), UpdatedAt: at(4)}}, at(4)},
		{"for shipping's decision since the request", Saga{Order: cancelling, Payment: ServiceStatus{State: "CAPTURED", UpdatedAt: at(4)}}, at(5)},
		{"for the refund since the fence", Saga{Order: cancelling, Payment: ServiceStatus{State: "CAPTURED", UpdatedAt: at(4)}, Shipping: ServiceStatus{State: "FENCED", CreatedAt: at(6)}}, at(6)},
		{"for the release since the refund", Saga{Order: cancelling, Payment: ServiceStatus{State: "REFUNDED", UpdatedAt: at(7)}, Shipping: ServiceStatus{State: "FENCED", CreatedAt: at(6)}}, at(7)},
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
