// Package orders is the API behind the page that places orders as a customer does: one by a form, or many at a rate.
package orders

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/internal/console/sagas"
	"example.com/ordersaga/apps/internal/gateway"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
	order "example.com/ordersaga/services/order/api"
)

const (
	// pace is how often a page gets the numbers of a load.
	pace = 250 * time.Millisecond
	// Bounds of a load, in orders a second and in seconds: enough to see queues grow on a laptop, and it ends soon.
	maxRate    = 200
	maxSeconds = 60
)

// API answers the page, and runs one load at a time.
type API struct {
	shop  *client.Client
	board *sagas.Board // knows when orders end

	mu      sync.Mutex
	current *load      // the one that runs, or ran last; nil before the first
	next    chan *load // holds one that is to run
}

// New makes the API. It places nothing by itself.
func New(shop *client.Client, board *sagas.Board) *API {
	return &API{shop: shop, board: board, next: make(chan *load, 1)}
}

// Routes are what the page asks for.
//
//	GET    /            the stock, and the gateway's test cards
//	POST   /orders      places one order
//	POST   /load        {"rate", "seconds", "declined"}: places orders at a rate, one load at a time
//	DELETE /load        ends it
//	GET    /load/watch  its numbers (server-sent events); null before the first
func (a *API) Routes(router chi.Router) {
	router.Get("/", a.serveChoice)
	router.Post("/orders", a.servePlace)
	router.Post("/load", a.serveLoad)
	router.Delete("/load", func(w http.ResponseWriter, r *http.Request) {
		if l := a.last(); l != nil {
			l.stop()
		}
		httpx.Done(w, r, nil)
	})
	router.Get("/load/watch", func(w http.ResponseWriter, r *http.Request) {
		httpx.Watch(w, r, pace, func(context.Context) (any, error) {
			if l := a.last(); l != nil {
				return l.numbers(), nil
			}
			return nil, nil
		})
	})
}

// Run runs the loads, one after another, until ctx ends.
func (a *API) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-a.next:
			leave := a.board.OnEnd(l.ended)
			l.run(ctx, a.shop)
			leave()
		}
	}
}

func (a *API) last() *load {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

func (a *API) serveChoice(w http.ResponseWriter, r *http.Request) {
	type card struct {
		Name     string `json:"name"`
		Sentence string `json:"sentence"`
	}
	var cards []card
	for _, token := range gateway.Tokens() {
		cards = append(cards, card{token.Name, token.Sentence})
	}
	stock, err := a.shop.Stock(r.Context())
	httpx.Answer(w, r, map[string]any{"stock": stock, "cards": cards}, err)
}

// servePlace leaves all checks to the order service: the page shows its words.
func (a *API) servePlace(w http.ResponseWriter, r *http.Request) {
	var form struct {
		Sku      string               `json:"sku"`
		Quantity int                  `json:"quantity"`
		Card     string               `json:"card"`
		Country  string               `json:"country"`
		Email    string               `json:"email"`
		Total    *order.ExpectedTotal `json:"total"`
	}
	err := httpx.Read(w, r, &form)
	var placed order.Order
	if err == nil {
		wanted := client.One(form.Sku, form.Quantity)
		wanted.Token, wanted.Country, wanted.Email, wanted.Total = form.Card, form.Country, form.Email, form.Total
		placed, _, err = a.shop.Place(r.Context(), wanted)
	}
	httpx.Answer(w, r, map[string]any{"order_id": placed.Id, "total": events.Money(placed.Total).String()}, err)
}

func (a *API) serveLoad(w http.ResponseWriter, r *http.Request) {
	var wanted Spec
	err := httpx.Read(w, r, &wanted)
	switch {
	case err != nil:
	case wanted.Rate < 1 || wanted.Rate > maxRate:
		err = problem.New(http.StatusUnprocessableEntity, "rate: from 1 to 200 orders a second")
	case wanted.Seconds < 1 || wanted.Seconds > maxSeconds:
		err = problem.New(http.StatusUnprocessableEntity, "seconds: from 1 to 60")
	case wanted.Declined < 0 || wanted.Declined > 100:
		err = problem.New(http.StatusUnprocessableEntity, "declined: from 0 to 100 of 100 cards")
	default:
		err = a.start(wanted)
	}
	httpx.Done(w, r, err)
}

func (a *API) start(wanted Spec) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current != nil && a.current.numbers().Running {
		return problem.New(http.StatusConflict, "a load is running already; it can be stopped")
	}
	a.current = newLoad(wanted)
	a.next <- a.current // there is room: the load before has ended
	return nil
}
