// Package sagaview shows how far the saga of an order is: what the order service knows, and what the other services
// answer when they are asked over their public APIs. No part of the saga depends on it: it goes on by events alone,
// and this is for people who look (docs/adr/0012-reads-ask-the-services.md).
package sagaview

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
	"example.com/ordersaga/services/order/api"
)

const (
	// Timeout bounds one request. A reader of an order is better served by "cannot be reached" than by waiting.
	Timeout = 500 * time.Millisecond
	// maxRequests bounds the connections to each service: reading orders must not crowd out its own work.
	maxRequests = 16
	// cacheTime is how long an answer counts for the next reader of the order, so that clients that poll do not pass
	// their load on.
	cacheTime = 500 * time.Millisecond
	// maxCached bounds the memory for it: some 500 KB.
	maxCached = 1000
	// maxAnswer is many times the size of any answer: 1 to 2 KB.
	maxAnswer = 64 << 10
)

// Addresses are where the other services are, without a slash at the end; empty: not configured, and not asked.
type Addresses struct{ Inventory, Payment, Shipping string }

// AddressesFromEnv reads INVENTORY_URL, PAYMENT_URL and SHIPPING_URL.
func AddressesFromEnv(getenv func(string) string) (a Addresses, err error) {
	for key, into := range map[string]*string{
		"INVENTORY_URL": &a.Inventory, "PAYMENT_URL": &a.Payment, "SHIPPING_URL": &a.Shipping,
	} {
		value := strings.TrimSuffix(getenv(key), "/")
		if at, err := url.Parse(value); value != "" && (err != nil || at.Host == "") {
			return Addresses{}, fmt.Errorf("%s must be an address such as http://127.0.0.1:8080, not %q", key, value)
		}
		*into = value
	}
	return a, nil
}

// Clients asks the other services.
type Clients struct {
	at      Addresses
	timeout time.Duration // of one request
	client  http.Client

	mu     sync.Mutex
	cached map[string]answers // by order
}

// answers are those of all services, and when they came.
type answers struct {
	inventory, payment, shipping ServiceStatus
	at                           time.Time
}

// NewClients makes clients of the services at these addresses. The timeout is that of one request; see [Timeout].
func NewClients(at Addresses, timeout time.Duration) *Clients {
	return &Clients{
		at:      at,
		timeout: timeout,
		cached:  map[string]answers{},
		client: http.Client{Transport: &http.Transport{
			MaxConnsPerHost: maxRequests, MaxIdleConnsPerHost: maxRequests, IdleConnTimeout: time.Minute,
		}},
	}
}

// Saga asks all services at the same time, for as long as the slowest takes, within the timeout.
func (c *Clients) Saga(ctx context.Context, o api.Order) Saga {
	// A cancelled request must not be cached as "service unavailable".
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	defer cancel()
	a := answers{at: time.Now()}
	var asking sync.WaitGroup
	asking.Go(func() { a.inventory = c.fetch(ctx, events.Inventory, c.at.Inventory, "/v1/reservations/"+o.Id) })
	asking.Go(func() { a.payment = c.fetch(ctx, events.Payment, c.at.Payment, "/v1/payments/"+o.Id) })
	asking.Go(func() { a.shipping = c.fetch(ctx, events.Shipping, c.at.Shipping, "/v1/shipments/"+o.Id) })
	asking.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cached) >= maxCached {
		clear(c.cached)
	}
	c.cached[o.Id] = a
	return Saga{o, a.inventory, a.payment, a.shipping}
}

// Waiting is what an order waits for; nil while it is younger than [waitingAfter] or has ended. It asks the services
// unless their answers are cached.
func (c *Clients) Waiting(ctx context.Context, o api.Order) *api.Waiting {
	now := time.Now() // a clock that differs from the database's only moves the moment from which the reason is shown
	if ended(o) || now.Sub(o.CreatedAt) < waitingAfter {
		return nil
	}
	c.mu.Lock()
	a, known := c.cached[o.Id]
	c.mu.Unlock()
	if known && time.Since(a.at) < cacheTime {
		return Saga{o, a.inventory, a.payment, a.shipping}.waiting(now)
	}
	return c.Saga(ctx, o).waiting(now)
}

// fetch asks one service. That it does not know the order is an answer.
func (c *Clients) fetch(ctx context.Context, service events.Service, address, path string) (s ServiceStatus) {
	if address == "" {
		return ServiceStatus{Unavailable: fmt.Sprintf("the address of %s is not configured", service)}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+path, nil)
	if err != nil {
		return ServiceStatus{Unavailable: fmt.Sprintf("%s cannot be asked", service)}
	}
	response, err := c.client.Do(request)
	if err != nil {
		return ServiceStatus{Unavailable: fmt.Sprintf("%s cannot be reached", service)}
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusNotFound:
		return ServiceStatus{}
	case http.StatusOK:
		if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&s); err == nil {
			return s
		}
		return ServiceStatus{Unavailable: fmt.Sprintf("the answer of %s cannot be read", service)}
	}
	return ServiceStatus{Unavailable: fmt.Sprintf("%s cannot answer now (%d)", service, response.StatusCode)}
}
