package order

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.com/ordersaga/pkg/events"
)

const (
	// askTime bounds one question. Who reads an order would rather hear that a service is silent than wait for it.
	askTime = 500 * time.Millisecond
	// asksAtOnce bounds the connections to each service: questions about orders must not crowd out its own work.
	asksAtOnce = 16
	// freshFor is how long an answer counts for the next one who reads the order, so that clients who poll
	// do not pass their load on.
	freshFor = 500 * time.Millisecond
	// freshAtMost bounds the memory for it.
	freshAtMost = 1000
	maxPart     = 64 << 10
)

// colleagues are the other services, asked over their public APIs what they say about an order. No part of the
// saga depends on it: it goes on by events alone, and this is for people who look.
type colleagues struct {
	at     addresses
	limit  time.Duration // of one question
	client http.Client

	mu    sync.Mutex
	fresh map[string]parts // by order
}

// parts are what they all said, and when.
type parts struct {
	inventory, payment, shipping Part
	at                           time.Time
}

// addresses are where the other services are, without a slash at the end; empty: not known, and not asked.
type addresses struct{ inventory, payment, shipping string }

func addressesFrom(getenv func(string) string) (a addresses, err error) {
	for key, into := range map[string]*string{"INVENTORY_URL": &a.inventory, "PAYMENT_URL": &a.payment,
		"SHIPPING_URL": &a.shipping} {
		value := strings.TrimSuffix(getenv(key), "/")
		if at, err := url.Parse(value); value != "" && (err != nil || at.Host == "") {
			return addresses{}, fmt.Errorf("%s must be an address such as http://127.0.0.1:8080, not %q", key, value)
		}
		*into = value
	}
	return a, nil
}

func newColleagues(at addresses, limit time.Duration) *colleagues {
	return &colleagues{
		at:    at,
		limit: limit,
		fresh: map[string]parts{},
		client: http.Client{Transport: &http.Transport{MaxConnsPerHost: asksAtOnce, MaxIdleConnsPerHost: asksAtOnce,
			IdleConnTimeout: time.Minute}},
	}
}

// about asks all three at the same time, for as long as the slowest takes, within the limit.
func (c *colleagues) about(ctx context.Context, o Order) Saga {
	// A reader who leaves must not make a silence of it that the next one is told.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.limit)
	defer cancel()
	p := parts{at: time.Now()}
	var asking sync.WaitGroup
	asking.Go(func() { p.inventory = c.ask(ctx, events.Inventory, c.at.inventory, "/v1/reservations/"+o.OrderID) })
	asking.Go(func() { p.payment = c.ask(ctx, events.Payment, c.at.payment, "/v1/payments/"+o.OrderID) })
	asking.Go(func() { p.shipping = c.ask(ctx, events.Shipping, c.at.shipping, "/v1/shipments/"+o.OrderID) })
	asking.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.fresh) >= freshAtMost {
		clear(c.fresh)
	}
	c.fresh[o.OrderID] = p
	return Saga{o, p.inventory, p.payment, p.shipping}
}

// lately is what they said a moment ago, or what they say now.
func (c *colleagues) lately(ctx context.Context, o Order) Saga {
	c.mu.Lock()
	p, known := c.fresh[o.OrderID]
	c.mu.Unlock()
	if known && time.Since(p.at) < freshFor {
		return Saga{o, p.inventory, p.payment, p.shipping}
	}
	return c.about(ctx, o)
}

// ask asks one service. That it has not heard of the order is an answer.
func (c *colleagues) ask(ctx context.Context, service events.Service, address, path string) (part Part) {
	if address == "" {
		return Part{Silence: fmt.Sprintf("the order service was not told where %s is", service)}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+path, nil)
	if err != nil {
		return Part{Silence: fmt.Sprintf("%s cannot be asked", service)}
	}
	response, err := c.client.Do(request)
	if err != nil {
		return Part{Silence: fmt.Sprintf("%s cannot be reached", service)}
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusNotFound:
		return Part{}
	case http.StatusOK:
		if err := json.NewDecoder(io.LimitReader(response.Body, maxPart)).Decode(&part); err == nil {
			return part
		}
		return Part{Silence: fmt.Sprintf("the answer of %s cannot be read", service)}
	}
	return Part{Silence: fmt.Sprintf("%s cannot answer now (%d)", service, response.StatusCode)}
}
