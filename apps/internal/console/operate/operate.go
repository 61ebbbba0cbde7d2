// Package operate is the API behind the page for operators: incidents and dead letters, how far behind the services
// are, and whether money and stock add up.
//
// It decides nothing. An action goes to the admin listener of the service whose data it is about, with the operator's
// own Idempotency-Key, and is decided and recorded there; see package adminapi.
package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/ijson"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// API answers the page for operators.
type API struct {
	system     endpoints.Description
	invariants *checker
}

// New makes the API of a running system. It makes no request yet.
func New(system endpoints.Description) *API {
	return &API{system, newChecker(system)}
}

// Run checks the invariants when a page asks for them, until ctx ends.
func (a *API) Run(ctx context.Context) error { return a.invariants.run(ctx) }

// Routes are what the page asks for. {kind} is incidents or dead-letters.
//
//	GET  /{kind}?all=true                    of all services, newest first; without all: the open ones
//	GET  /{kind}/{service}/{id}              one, with the actions taken and the actions possible
//	POST /{kind}/{service}/{id}/{action}     takes an action
//	GET  /invariants                         the last check of money and stock
//	GET  /lags                               how far behind each process is
func (a *API) Routes(router chi.Router) {
	for _, k := range kinds {
		router.Get("/"+k.path, func(w http.ResponseWriter, r *http.Request) { a.list(w, r, k) })
		router.Get("/"+k.path+"/{service}/{id}", func(w http.ResponseWriter, r *http.Request) {
			a.forward(w, r, k, endpoints.AdminRequest{Method: http.MethodGet})
		})
		router.Post("/"+k.path+"/{service}/{id}/{action}", func(w http.ResponseWriter, r *http.Request) { a.act(w, r, k) })
	}
	router.Get("/invariants", func(w http.ResponseWriter, r *http.Request) {
		httpx.Answer(w, r, a.invariants.last(), nil)
	})
	router.Get("/lags", func(w http.ResponseWriter, r *http.Request) {
		httpx.Answer(w, r, readLags(r.Context(), a.system), nil)
	})
}

// maxBody is 1 MiB: more than any action takes. The service has a limit of its own.
const maxBody = 1 << 20

// act forwards an action. The key is the page's: sent twice it is one action.
func (a *API) act(w http.ResponseWriter, r *http.Request, k kind) {
	action := chi.URLParam(r, "action")
	if !slices.Contains(k.actions, action) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "the actions here are "+strings.Join(k.actions, " and ")))
		return
	}
	var body json.RawMessage
	if err := ijson.ReadBody(w, r, maxBody, &body, "the body is not JSON"); err != nil {
		problem.Write(w, r, err)
		return
	}
	body, err := a.withOrder(r.Context(), body)
	if err != nil {
		httpx.Answer(w, r, nil, err)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	a.forward(w, r, k, endpoints.AdminRequest{Method: http.MethodPost, Path: "/" + action, Body: body, Key: key})
}

// withOrder replaces an order_id in an action by the order: a service that needs it does not have it.
func (a *API) withOrder(ctx context.Context, body json.RawMessage) (json.RawMessage, error) {
	var action map[string]any
	if err := json.Unmarshal(body, &action); err != nil || action["order_id"] == nil {
		return body, nil //nolint:nilerr // the service refuses it
	}
	shop, err := client.New(a.system)
	if err != nil {
		return nil, err
	}
	order, err := shop.Snapshot(ctx, fmt.Sprint(action["order_id"]))
	if err != nil {
		return nil, err
	}
	delete(action, "order_id")
	action["order"] = order
	return json.Marshal(action)
}

// forward makes a request about one incident or dead letter, and answers as the service does.
func (a *API) forward(w http.ResponseWriter, r *http.Request, k kind, request endpoints.AdminRequest) {
	service, id := chi.URLParam(r, "service"), chi.URLParam(r, "id")
	if _, err := uuid.Parse(id); err != nil || !slices.Contains(events.Consumers, events.Service(service)) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "there is no such service or id"))
		return
	}
	request.Process, request.Path = service, "/"+k.path+"/"+id+request.Path
	var answer json.RawMessage
	err := httpx.AskAdmin(r.Context(), a.system, request, &answer)
	httpx.Answer(w, r, answer, err)
}
