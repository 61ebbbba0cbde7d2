package sagaview

import "example.com/ordersaga/pkg/events"

// Progress says how far one service has come with an order.
type Progress string

// What a person sees of a service's part in a saga.
const (
	Pending      Progress = "Pending"      // not asked yet
	Processing   Progress = "Processing"   // asked, has not answered
	Committed    Progress = "Committed"    // its step stands
	Compensating Progress = "Compensating" // its step is to be undone
	Compensated  Progress = "Compensated"  // its step was undone
	NotDone      Progress = "Not done"     // it refused its step, or was stopped before it: there is nothing to undo
)

// State says how the saga of an order stands as a whole.
type State string

// What a person sees of a saga.
const (
	InProgress State = "In Progress"
	Succeeded  State = "Succeeded"
	Undoing    State = "Compensating"
	Failed     State = "Failed" // and everything undone
)

// Saga is what the events about one order add up to.
type Saga struct {
	State     State
	Services  map[events.Service]Progress
	Incidents map[string]string // open incidents: id → kind

	reserved bool // inventory had something to release
}

// Shown is the progress of a step as a person reads it. The order service's API has one word for a step that was undone
// and a step that was never done; the state of the service's row tells which.
func Shown(progress Progress, state string) Progress {
	switch state {
	case "REJECTED", "DECLINED", "VOIDED", "FAILED", "FENCED":
		if progress == Compensated {
			return NotDone
		}
	}
	return progress
}

// NewSaga is a saga of which nothing has been seen yet.
func NewSaga() *Saga {
	return &Saga{
		State:     InProgress,
		Services:  map[events.Service]Progress{events.Inventory: Pending, events.Payment: Pending, events.Shipping: Pending},
		Incidents: map[string]string{},
	}
}

// Ended says whether the order's fate is sealed.
func (s *Saga) Ended() bool { return s.State == Succeeded || s.State == Failed }

// Next is the service whose step is next while the saga has not ended.
func (s *Saga) Next() events.Service {
	wanted := Processing
	if s.State == Undoing {
		wanted = Compensating
	}
	for _, service := range []events.Service{events.Shipping, events.Payment, events.Inventory} { // backwards
		if s.Services[service] == wanted {
			return service
		}
	}
	return events.Order
}

// Apply adds one event to the picture.
func (s *Saga) Apply(event events.Event) {
	switch e := event.(type) {
	case events.OrderCreated, events.OrderCreatedV2:
		s.Services[events.Inventory] = Processing
	case events.InventoryReserved:
		s.reserved = true
		s.forward(events.Inventory, events.Payment)
	case events.PaymentProcessed:
		s.forward(events.Payment, events.Shipping)
	case events.ShipmentCreated:
		s.Services[events.Shipping] = Committed
	case events.OrderConfirmed:
		s.State = Succeeded
	case events.OrderCancelled:
		s.State = Failed
	case events.IncidentOpened:
		s.Incidents[e.IncidentID] = e.Kind
	case events.IncidentResolved:
		delete(s.Incidents, e.IncidentID)
	default:
		s.applyUndoing(event)
	}
}

func (s *Saga) applyUndoing(event events.Event) {
	switch event.(type) {
	case events.InventoryRejected:
		s.undone(events.Inventory, NotDone)
	case events.PaymentFailed, events.PaymentVoided:
		s.undone(events.Payment, NotDone, events.Inventory)
	case events.PaymentRefunded:
		s.undone(events.Payment, Compensated, events.Inventory)
	case events.ShipmentFailed:
		s.undone(events.Shipping, NotDone, events.Payment, events.Inventory)
	case events.InventoryReleased:
		released := NotDone
		if s.reserved {
			released = Compensated
		}
		s.undone(events.Inventory, released)
	}
}

// forward says that one step stands and the next one is asked.
func (s *Saga) forward(done, next events.Service) {
	s.Services[done] = Committed
	if s.Services[next] == Pending {
		s.Services[next] = Processing
	}
}

// undone says that nothing of one step stands, and that those before it are to follow.
func (s *Saga) undone(done events.Service, how Progress, before ...events.Service) {
	if !s.Ended() {
		s.State = Undoing
	}
	s.Services[done] = how
	for _, service := range before {
		if s.Services[service] != Compensated && s.Services[service] != NotDone {
			s.Services[service] = Compensating
		}
	}
}
