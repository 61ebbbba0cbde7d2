package simulator

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// Routes are what the simulator asks for in its live mode.
//
//	GET    /                        whether real orders can be led, and if not, why
//	POST   /orders                  {"ending": …}: places an order that is held at every step
//	GET    /orders/{id}/watch       what was said about it and who holds it, again whenever that changes (SSE)
//	POST   /orders/{id}/release     {"service": …, "crash": …}: lets one of them go on
//	POST   /orders/{id}/cancel      the customer cancels it
//	DELETE /orders/{id}             lets it go
func (s *Stepper) Routes(router chi.Router) {
	router.Get("/", s.serveAble)
	router.Post("/orders", s.servePlace)
	router.Get("/orders/{id}/watch", s.serveWatch)
	router.Post("/orders/{id}/release", s.serveRelease)
	router.Post("/orders/{id}/cancel", s.serveCancel)
	router.Delete("/orders/{id}", s.serveLetGo)
}

func (s *Stepper) serveAble(w http.ResponseWriter, r *http.Request) {
	_, err := s.holds(r.Context(), events.Order, "none")
	switch {
	case err == nil && len(s.processes(events.Order)) > 0:
		httpx.With(w, http.StatusOK, map[string]any{"live": true})
	case err == nil || httpx.Status(err) == http.StatusNotFound:
		httpx.With(w, http.StatusOK, map[string]any{"live": false, "why": httpx.Off})
	default:
		httpx.Refuse(w, r, err)
	}
}

func (s *Stepper) servePlace(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Ending string `json:"ending"`
	}
	if err := httpx.Read(w, r, &wanted); err != nil {
		httpx.Refuse(w, r, err)
		return
	}
	if endings[wanted.Ending] == nil {
		httpx.Refuse(w, r, problem.New(http.StatusUnprocessableEntity, "ending is one of stock, declined, address, refund, or empty"))
		return
	}
	id, err := s.place(r.Context(), wanted.Ending)
	if err != nil {
		httpx.Refuse(w, r, err)
		return
	}
	httpx.With(w, http.StatusCreated, map[string]any{"order_id": id})
}

func (s *Stepper) serveRelease(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Service events.Service `json:"service"`
		Crash   bool           `json:"crash"`
	}
	err := httpx.Read(w, r, &wanted)
	if err == nil && len(s.processes(wanted.Service)) == 0 {
		err = problem.New(http.StatusUnprocessableEntity, "service is one of order, inventory, payment, shipping")
	}
	if err == nil {
		err = s.release(r.Context(), chi.URLParam(r, "id"), wanted.Service, wanted.Crash)
	}
	httpx.Done(w, r, err)
}

func (s *Stepper) serveCancel(w http.ResponseWriter, r *http.Request) {
	id := chi.URLParam(r, "id")
	err := s.holdEverywhere(r.Context(), id, "")
	if err == nil {
		_, err = s.shop.Cancel(r.Context(), id)
	}
	httpx.Done(w, r, err)
}

func (s *Stepper) serveLetGo(w http.ResponseWriter, r *http.Request) {
	for _, one := range events.Services {
		if err := s.letGo(r.Context(), chi.URLParam(r, "id"), one); err != nil {
			httpx.Refuse(w, r, err)
			return
		}
	}
	httpx.Done(w, r, nil)
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
