package sagaview

import (
	"time"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
)

// View is a saga as the API shows it.
func View(s Saga, now time.Time) api.Saga {
	o := s.Order
	view := api.Saga{
		OrderId:   o.Id,
		Status:    o.Status,
		State:     api.SagaStateInProgress,
		Direction: api.SagaDirectionForward,
		Steps: []api.Step{
			stepView("reserve", events.Inventory, s.reserve(), s.Inventory),
			stepView("charge", events.Payment, s.charge(), s.Payment),
			stepView("ship", events.Shipping, s.ship(), s.Shipping),
		},
		Incidents:  []api.Incident{},
		Mails:      []api.Mail{}, // they are notification's now
		WaitingFor: s.waiting(now),
	}
	switch {
	case o.Status == api.CONFIRMED:
		view.State = api.SagaStateSucceeded
	case o.Status == api.CANCELLED:
		view.State, view.Direction = api.SagaStateFailed, api.SagaDirectionCompensating
	case s.undoing():
		view.State, view.Direction = api.SagaStateCompensating, api.SagaDirectionCompensating
	}
	for _, incident := range o.Incidents {
		if incident.ResolvedAt == nil {
			view.Incidents = append(view.Incidents, incident)
		}
	}
	if next, more := s.next(); more {
		view.Expected = &api.Expected{Service: string(next.By)}
		for _, event := range next.Events {
			view.Expected.Events = append(view.Expected.Events, event.Type().Name)
		}
	}
	return view
}

func stepView(name string, by events.Service, progress Progress, p ServiceStatus) api.Step {
	view := api.Step{
		Step: name, Service: string(by), Progress: api.StepProgress(progress), Attempts: p.Attempts,
		State: orNil(p.State), Reason: orNil(p.Reason), Problem: orNil(p.Problem),
	}
	if p.Unavailable != "" {
		view.Problem = &p.Unavailable
	}
	if !p.NextAttemptAt.IsZero() {
		view.NextAttemptAt = new(p.NextAttemptAt.UTC())
	}
	return view
}

// orNil leaves what is not there out of an answer.
func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
