package stepper

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/apps/running"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/service"
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

// off is what a system says whose faults are not enabled.
const off = "real orders can be led only where faults are enabled (make demo does that)"

func (s *Stepper) serveAble(w http.ResponseWriter, r *http.Request) {
	_, err := s.holds(r.Context(), events.Order, "none")
	switch {
	case err == nil && len(s.processes(events.Order)) > 0:
		answer(w, http.StatusOK, map[string]any{"live": true})
	case err == nil || statusOf(err) == http.StatusNotFound:
		answer(w, http.StatusOK, map[string]any{"live": false, "why": off})
	default:
		refuse(w, r, err)
	}
}

func (s *Stepper) servePlace(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Ending string `json:"ending"`
	}
	if err := read(w, r, &wanted); err != nil {
		refuse(w, r, err)
		return
	}
	if endings[wanted.Ending] == nil {
		refuse(w, r, service.Problem(http.StatusUnprocessableEntity, "ending is one of stock, declined, address, refund, or empty"))
		return
	}
	id, err := s.place(r.Context(), wanted.Ending)
	if err != nil {
		refuse(w, r, err)
		return
	}
	answer(w, http.StatusCreated, map[string]any{"order_id": id})
}

func (s *Stepper) serveRelease(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Service events.Service `json:"service"`
		Crash   bool           `json:"crash"`
	}
	err := read(w, r, &wanted)
	if err == nil && len(s.processes(wanted.Service)) == 0 {
		err = service.Problem(http.StatusUnprocessableEntity, "service is one of order, inventory, payment, shipping")
	}
	if err == nil {
		err = s.release(r.Context(), chi.URLParam(r, "id"), wanted.Service, wanted.Crash)
	}
	done(w, r, err)
}

func (s *Stepper) serveCancel(w http.ResponseWriter, r *http.Request) {
	id := chi.URLParam(r, "id")
	err := s.holdEverywhere(r.Context(), id, "")
	if err == nil {
		_, err = s.shop.Cancel(r.Context(), id)
	}
	done(w, r, err)
}

func (s *Stepper) serveLetGo(w http.ResponseWriter, r *http.Request) {
	for _, one := range events.Services {
		if err := s.letGo(r.Context(), chi.URLParam(r, "id"), one); err != nil {
			refuse(w, r, err)
			return
		}
	}
	done(w, r, nil)
}

func read(w http.ResponseWriter, r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return service.Problem(http.StatusBadRequest, "the body is not what this address takes")
	}
	return nil
}

func done(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the browser has gone
}

// refuse hands on what a service has said, and tells nothing else.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if said, is := errors.AsType[*running.Refused](err); is {
		err = service.Problem(said.Status, cmp.Or(said.Detail, off))
	}
	service.WriteProblem(w, r, err)
}

// statusOf is the status that a service has answered with; 0 when none has answered.
func statusOf(err error) int {
	if said, is := errors.AsType[*running.Refused](err); is {
		return said.Status
	}
	return 0
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
