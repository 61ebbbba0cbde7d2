package faults

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/internal/gateway"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// pace is how often it is looked at what a page shows: often enough to see a process die and come back.
const pace = 400 * time.Millisecond

// Routes are what the page asks for.
//
//	GET    /                         the points of the code, or why nothing can be broken here
//	GET    /watch                    the Picture, again whenever it changes (SSE)
//	POST   /faults                   {"service", "fault"}: arms one in every process of the service
//	DELETE /faults                   disarms all, everywhere
//	DELETE /faults/{process}/{id}    disarms one
//	POST   /processes/{process}/kill and …/end: by SIGKILL, by SIGTERM
//	PUT    /consumers/{service}      {"for"}: the broker delivers nothing to the service for so long
//	DELETE /consumers/{service}      it goes on
//	PUT    /gateway                  how the card gateway behaves
func (b *Breaker) Routes(router chi.Router) {
	router.Get("/", b.servePoints)
	router.Get("/watch", func(w http.ResponseWriter, r *http.Request) { httpx.Watch(w, r, b.closing, pace, b.look) })
	router.Post("/faults", b.serveArm)
	router.Delete("/faults", b.serveClear)
	router.Delete("/faults/{process}/{id}", b.forward(http.MethodDelete, func(r *http.Request) string { return "/faults/" + chi.URLParam(r, "id") }))
	for _, end := range []string{"kill", "end"} {
		router.Post("/processes/{process}/"+end, b.forward(http.MethodPost, func(*http.Request) string { return "/process/" + end }))
	}
	router.Put("/consumers/{service}", b.servePause)
	router.Delete("/consumers/{service}", func(w http.ResponseWriter, r *http.Request) {
		httpx.Done(w, r, b.first(r.Context(), chi.URLParam(r, "service"), endpoints.AdminRequest{Method: http.MethodDelete, Path: "/consumer/pause"}))
	})
	router.Put("/gateway", b.serveGateway)
}

func (b *Breaker) servePoints(w http.ResponseWriter, r *http.Request) {
	if err := b.enabled(r.Context()); err != nil {
		httpx.Refuse(w, r, err)
		return
	}
	httpx.With(w, http.StatusOK, map[string]any{"points": failpoint.Points()})
}

func (b *Breaker) serveArm(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Service events.Service     `json:"service"`
		Fault   failpoint.Armament `json:"fault"`
	}
	err := httpx.Read(w, r, &wanted)
	if err == nil {
		err = b.each(r.Context(), string(wanted.Service), endpoints.AdminRequest{Method: http.MethodPost, Path: "/faults", Body: wanted.Fault})
	}
	httpx.Done(w, r, err)
}

func (b *Breaker) serveClear(w http.ResponseWriter, r *http.Request) {
	var failed error
	for _, of := range events.Services {
		if err := b.each(r.Context(), string(of), endpoints.AdminRequest{Method: http.MethodDelete, Path: "/faults"}); err != nil {
			failed = err // the others are cleared all the same
		}
	}
	httpx.Done(w, r, failed)
}

// forward asks one process, at an address that the request says.
func (b *Breaker) forward(method string, path func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		process := chi.URLParam(r, "process")
		if !slices.ContainsFunc(events.Services, func(of events.Service) bool { return slices.Contains(b.system.Replicas(string(of)), process) }) {
			httpx.Refuse(w, r, problem.New(http.StatusNotFound, "there is no such process"))
			return
		}
		httpx.Done(w, r, b.system.AskAdmin(r.Context(), endpoints.AdminRequest{Process: process, Method: method, Path: path(r)}, nil))
	}
}

func (b *Breaker) servePause(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		For string `json:"for"`
	}
	err := httpx.Read(w, r, &wanted)
	if err == nil {
		err = b.first(r.Context(), chi.URLParam(r, "service"), endpoints.AdminRequest{Method: http.MethodPut, Path: "/consumer/pause", Body: wanted})
	}
	httpx.Done(w, r, err)
}

// first asks the first process of a service that answers: what it is asked for concerns all of them.
func (b *Breaker) first(ctx context.Context, name string, r endpoints.AdminRequest) error {
	err := error(problem.New(http.StatusUnprocessableEntity, "there is no such service; there are order, inventory, payment and shipping"))
	if !slices.Contains(events.Services, events.Service(name)) {
		return err
	}
	for _, r.Process = range b.system.Replicas(name) {
		if err = b.system.AskAdmin(ctx, r, nil); err == nil {
			break
		}
	}
	return err
}

func (b *Breaker) serveGateway(w http.ResponseWriter, r *http.Request) {
	var wanted gateway.Faults
	err := httpx.Read(w, r, &wanted)
	if err == nil {
		err = b.enabled(r.Context())
	}
	if err == nil {
		err = b.each(r.Context(), endpoints.Gateway, endpoints.AdminRequest{Method: http.MethodPut, Path: "/faults", Body: wanted})
	}
	httpx.Done(w, r, err)
}
