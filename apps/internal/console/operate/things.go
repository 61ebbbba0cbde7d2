package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
)

// kind is a kind of things that wait for a person.
type kind struct {
	things  string // in an address
	member  string // of the answer with a list
	since   string // the member that says when a thing began to wait
	actions []string
}

var kinds = []kind{
	{"incidents", "incidents", "opened_at", []string{"retry", "resolve"}},
	{"dead-letters", "dead_letters", "first_at", []string{"redrive", "discard"}},
}

// Thing is one with the service that it belongs to, as the service tells it.
type Thing struct {
	Service events.Service  `json:"service"`
	Is      json.RawMessage `json:"is"`
	since   time.Time
}

// Silent is a service that could not be asked, and why.
type Silent struct {
	Service events.Service `json:"service"`
	Problem string         `json:"problem"`
}

// askTime is how long a service may take to say what it has; the others are shown without it.
const askTime = 2 * time.Second

// list is the things of all services. The newest come first, since they are the ones that somebody looks for.
func (d *Desk) list(w http.ResponseWriter, r *http.Request, k kind) {
	path := "/" + k.things + "?limit=500" // as many as a service shows at all
	if r.URL.Query().Get("all") != "true" {
		path += "&open=true"
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()
	found, failed := make([][]Thing, len(events.Services)), make([]error, len(events.Services))
	var asking sync.WaitGroup
	for i, name := range events.Services {
		asking.Go(func() { found[i], failed[i] = d.things(ctx, name, path, k) })
	}
	asking.Wait()
	silent := []Silent{}
	for i, err := range failed {
		if err != nil {
			silent = append(silent, Silent{events.Services[i], words(err)})
		}
	}
	all := append([]Thing{}, slices.Concat(found...)...)
	slices.SortStableFunc(all, func(a, b Thing) int { return b.since.Compare(a.since) })
	httpx.With(w, http.StatusOK, map[string]any{"things": all, "silent": silent})
}

// things are those of one service.
func (d *Desk) things(ctx context.Context, name events.Service, path string, k kind) ([]Thing, error) {
	var page map[string]json.RawMessage
	if err := d.ask(ctx, name, endpoints.AdminRequest{Method: http.MethodGet, Path: path}, &page); err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(page[k.member], &list); err != nil {
		return nil, fmt.Errorf("read the %s of %s: %w", k.things, name, err)
	}
	all := make([]Thing, len(list))
	for i, is := range list {
		var members map[string]json.RawMessage
		all[i] = Thing{Service: name, Is: is}
		if err := errors.Join(json.Unmarshal(is, &members), json.Unmarshal(members[k.since], &all[i].since)); err != nil {
			return nil, fmt.Errorf("read the %s of %s: %w", k.things, name, err)
		}
	}
	return all, nil
}
