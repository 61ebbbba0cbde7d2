// Package orders places orders as a customer does: one by a form, or many at a rate.
package orders

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/internal/console/sagas"
	"example.com/ordersaga/apps/internal/gateway"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/pkg/problem"
	order "example.com/ordersaga/services/order/api"
)

// Desk takes wishes.
type Desk struct {
	shop    *client.Client
	board   *sagas.Board // hears how orders end
	closing <-chan struct{}
	loads   loads
}

// New makes a desk. Nothing is placed by it alone.
func New(customer *client.Client, board *sagas.Board, closing <-chan struct{}) *Desk {
	return &Desk{shop: customer, board: board, closing: closing}
}

// Routes are what the page asks for.
//
//	GET    /            what there is to order, and the gateway's test cards
//	POST   /orders      a wish: places one order
//	POST   /load        {"rate", "seconds", "declined"}: places orders at a rate, one load at a time
//	DELETE /load        ends it
//	GET    /load/watch  how it goes (SSE); null before the first
func (d *Desk) Routes(router chi.Router) {
	router.Get("/", d.serveShelf)
	router.Post("/orders", d.servePlace)
	router.Post("/load", d.serveLoad)
	router.Delete("/load", func(w http.ResponseWriter, r *http.Request) {
		d.loads.stop()
		httpx.Done(w, r, nil)
	})
	router.Get("/load/watch", func(w http.ResponseWriter, r *http.Request) {
		httpx.Watch(w, r, d.closing, pace, func(context.Context) (any, error) { return d.loads.picture(), nil })
	})
}

func (d *Desk) serveShelf(w http.ResponseWriter, r *http.Request) {
	stock, err := d.shop.Stock(r.Context())
	if err != nil {
		httpx.Refuse(w, r, err)
		return
	}
	type card struct {
		Name     string `json:"name"`
		Sentence string `json:"sentence"`
	}
	var cards []card
	for _, token := range gateway.Tokens() {
		cards = append(cards, card{token.Name, token.Sentence})
	}
	httpx.With(w, http.StatusOK, map[string]any{"stock": stock, "cards": cards})
}

// wish is what a form says. What is wrong with it, the order service finds out: the page shows its words.
type wish struct {
	Sku      string               `json:"sku"`
	Quantity int                  `json:"quantity"`
	Card     string               `json:"card"`
	Country  string               `json:"country"`
	Email    string               `json:"email"`
	Total    *order.ExpectedTotal `json:"total"`
}

func (d *Desk) servePlace(w http.ResponseWriter, r *http.Request) {
	var wanted wish
	if err := httpx.Read(w, r, &wanted); err != nil {
		httpx.Refuse(w, r, err)
		return
	}
	asked := client.One(wanted.Sku, wanted.Quantity)
	asked.Token, asked.Country, asked.Email, asked.Total = wanted.Card, wanted.Country, wanted.Email, wanted.Total
	placed, _, err := d.shop.Place(r.Context(), asked)
	if err != nil {
		httpx.Refuse(w, r, err)
		return
	}
	httpx.With(w, http.StatusCreated, map[string]any{"order_id": placed.Id, "total": placed.Total})
}

// Bounds of a load: enough to see queues grow on a laptop, and not so much that somebody has to be called.
const (
	mostRate    = 200
	mostSeconds = 60
)

func (d *Desk) serveLoad(w http.ResponseWriter, r *http.Request) {
	var wanted Wanted
	err := httpx.Read(w, r, &wanted)
	switch {
	case err != nil:
	case wanted.Rate < 1 || wanted.Rate > mostRate:
		err = problem.New(http.StatusUnprocessableEntity, "rate: from 1 to 200 orders a second")
	case wanted.Seconds < 1 || wanted.Seconds > mostSeconds:
		err = problem.New(http.StatusUnprocessableEntity, "seconds: from 1 to 60")
	case wanted.Declined < 0 || wanted.Declined > 100:
		err = problem.New(http.StatusUnprocessableEntity, "declined: from 0 to 100 of 100 cards")
	default:
		err = d.loads.start(wanted, d)
	}
	if errors.Is(err, errBusy) {
		err = problem.New(http.StatusConflict, "a load is running already; it can be stopped")
	}
	httpx.Done(w, r, err)
}
