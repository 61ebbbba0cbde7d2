package simulator

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// Routes are what the simulator asks for in its live mode.
//
//	GET    /                        whether real orders can be stepped, and if not, why
//	POST   /orders                  {"ending"}: places an order that is held at every step
//	GET    /orders/{id}/watch       its events and who holds it, whenever that changes (server-sent events)
//	POST   /orders/{id}/step        {"service", "crash"}: lets a service handle what it holds
//	POST   /orders/{id}/cancel      the customer cancels it
//	DELETE /orders/{id}             releases it everywhere
func (s *Stepper) Routes(router chi.Router) {
	router.Get("/", s.serveAble)
	router.Post("/orders", s.servePlace)
	router.Get("/orders/{id}/watch", s.serveWatch)
	router.Post("/orders/{id}/step", s.serveStep)
	router.Post("/orders/{id}/cancel", func(w http.ResponseWriter, r *http.Request) {
		err := s.holdEverywhere(r.Context(), chi.URLParam(r, "id"), "")
		if err == nil {
			_, err = s.shop.Cancel(r.Context(), chi.URLParam(r, "id"))
		}
		httpx.Done(w, r, err)
	})
	router.Delete("/orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		httpx.Done(w, r, s.release(r.Context(), chi.URLParam(r, "id"), events.Services...))
	})
}

func (s *Stepper) serveAble(w http.ResponseWriter, r *http.Request) {
	_, err := s.holds(r.Context(), events.Order, "none")
	able := map[string]any{"live": true}
	if len(s.system.Replicas(string(events.Order))) == 0 || httpx.Status(err) == http.StatusNotFound {
		able, err = map[string]any{"live": false, "why": httpx.Off}, nil
	}
	httpx.Answer(w, r, able, err)
}

func (s *Stepper) servePlace(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Ending string `json:"ending"`
	}
	err := httpx.Read(w, r, &wanted)
	if _, known := endings[wanted.Ending]; err == nil && !known {
		err = problem.New(http.StatusUnprocessableEntity, "ending is one of stock, declined, address, refund, or empty")
	}
	id := ""
	if err == nil {
		id, err = s.place(r.Context(), wanted.Ending)
	}
	httpx.Answer(w, r, map[string]any{"order_id": id}, err)
}

func (s *Stepper) serveStep(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Service events.Service `json:"service"`
		Crash   bool           `json:"crash"`
	}
	err := httpx.Read(w, r, &wanted)
	if err == nil && len(s.system.Replicas(string(wanted.Service))) == 0 {
		err = problem.New(http.StatusUnprocessableEntity, "service is one of order, inventory, payment, shipping")
	}
	if err == nil {
		err = s.step(r.Context(), chi.URLParam(r, "id"), wanted.Service, wanted.Crash)
	}
	httpx.Done(w, r, err)
}

// pace is how often a watched order is looked at: faster than a hand, slower than a screen.
const pace = 150 * time.Millisecond

// picture is all there is to see of an order that is stepped.
type picture struct {
	Holding []events.Service  `json:"holding"` // the services where its next event has arrived and waits
	Events  []json.RawMessage `json:"events"`  // its published events, oldest first
}

func (s *Stepper) serveWatch(w http.ResponseWriter, r *http.Request) {
	stream, err := eventlog.Open(s.system.NATS)
	if err != nil {
		httpx.Refuse(w, r, err)
		return
	}
	defer stream.Close()
	httpx.Watch(w, r, pace, func(ctx context.Context) (any, error) {
		return s.picture(ctx, stream, chi.URLParam(r, "id"))
	})
}

func (s *Stepper) picture(ctx context.Context, stream *eventlog.Stream, id string) (picture, error) {
	seen := picture{Holding: []events.Service{}, Events: []json.RawMessage{}}
	for _, service := range events.Services {
		faults, err := s.holds(ctx, service, id)
		if err != nil {
			return picture{}, err
		}
		for _, f := range faults {
			if f.Holding > 0 {
				seen.Holding = append(seen.Holding, service)
				break
			}
		}
	}
	err := stream.History(ctx, id, func(e eventlog.Seen) error {
		seen.Events = append(seen.Events, e.Raw)
		return nil
	})
	return seen, err
}
