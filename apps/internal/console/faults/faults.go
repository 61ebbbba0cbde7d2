// Package faults is the API behind the page that breaks things in a running system: it arms faults in services, kills
// processes, pauses consumers, and has the card gateway misbehave.
//
// It keeps no state: armed faults live in the processes, pauses in the broker. Every request goes to an admin listener,
// which takes it only where faults are enabled.
package faults

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/internal/gateway"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

const (
	// pace is how often the picture is taken: often enough to see a process die and come back.
	pace = 400 * time.Millisecond
	// askTime is how long a process may take to answer before it is shown as one that does not.
	askTime = 2 * time.Second
)

// API answers the page.
type API struct{ system endpoints.Description }

// New makes the API of a running system. It makes no request yet.
func New(system endpoints.Description) *API { return &API{system} }

// Routes are what the page asks for.
//
//	GET    /                         the points where faults can be armed, or why nothing can be broken here
//	GET    /watch                    the Picture whenever it changes (server-sent events)
//	POST   /faults                   {"service", "fault"}: arms a fault in every process of the service
//	DELETE /faults                   disarms all, everywhere
//	DELETE /faults/{process}/{id}    disarms one
//	POST   /processes/{process}/end  SIGTERM
//	POST   /processes/{process}/kill as by SIGKILL; with {"for"} it stays away for that duration
//	PUT    /consumers/{service}      {"for"}: the broker delivers nothing to the service for that duration
//	DELETE /consumers/{service}      resumes it
//	PUT    /gateway                  sets the gateway's faults
func (a *API) Routes(router chi.Router) {
	router.Get("/", a.servePoints)
	router.Get("/watch", func(w http.ResponseWriter, r *http.Request) { httpx.Watch(w, r, pace, a.picture) })
	router.Post("/faults", a.serveArm)
	router.Delete("/faults", a.serveClear)
	router.Delete("/faults/{process}/{id}", func(w http.ResponseWriter, r *http.Request) {
		a.forward(w, r, endpoints.AdminRequest{Method: http.MethodDelete, Path: "/faults/" + chi.URLParam(r, "id")})
	})
	router.Post("/processes/{process}/end", func(w http.ResponseWriter, r *http.Request) {
		a.forward(w, r, endpoints.AdminRequest{Method: http.MethodPost, Path: "/process/end"})
	})
	router.Post("/processes/{process}/kill", a.serveKill)
	router.Put("/consumers/{service}", a.servePause)
	router.Delete("/consumers/{service}", func(w http.ResponseWriter, r *http.Request) {
		resume := endpoints.AdminRequest{Method: http.MethodDelete, Path: "/consumer/pause"}
		httpx.Done(w, r, a.first(r.Context(), chi.URLParam(r, "service"), resume))
	})
	router.Put("/gateway", a.serveGateway)
}

// Picture is all that the page shows.
type Picture struct {
	Processes []Process       `json:"processes"`
	Gateway   *gateway.Faults `json:"gateway"` // null: it does not answer
}

// Process is one of a service, with its faults.
type Process struct {
	Name      string               `json:"name"`
	Service   events.Service       `json:"service"`
	Answers   bool                 `json:"answers"`
	PID       int                  `json:"pid,omitempty"`
	Since     *time.Time           `json:"since,omitempty"` // its start
	PausedFor string               `json:"paused_for"`
	Waiting   int                  `json:"waiting"` // events that were not delivered to the service yet
	Faults    []failpoint.Armament `json:"faults"`
	Fired     []failpoint.Fired    `json:"fired"` // the newest, oldest first
}

// picture asks all processes at once: one that hangs delays none of the others.
func (a *API) picture(ctx context.Context) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var picture Picture
	for _, of := range events.Consumers {
		for _, name := range a.system.Replicas(string(of)) {
			picture.Processes = append(picture.Processes,
				Process{Name: name, Service: of, Faults: []failpoint.Armament{}, Fired: []failpoint.Fired{}})
		}
	}
	var asking sync.WaitGroup
	for i := range picture.Processes {
		asking.Go(func() { a.read(ctx, &picture.Processes[i]) })
	}
	asking.Go(func() {
		var faults gateway.Faults
		if a.get(ctx, endpoints.Gateway, "/faults", &faults) == nil {
			picture.Gateway = &faults
		}
	})
	asking.Wait()
	return picture, ctx.Err()
}

// read asks a process for its part of the picture.
func (a *API) read(ctx context.Context, p *Process) {
	for _, path := range []string{"/process", "/faults", "/faults/fired"} {
		if a.get(ctx, p.Name, path, p) != nil {
			return
		}
	}
	p.Answers = true
	_ = a.get(ctx, p.Name, "/consumer", p) // unknown while the broker is away
}

