package order

import (
	"time"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order/api"
)

// sagaView is a saga as the outside sees it.
func sagaView(s Saga, mails []Mail, now time.Time) api.Saga {
	o := resource(s.Order)
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
		Mails:      make([]api.Mail, 0, len(mails)),
		WaitingFor: waitingView(s.waiting(now)),
	}
	switch {
	case s.Order.Status == Confirmed:
		view.State = api.SagaStateSucceeded
	case s.Order.Status == Cancelled:
		view.State, view.Direction = api.SagaStateFailed, api.SagaDirectionCompensating
	case s.undoing():
		view.State, view.Direction = api.SagaStateCompensating, api.SagaDirectionCompensating
	}
	for _, incident := range o.Incidents {
		if incident.ResolvedAt == nil {
			view.Incidents = append(view.Incidents, incident)
		}
	}
	for _, m := range mails {
		view.Mails = append(view.Mails, api.Mail{Kind: m.Kind, Attempts: m.Attempts, SentAt: utc(m.Sent),
			RefusedAt: utc(m.Refused)})
	}
	if next, more := s.next(); more {
		view.Expected = &api.Expected{Service: string(next.By)}
		for _, event := range next.Events {
			view.Expected.Events = append(view.Expected.Events, event.Type().Name)
		}
	}
	return view
}

func stepView(name string, by events.Service, progress Progress, p Part) api.Step {
	view := api.Step{
		Step: name, Service: string(by), Progress: api.StepProgress(progress), Attempts: p.Attempts,
		State: orNil(p.State), Reason: orNil(p.Reason), Problem: orNil(p.Problem),
	}
	if p.Silence != "" {
		view.Problem = &p.Silence
	}
	if !p.NextAttemptAt.IsZero() {
		view.NextAttemptAt = new(p.NextAttemptAt.UTC())
	}
	return view
}

func waitingView(w *Waiting) *api.Waiting {
	if w == nil {
		return nil
	}
	return &api.Waiting{Step: w.Step, Service: string(w.By), Since: w.Since.UTC(), Attempts: w.Attempts, Why: w.Why}
}

// orNil leaves what is not there out of an answer.
func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
