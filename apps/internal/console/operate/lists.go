package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
)

// kind is a kind of work that waits for an operator.
type kind struct {
	path    string // in an address, here and at the admin listener
	member  string // of the admin listener's answer: the list
	since   string // of one: the time since when it waits
	actions []string
}

var kinds = []kind{
	{"incidents", "incidents", "opened_at", []string{"retry", "resolve"}},
	{"dead-letters", "dead_letters", "first_at", []string{"redrive", "discard"}},
}

// Item is an incident or a dead letter as its service describes it.
type Item struct {
	Service events.Service  `json:"service"`
	Details json.RawMessage `json:"details"`
	place   string          // in the list, as the service's next is
}

// Unavailable is a service that could not be asked, and why.
type Unavailable struct {
	Service events.Service `json:"service"`
	Problem string         `json:"problem"`
}

// List is what all services together have, the newest first; a page of it, and where the next one begins.
type List struct {
	Items       []Item        `json:"items"`
	Next        *string       `json:"next"`
	Unavailable []Unavailable `json:"unavailable"`
}

// pageSize is how many are shown at once.
const pageSize = 200

// askTime bounds the request to each service; a list is shown without the services that take longer.
const askTime = 2 * time.Second

func (a *API) list(w http.ResponseWriter, r *http.Request, k kind) {
	path := fmt.Sprintf("/%s?limit=%d&after=%s", k.path, pageSize+1, url.QueryEscape(r.URL.Query().Get("after")))
	if r.URL.Query().Get("all") != "true" {
		path += "&open=true"
	}
	ctx, cancel := context.WithTimeout(r.Context(), askTime)
	defer cancel()
	all := List{Unavailable: []Unavailable{}}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, service := range events.Consumers {
		asking.Go(func() {
			items, err := a.items(ctx, service, path, k)
			mu.Lock()
			defer mu.Unlock()
			all.Items = append(all.Items, items...)
			if err != nil {
				all.Unavailable = append(all.Unavailable, Unavailable{service, err.Error()})
			}
		})
	}
	asking.Wait()
	slices.SortFunc(all.Items, func(a, b Item) int { return strings.Compare(b.place, a.place) })
	all.Items, all.Next = adminapi.Cut(all.Items, pageSize, func(i Item) string { return i.place })
	httpx.Answer(w, r, all, nil)
}

// items are those of one service.
func (a *API) items(ctx context.Context, service events.Service, path string, k kind) ([]Item, error) {
	var page map[string]json.RawMessage
	request := endpoints.AdminRequest{Process: string(service), Method: http.MethodGet, Path: path}
	if err := httpx.AskAdmin(ctx, a.system, request, &page); err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(page[k.member], &list); err != nil {
		return nil, fmt.Errorf("its answer cannot be read: %w", err)
	}
	items := make([]Item, len(list))
	for i, details := range list {
		var members map[string]json.RawMessage
		var since time.Time
		var id string
		err := errors.Join(json.Unmarshal(details, &members), json.Unmarshal(members[k.since], &since),
			json.Unmarshal(members["id"], &id))
		if err != nil {
			return nil, fmt.Errorf("its answer cannot be read: %w", err)
		}
		items[i] = Item{service, details, adminapi.Cursor(since, id)}
	}
	return items, nil
}
