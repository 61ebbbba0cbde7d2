// Package operate is where an operator works in the browser: what the services cannot go on with, what was done about
// it, how far behind they are, and whether money and stock add up.
//
// It does nothing itself. What an operator wants goes to the service whose data it is about, over its admin listener
// and with the operator's own Idempotency-Key, and is decided and recorded there; see package operate.
package operate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// Desk asks a running system for what operators want to know, and hands on what they want.
type Desk struct {
	system endpoints.Description
	books  *books
	lags   lags
}

// New makes a desk. It asks for nothing yet.
func New(system endpoints.Description) *Desk {
	return &Desk{system: system, books: newBooks(system), lags: lags{system: system}}
}

// Run checks the books when a page asks for them, until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	defer d.lags.close()
	return d.books.run(ctx)
}

// Routes are what the page of operators asks for. All things of one kind are incidents or dead-letters.
//
//	GET  /{things}?all=true                     of all services, newest first
//	GET  /{things}/{service}/{id}               one, with what was done about it and what can be
//	POST /{things}/{service}/{id}/{action}      does something about it, in the operator's words
//	GET  /books                                 whether money and stock add up, as it was checked last
//	GET  /lags                                  how far behind each process is
func (d *Desk) Routes(router chi.Router) {
	for _, k := range kinds {
		router.Get("/"+k.things, func(w http.ResponseWriter, r *http.Request) { d.list(w, r, k) })
		router.Get("/"+k.things+"/{service}/{id}", func(w http.ResponseWriter, r *http.Request) {
			d.pass(w, r, k, endpoints.AdminRequest{Method: http.MethodGet})
		})
		router.Post("/"+k.things+"/{service}/{id}/{action}", func(w http.ResponseWriter, r *http.Request) { d.act(w, r, k) })
	}
	router.Get("/books", func(w http.ResponseWriter, _ *http.Request) { httpx.With(w, http.StatusOK, d.books.ask()) })
	router.Get("/lags", func(w http.ResponseWriter, r *http.Request) { httpx.With(w, http.StatusOK, d.lags.all(r.Context())) })
}

// act hands an operator's wish on. The key is the page's: the same one again is the same action.
func (d *Desk) act(w http.ResponseWriter, r *http.Request, k kind) {
	action := chi.URLParam(r, "action")
	if !slices.Contains(k.actions, action) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "what can be done here is "+strings.Join(k.actions, " or ")))
		return
	}
	var wish json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostSaid)).Decode(&wish); err != nil {
		problem.Write(w, r, problem.New(http.StatusBadRequest, "the body is not JSON"))
		return
	}
	d.pass(w, r, k, endpoints.AdminRequest{Method: http.MethodPost, Path: "/" + action, Body: wish, Key: r.Header.Get("Idempotency-Key")})
}

// mostSaid is more than any wish takes; the service has a limit of its own.
const mostSaid = 1 << 20

// pass makes a request about the thing that is named, and answers as the service does.
func (d *Desk) pass(w http.ResponseWriter, r *http.Request, k kind, request endpoints.AdminRequest) {
	name, id := events.Service(chi.URLParam(r, "service")), chi.URLParam(r, "id")
	if _, err := uuid.Parse(id); err != nil || !slices.Contains(events.Services, name) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "there is nothing of this name"))
		return
	}
	request.Path = "/" + k.things + "/" + id + request.Path
	var said json.RawMessage
	if err := d.ask(r.Context(), name, request, &said); err != nil {
		refuse(w, r, err)
		return
	}
	httpx.With(w, http.StatusOK, said)
}

// ask makes a request to the admin listener of a service.
func (d *Desk) ask(ctx context.Context, name events.Service, request endpoints.AdminRequest, into any) error {
	request.Process = string(name)
	if d.system.Admin[request.Process] == "" {
		return errNoAdmin
	}
	return d.system.AskAdmin(ctx, request, into)
}

var errNoAdmin = errors.New("the console was not told where its admin listener is")

// words are what a page shows of an error: what a service has said, and nothing internal.
func words(err error) string {
	if said, is := errors.AsType[*endpoints.Refused](err); is {
		return said.Error()
	}
	if errors.Is(err, errNoAdmin) {
		return err.Error()
	}
	return "does not answer"
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if said, is := errors.AsType[*endpoints.Refused](err); is {
		problem.Write(w, r, problem.New(said.Status, said.Detail))
		return
	}
	problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "nothing is known to have been done: the service "+words(err)))
}
