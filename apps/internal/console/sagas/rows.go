package sagas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// Rows are what somebody has about an order in its own tables. Nobody reads across databases: each service is asked
// for its own, and the gateway for what its API shows.
type Rows struct {
	Of      string `json:"of"`
	Problem string `json:"problem,omitempty"` // why there is nothing to be seen
	*adminapi.Kept
}

// rowsTime is how long one of them may take; the others are shown without it.
const rowsTime = 2 * time.Second

// rows answers with the rows of all that can be asked. The page names the events that it knows of the order.
func rows(w http.ResponseWriter, r *http.Request, system endpoints.Description) {
	order, err := orderOf(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), rowsTime)
	defer cancel()
	all := make([]Rows, len(events.Services)+1)
	var asking sync.WaitGroup
	for i, name := range events.Services {
		query := url.Values{"order": {order}, "event": r.URL.Query()["event"]}
		asking.Go(func() { all[i] = rowsOf(ctx, system, string(name), query) })
	}
	asking.Go(func() { all[len(all)-1] = ledgerOf(ctx, system, order) })
	asking.Wait()
	httpx.With(w, http.StatusOK, map[string]any{"rows": all, "at": time.Now()})
}

func rowsOf(ctx context.Context, system endpoints.Description, name string, query url.Values) Rows {
	if system.Admin[name] == "" {
		return Rows{Of: name, Problem: "the console was not told where its admin listener is"}
	}
	var kept adminapi.Kept
	err := system.AskAdmin(ctx, endpoints.AdminRequest{Process: name, Method: http.MethodGet, Path: "/rows?" + query.Encode()}, &kept)
	if refused, is := errors.AsType[*endpoints.Refused](err); is {
		return Rows{Of: name, Problem: refused.Detail}
	}
	if err != nil {
		return Rows{Of: name, Problem: "does not answer"}
	}
	return Rows{Of: name, Kept: &kept}
}

// ledgerOf is what the gateway's ledger has of an order, over the API that every merchant uses.
func ledgerOf(ctx context.Context, system endpoints.Description, order string) Rows {
	if system.URLs[endpoints.Gateway] == "" {
		return Rows{Of: endpoints.Gateway, Problem: "the console was not told where it is"}
	}
	charges, err := chargesOf(ctx, system.URLs[endpoints.Gateway], order)
	if err != nil {
		return Rows{Of: endpoints.Gateway, Problem: "does not answer"}
	}
	book := adminapi.Rows{Table: "ledger", Rows: []json.RawMessage{}}
	for _, c := range charges {
		book.Rows = append(book.Rows, c.entry("charge"))
		for _, refund := range c.Refunds {
			book.Rows = append(book.Rows, refund.entry("refund"))
		}
	}
	return Rows{Of: endpoints.Gateway, Kept: &adminapi.Kept{Tables: []adminapi.Rows{book}}}
}

// movement is a charge or a refund at the gateway.
type movement struct {
	ID        string     `json:"id"`
	Kind      string     `json:"kind"`
	Amount    int64      `json:"amount"`
	Currency  string     `json:"currency"`
	Status    string     `json:"status"`
	CreatedAt time.Time  `json:"created_at"`
	Refunds   []movement `json:"refunds,omitempty"`
}

func (m movement) entry(kind string) json.RawMessage {
	m.Kind, m.Refunds = kind, nil
	text, _ := json.Marshal(m) // it was read from JSON
	return text
}

func chargesOf(ctx context.Context, gateway, order string) ([]movement, error) {
	address := gateway + "/v1/charges?" + url.Values{"merchant_reference": {order}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask the gateway: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the gateway: %w", err)
	}
	defer response.Body.Close()
	var found struct {
		Charges []movement `json:"charges"`
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the gateway: it answered %s", response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		return nil, fmt.Errorf("ask the gateway: %w", err)
	}
	return found.Charges, nil
}