func (a *API) get(ctx context.Context, process, path string, into any) error {
	return a.system.AskAdmin(ctx, endpoints.AdminRequest{Process: process, Method: http.MethodGet, Path: path}, into)
}

func (a *API) servePoints(w http.ResponseWriter, r *http.Request) {
	httpx.Answer(w, r, map[string]any{"points": failpoint.Points()}, a.enabled(r.Context()))
}

// enabled is nil where faults are enabled. The gateway takes its faults everywhere; they are set from here only
// where the services take faults too.
func (a *API) enabled(ctx context.Context) error {
	names := a.system.Replicas(string(events.Order))
	if len(names) == 0 {
		return problem.New(http.StatusNotFound, httpx.Off)
	}
	err := a.get(ctx, names[0], "/faults", nil)
	if httpx.Status(err) == http.StatusNotFound {
		return problem.New(http.StatusNotFound, httpx.Off)
	}
	return err
}

func (a *API) serveArm(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Service events.Service     `json:"service"`
		Fault   failpoint.Armament `json:"fault"`
	}
	err := httpx.Read(w, r, &wanted)
	if err == nil {
		arm := endpoints.AdminRequest{Method: http.MethodPost, Path: "/faults", Body: wanted.Fault}
		err = a.each(r.Context(), string(wanted.Service), arm)
	}
	httpx.Done(w, r, err)
}

func (a *API) serveClear(w http.ResponseWriter, r *http.Request) {
	var failed error
	for _, of := range events.Consumers {
		err := a.each(r.Context(), string(of), endpoints.AdminRequest{Method: http.MethodDelete, Path: "/faults"})
		if err != nil {
			failed = err // the others are cleared nevertheless
		}
	}
	httpx.Done(w, r, failed)
}

// forward makes the request to the process that is named in the address.
func (a *API) forward(w http.ResponseWriter, r *http.Request, request endpoints.AdminRequest) {
	request.Process = chi.URLParam(r, "process")
	named := func(of events.Service) bool { return slices.Contains(a.system.Replicas(string(of)), request.Process) }
	if !slices.ContainsFunc(events.Consumers, named) {
		httpx.Refuse(w, r, problem.New(http.StatusNotFound, "there is no such process"))
		return
	}
	httpx.Done(w, r, a.system.AskAdmin(r.Context(), request, nil))
}

func (a *API) serveKill(w http.ResponseWriter, r *http.Request) {
	kill := endpoints.AdminRequest{Method: http.MethodPost, Path: "/process/kill"}
	if r.ContentLength != 0 {
		var wanted struct {
			For string `json:"for,omitempty"`
		}
		if err := httpx.Read(w, r, &wanted); err != nil {
			httpx.Refuse(w, r, err)
			return
		}
		if wanted.For != "" {
			kill.Body = wanted
		}
	}
	a.forward(w, r, kill)
}

func (a *API) servePause(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		For string `json:"for"`
	}
	err := httpx.Read(w, r, &wanted)
	if err == nil {
		pause := endpoints.AdminRequest{Method: http.MethodPut, Path: "/consumer/pause", Body: wanted}
		err = a.first(r.Context(), chi.URLParam(r, "service"), pause)
	}
	httpx.Done(w, r, err)
}

func (a *API) serveGateway(w http.ResponseWriter, r *http.Request) {
	var wanted gateway.Faults
	err := httpx.Read(w, r, &wanted)
	if err == nil {
		err = a.enabled(r.Context())
	}
	if err == nil {
		set := endpoints.AdminRequest{Method: http.MethodPut, Path: "/faults", Body: wanted}
		err = a.each(r.Context(), endpoints.Gateway, set)
	}
	httpx.Done(w, r, err)
}

const noService = "there is no such service; there are order, inventory, payment, shipping and notification"

// each makes the request to every process of a service.
func (a *API) each(ctx context.Context, service string, r endpoints.AdminRequest) error {
	names := a.system.Replicas(service)
	if len(names) == 0 {
		return problem.New(http.StatusUnprocessableEntity, noService)
	}
	for _, r.Process = range names {
		if err := a.system.AskAdmin(ctx, r, nil); err != nil {
			return err
		}
	}
	return nil
}

// first makes the request to the first process of a service that answers: what it asks for concerns all of them.
func (a *API) first(ctx context.Context, service string, r endpoints.AdminRequest) error {
	err := error(problem.New(http.StatusUnprocessableEntity, noService))
	if !slices.Contains(events.Consumers, events.Service(service)) {
		return err
	}
	for _, r.Process = range a.system.Replicas(service) {
		if err = a.system.AskAdmin(ctx, r, nil); err == nil {
			break
		}
	}
	return err
}
