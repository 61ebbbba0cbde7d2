package sagas

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/endpoints"
	gateway "example.com/ordersaga/contracts/gateway/api"
	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// Rows are what a service, or the gateway, has stored about an order. Nothing is read across databases: each service
// answers for its own tables, and the gateway over its public API.
type Rows struct {
	Of      string `json:"of"`
	Problem string `json:"problem,omitempty"` // why there are none
	*adminapi.OrderRows
}

// rowsTime bounds the request to each of them; the others are shown without it.
const rowsTime = 2 * time.Second

// serveRows answers with the rows of all that can be asked. The page names the events that it knows of the order.
func serveRows(w http.ResponseWriter, r *http.Request, system endpoints.Description) {
	order, err := orderOf(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), rowsTime)
	defer cancel()
	query := url.Values{"order": {order}, "event": r.URL.Query()["event"]}.Encode()
	all := make([]Rows, len(events.Consumers)+1)
	var asking sync.WaitGroup
	for i, service := range events.Consumers {
		asking.Go(func() {
			var kept adminapi.OrderRows
			request := endpoints.AdminRequest{Process: string(service), Method: http.MethodGet, Path: "/rows?" + query}
			all[i] = rowsOf(string(service), &kept, httpx.AskAdmin(ctx, system, request, &kept))
		})
	}
	asking.Go(func() {
		kept, err := charges(ctx, system.URLs[endpoints.Gateway], order)
		all[len(all)-1] = rowsOf(endpoints.Gateway, kept, httpx.Explain(err))
	})
	asking.Wait()
	httpx.Answer(w, r, map[string]any{"rows": all, "at": time.Now()}, nil)
}

func rowsOf(name string, kept *adminapi.OrderRows, err error) Rows {
	if err != nil {
		return Rows{Of: name, Problem: err.Error()}
	}
	return Rows{Of: name, OrderRows: kept}
}

// charges are what the gateway has charged and refunded for an order.
func charges(ctx context.Context, address, order string) (*adminapi.OrderRows, error) {
	if address == "" {
		return nil, problem.New(http.StatusServiceUnavailable, "the console does not know its address")
	}
	client, err := gateway.NewClientWithResponses(address)
	if err != nil {
		return nil, err
	}
	answer, err := client.FindChargesWithResponse(ctx, &gateway.FindChargesParams{MerchantReference: order})
	if err != nil {
		return nil, err
	}
	if answer.JSON200 == nil {
		return nil, problem.New(answer.StatusCode(), "the gateway answers "+answer.Status())
	}
	charge := adminapi.Rows{Table: "charge", Rows: []json.RawMessage{}}
	refund := adminapi.Rows{Table: "refund", Rows: []json.RawMessage{}}
	for _, c := range answer.JSON200.Charges {
		for _, r := range c.Refunds {
			text, _ := json.Marshal(r) // it was read from JSON
			refund.Rows = append(refund.Rows, text)
		}
		c.Refunds = nil // they have their own table
		text, _ := json.Marshal(c)
		charge.Rows = append(charge.Rows, text)
	}
	return &adminapi.OrderRows{Tables: []adminapi.Rows{charge, refund}}, nil
}
