package sagaview

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
)

// Progress is how far one service is with its step.
type Progress string

// The words are those of the API.
const (
	NotAsked     Progress = "Pending"      // not asked yet
	Processing   Progress = "Processing"   // asked, and has not answered
	Committed    Progress = "Committed"    // the step stands
	Compensating Progress = "Compensating" // the step is to be undone
	Compensated  Progress = "Compensated"  // nothing of the step stands
)

// ServiceStatus is what a service answers about its step for an order: the fields that are read, whatever else its
// answer has.
type ServiceStatus struct {
	State         string    `json:"state"` // as the service names it; empty: it does not know the order, or is unavailable
	Reason        string    `json:"reason"`
	Problem       string    `json:"problem"` // why its last attempt decided nothing
	CancelWanted  bool      `json:"cancel_wanted"`
	Attempts      int       `json:"attempts"`
	NextAttemptAt time.Time `json:"next_attempt_at"`
	UnknownSince  time.Time `json:"unknown_since"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
	Unavailable   string    `json:"-"` // why there is no answer; empty: there is one
}

func (p ServiceStatus) is(states ...string) bool { return slices.Contains(states, p.State) }

// Saga is an order and the answers of the other services. It is stored nowhere: the services are asked at the same
// time but each reads its own database, so two answers may be a moment apart.
type Saga struct {
	Order                        api.Order
	Inventory, Payment, Shipping ServiceStatus
}

func ended(o api.Order) bool { return o.Status == api.CONFIRMED || o.Status == api.CANCELLED }

// cancelling reports whether a cancel was requested and shipping has not decided about it.
func cancelling(o api.Order) bool { return o.CancelRequestedAt != nil && !ended(o) }

// undoing reports whether the saga has turned round. A request to cancel alone does not: shipping decides about it.
func (s Saga) undoing() bool {
	if ended(s.Order) {
		return s.Order.Status == api.CANCELLED
	}
	return s.Inventory.is("REJECTED", "RELEASED") || s.fenced() || s.Payment.is("DECLINED")
}

// fenced reports whether shipping has decided that there will be no shipment. Where shipping does not answer, the
// states of payment that follow from ShipmentFailed show it.
func (s Saga) fenced() bool {
	return s.Shipping.is("FAILED", "FENCED") || s.Payment.CancelWanted ||
		s.Payment.is("VOIDED", "REFUNDING", "REFUND_REFUSED", "REFUNDED", "SETTLED", "LATE_CAPTURED")
}

// reserve, charge and ship are how far the steps are. Where a service does not answer, the others' states show it.

func (s Saga) reserve() Progress {
	switch {
	case s.Order.Status == api.CONFIRMED || s.Inventory.is("SOLD"):
		return Committed
	case s.Order.Status == api.CANCELLED || s.Inventory.is("RELEASED", "REJECTED"):
		return Compensated
	case s.undoing():
		return Compensating
	case s.Inventory.is("RESERVED") || s.Payment.State != "":
		return Committed
	}
	return Processing
}

func (s Saga) charge() Progress {
	switch {
	case s.Order.Status == api.CONFIRMED || s.Shipping.is("CREATED"):
		return Committed
	case s.Payment.is("DECLINED", "VOIDED", "REFUNDED", "SETTLED"):
		return Compensated
	case s.Payment.is("REFUNDING", "REFUND_REFUSED", "LATE_CAPTURED"):
		return Compensating
	case s.Order.Status == api.CANCELLED || s.Inventory.is("RELEASED", "REJECTED"):
		return s.Payment.undoneOrNever()
	case s.fenced():
		return Compensating
	case s.Payment.is("CAPTURED"):
		return Committed
	case s.Inventory.is("RESERVED") || s.Payment.State != "":
		return Processing
	}
	return NotAsked
}

func (s Saga) ship() Progress {
	switch {
	case s.Order.Status == api.CONFIRMED || s.Shipping.is("CREATED") || s.Inventory.is("SOLD"):
		return Committed
	case s.fenced():
		return Compensated
	case s.undoing():
		return s.Shipping.undoneOrNever()
	case cancelling(s.Order) || s.Payment.is("CAPTURED"):
		return Processing
	}
	return NotAsked
}

// undoneOrNever is the progress of a step in a saga that was undone without it. A service that does not answer may
// have taken part.
func (p ServiceStatus) undoneOrNever() Progress {
	if p.Unavailable != "" {
		return Compensated
	}
	return NotAsked
}

// Next is what has to happen for the saga to go on.
type Next struct {
	Step   string
	By     events.Service
	Events []events.Event // one of them follows from it
	Since  time.Time
}

// next is what has to happen now; false: nothing, the saga has ended.
func (s Saga) next() (Next, bool) {
	o := s.Order
	switch {
	case ended(o):
		return Next{}, false
	case s.undoing():
		return s.back(), true
	case s.ship() == Committed:
		return Next{"end", events.Order, []events.Event{events.OrderConfirmed{}}, cmp.Or(s.Shipping.CreatedAt, o.UpdatedAt)},
			true
	case cancelling(o):
		return Next{"fence", events.Shipping, []events.Event{events.ShipmentFailed{}, events.ShipmentCreated{}},
			*o.CancelRequestedAt}, true
	case s.charge() == Committed:
		return Next{
			"ship", events.Shipping, []events.Event{events.ShipmentCreated{}, events.ShipmentFailed{}},
			cmp.Or(s.Payment.UpdatedAt, o.UpdatedAt),
		}, true
	case s.reserve() == Committed:
		return Next{
			"charge", events.Payment, []events.Event{events.PaymentProcessed{}, events.PaymentFailed{}},
			cmp.Or(s.Payment.UnknownSince, s.Payment.CreatedAt, s.Inventory.UpdatedAt, o.UpdatedAt),
		}, true
	}
	return Next{"reserve", events.Inventory, []events.Event{events.InventoryReserved{}, events.InventoryRejected{}},
		o.CreatedAt}, true
}

// back is what has to happen now in a saga that has turned round.
func (s Saga) back() Next {
	switch {
	case s.charge() == Compensating:
		awaited := []events.Event{events.PaymentRefunded{}}
		switch s.Payment.State {
		case "":
			awaited = []events.Event{events.PaymentVoided{}}
		case "INTENT", "UNKNOWN":
			awaited = append(awaited, events.PaymentFailed{})
		}
		since := cmp.Or(s.Payment.UnknownSince, s.Shipping.CreatedAt, s.Payment.UpdatedAt)
		return Next{"refund", events.Payment, awaited, since}
	case s.reserve() == Compensating:
		return Next{
			"release", events.Inventory, []events.Event{events.InventoryReleased{}},
			cmp.Or(s.Payment.UpdatedAt, s.Shipping.CreatedAt, s.Order.UpdatedAt),
		}
	}
	return Next{"end", events.Order, []events.Event{events.OrderCancelled{}},
		cmp.Or(s.Inventory.UpdatedAt, s.Order.UpdatedAt)}
}

// waitingAfter is how old an order is before it shows what it waits for: nearly all have ended by then, and reading
// them costs the other services no request.
const waitingAfter = 2 * time.Second

// waiting is what the saga waits for and why; nil while it is too young for that, or has ended.
func (s Saga) waiting(now time.Time) *api.Waiting {
	next, more := s.next()
	if !more || now.Sub(s.Order.CreatedAt) < waitingAfter {
		return nil
	}
	status := s.of(next.By)
	return &api.Waiting{
		Step: next.Step, Service: string(next.By), Since: next.Since.UTC(), Attempts: status.Attempts,
		Why: s.why(next, status),
	}
}

func (s Saga) of(service events.Service) ServiceStatus {
	switch service {
	case events.Inventory:
		return s.Inventory
	case events.Payment:
		return s.Payment
	case events.Shipping:
		return s.Shipping
	default:
		return ServiceStatus{}
	}
}

// why is the most useful reason: one that only a person can change comes first.
func (s Saga) why(next Next, status ServiceStatus) string {
	for _, i := range s.Order.Incidents {
		if i.ResolvedAt == nil && i.Service == string(next.By) {
			return fmt.Sprintf("%s, a person has to decide: %s", i.Kind, i.Reason)
		}
	}
	switch {
	case status.Unavailable != "":
		return status.Unavailable
	case status.Problem != "":
		return status.Problem
	case status.Attempts > 0:
		return "the gateway is being asked"
	case next.Step == "fence":
		return "shipping has not decided yet whether the cancel comes in time"
	}
	return fmt.Sprintf("%s has not got to it yet", next.By)
}
