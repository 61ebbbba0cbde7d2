package order

import (
	"fmt"
	"time"

	"example.com/ordersaga/pkg/events"
)

// patienceOfReaders is how old an order is before its resource says what it waits for: nearly all have ended
// by then, and cost the other services no question.
const patienceOfReaders = 2 * time.Second

// Waiting is why a saga does not go on.
type Waiting struct {
	Next
	Attempts int
	Why      string
}

// waiting says what the saga waits for and why; nil while nobody would call it waiting.
func (s Saga) waiting(now time.Time) *Waiting {
	next, more := s.next()
	if !more || now.Sub(s.Order.CreatedAt) < patienceOfReaders {
		return nil
	}
	part := s.part(next.By)
	return &Waiting{next, part.Attempts, s.why(next, part)}
}

func (s Saga) part(of events.Service) Part {
	switch of {
	case events.Inventory:
		return s.Inventory
	case events.Payment:
		return s.Payment
	case events.Shipping:
		return s.Shipping
	default:
		return Part{}
	}
}

// why looks for the most telling reason: what only a person can change comes first.
func (s Saga) why(next Next, part Part) string {
	for _, i := range s.Order.Incidents {
		if i.ResolvedAt == nil && i.Service == string(next.By) {
			return fmt.Sprintf("%s, a person has to decide: %s", i.Kind, i.Reason)
		}
	}
	switch {
	case part.Silence != "":
		return part.Silence
	case part.Problem != "":
		return part.Problem
	case part.Attempts > 0:
		return "the gateway is being asked"
	case next.Step == "fence":
		return "shipping has not decided yet whether the cancel comes in time"
	}
	return fmt.Sprintf("%s has not got to it yet", next.By)
}
