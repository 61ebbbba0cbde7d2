package order

import (
	"cmp"
	"slices"
	"time"

	"example.com/ordersaga/pkg/events"
)

// Progress says how far one service is with its step.
type Progress string

// What a person sees of a step.
const (
	Unasked      Progress = "Pending"      // not asked yet
	Processing   Progress = "Processing"   // asked, and has not answered
	Committed    Progress = "Committed"    // the step stands
	Compensating Progress = "Compensating" // the step is to be undone
	Compensated  Progress = "Compensated"  // nothing of the step stands
)

// Part is what a service says about its part in an order. It is all that we read of its answer: whatever else
// is there, or will be, does not concern us.
type Part struct {
	State         string    `json:"state"` // its own word; empty: it has not heard of the order, or is silent
	Reason        string    `json:"reason"`
	Problem       string    `json:"problem"` // why its last attempt decided nothing
	CancelWanted  bool      `json:"cancel_wanted"`
	Attempts      int       `json:"attempts"`
	NextAttemptAt time.Time `json:"next_attempt_at"`
	UnknownSince  time.Time `json:"unknown_since"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
	Silence       string    `json:"-"` // why there is no answer; empty: there is one
}

func (p Part) is(states ...string) bool { return slices.Contains(states, p.State) }

// Saga is an order and what the other services say about their parts. Nobody keeps it: each service owns what
// it knows, and they are asked one after the other's commit, so two parts may be a moment apart.
type Saga struct {
	Order                        Order
	Inventory, Payment, Shipping Part
}

// undoing says that the saga has turned round. A wish to cancel alone does not: shipping decides about it.
func (s Saga) undoing() bool {
	if s.Order.Status.terminal() {
		return s.Order.Status == Cancelled
	}
	return s.Inventory.is("REJECTED", "RELEASED") || s.fenced() || s.Payment.is("DECLINED")
}

// fenced says that shipping has decided that there will be no shipment, as itself or payment, which heard it, tells.
func (s Saga) fenced() bool {
	return s.Shipping.is("FAILED", "FENCED") || s.Payment.CancelWanted ||
		s.Payment.is("VOIDED", "REFUNDING", "REFUND_REFUSED", "REFUNDED", "SETTLED", "LATE_CAPTURED")
}

// reserve, charge and ship say how far the steps are. Where a service is silent, its neighbours tell of it.

func (s Saga) reserve() Progress {
	switch {
	case s.Order.Status == Confirmed || s.Inventory.is("SOLD"):
		return Committed
	case s.Order.Status == Cancelled || s.Inventory.is("RELEASED", "REJECTED"):
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
	case s.Order.Status == Confirmed || s.Shipping.is("CREATED"):
		return Committed
	case s.Payment.is("DECLINED", "VOIDED", "REFUNDED", "SETTLED"):
		return Compensated
	case s.Payment.is("REFUNDING", "REFUND_REFUSED", "LATE_CAPTURED"):
		return Compensating
	case s.Order.Status == Cancelled || s.Inventory.is("RELEASED", "REJECTED"):
		return s.Payment.undoneOrNever()
	case s.fenced():
		return Compensating
	case s.Payment.is("CAPTURED"):
		return Committed
	case s.Inventory.is("RESERVED") || s.Payment.State != "":
		return Processing
	}
	return Unasked
}

func (s Saga) ship() Progress {
	switch {
	case s.Order.Status == Confirmed || s.Shipping.is("CREATED") || s.Inventory.is("SOLD"):
		return Committed
	case s.fenced():
		return Compensated
	case s.undoing():
		return s.Shipping.undoneOrNever()
	case s.Order.Status == Cancelling || s.Payment.is("CAPTURED"):
		return Processing
	}
	return Unasked
}

// undoneOrNever is a step of a saga that was undone without it: whoever says nothing may have had a part.
func (p Part) undoneOrNever() Progress {
	if p.Silence != "" {
		return Compensated
	}
	return Unasked
}

// Next is what has to happen for the saga to go on.
type Next struct {
	Step   string
	By     events.Service
	Events []events.Event // one of them says that it has
	Since  time.Time
}

// next is what has to happen now; false: nothing, the saga has ended.
func (s Saga) next() (Next, bool) {
	o := s.Order
	switch {
	case o.Status.terminal():
		return Next{}, false
	case s.undoing():
		return s.back(), true
	case s.ship() == Committed:
		return Next{"end", events.Order, []events.Event{events.OrderConfirmed{}}, cmp.Or(s.Shipping.CreatedAt, o.UpdatedAt)},
			true
	case o.Status == Cancelling:
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
		says := []events.Event{events.PaymentRefunded{}}
		switch s.Payment.State {
		case "":
			says = []events.Event{events.PaymentVoided{}}
		case "INTENT", "UNKNOWN":
			says = append(says, events.PaymentFailed{})
		}
		return Next{"refund", events.Payment, says, cmp.Or(s.Payment.UnknownSince, s.Shipping.CreatedAt, s.Payment.UpdatedAt)}
	case s.reserve() == Compensating:
		return Next{
			"release", events.Inventory, []events.Event{events.InventoryReleased{}},
			cmp.Or(s.Payment.UpdatedAt, s.Shipping.CreatedAt, s.Order.UpdatedAt),
		}
	}
	return Next{"end", events.Order, []events.Event{events.OrderCancelled{}},
		cmp.Or(s.Inventory.UpdatedAt, s.Order.UpdatedAt)}
}
