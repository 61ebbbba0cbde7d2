package ambassador

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// endpoint is one place where the gateway can be reached.
type endpoint struct {
	url     *url.URL
	sick    atomic.Bool // failed its last health check; a new one is taken for healthy
	breaker circuitbreaker.CircuitBreaker[any]
}

// A breaker opens when half of at least 20 tries within 10 s failed: enough to be sure, soon enough to spare
// an overloaded endpoint. It closes after two good tries.
const (
	breakerRate   = 0.5
	breakerTries  = 20
	breakerWindow = 10 * time.Second
	breakerProofs = 2
)

func newEndpoint(u *url.URL, breakerDelay time.Duration, log *slog.Logger) *endpoint {
	e := &endpoint{url: u}
	e.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(breakerRate, breakerTries, breakerWindow).
		WithDelay(breakerDelay).
		WithSuccessThreshold(breakerProofs).
		OnStateChanged(func(change circuitbreaker.StateChangedEvent) {
			log.Warn("breaker changed", "endpoint", u.Host, "from", change.OldState.String(), "to", change.NewState.String())
		}).
		Build()
	return e
}

// note tells the breaker how a try went. Every try that was let through must be noted: a half-open
// breaker waits for it.
func (e *endpoint) note(ctx context.Context, ok bool) {
	switch {
	case ok:
		e.breaker.RecordSuccess()
	case ctx.Err() == nil || e.breaker.IsHalfOpen():
		e.breaker.RecordFailure()
	default: // the client left, which says nothing about the endpoint
	}
}

func (e *endpoint) noteHealth(ctx context.Context, log *slog.Logger, healthy bool) {
	if ctx.Err() == nil && e.sick.Swap(!healthy) == healthy {
		log.WarnContext(ctx, "endpoint changed", "endpoint", e.url.Host, "healthy", healthy)
	}
}

// pool is all endpoints that are known now.
type pool struct {
	breakerDelay time.Duration
	log          *slog.Logger

	mu        sync.RWMutex
	endpoints []*endpoint
	next      atomic.Uint64
}

func newPool(breakerDelay time.Duration, log *slog.Logger) *pool {
	return &pool{breakerDelay: breakerDelay, log: log}
}

// set makes these the endpoints. One that was known before keeps its health and its breaker.
func (p *pool) set(urls []*url.URL) {
	p.mu.Lock()
	defer p.mu.Unlock()
	endpoints := make([]*endpoint, 0, len(urls))
	for _, u := range urls {
		known := slices.IndexFunc(p.endpoints, func(e *endpoint) bool { return *e.url == *u })
		if known >= 0 {
			endpoints = append(endpoints, p.endpoints[known])
			continue
		}
		p.log.Info("endpoint found", "endpoint", u.Host)
		endpoints = append(endpoints, newEndpoint(u, p.breakerDelay, p.log))
	}
	p.endpoints = endpoints
}

func (p *pool) all() []*endpoint {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.endpoints
}

// pick is the endpoint for the next try of a request, nil when every breaker says no. Healthy ones come
// first, among them those that the request has not tried, and whose turn it is.
func (p *pool) pick(tried []*endpoint) *endpoint {
	endpoints := slices.Clone(p.all())
	if len(endpoints) == 0 {
		return nil
	}
	turn := int(p.next.Add(1) % uint64(len(endpoints)))
	endpoints = slices.Concat(endpoints[turn:], endpoints[:turn])
	rank := func(e *endpoint) int {
		r := 0
		if e.sick.Load() {
			r += 2
		}
		if slices.Contains(tried, e) {
			r++
		}
		return r
	}
	slices.SortStableFunc(endpoints, func(a, b *endpoint) int { return rank(a) - rank(b) })
	for _, e := range endpoints {
		if e.breaker.TryAcquirePermit() {
			return e
		}
	}
	return nil
}

// each does something with every endpoint at the same time.
func (p *pool) each(ctx context.Context, do func(context.Context, *endpoint)) {
	var all sync.WaitGroup
	for _, e := range p.all() {
		all.Go(func() { do(ctx, e) })
	}
	all.Wait()
}

// reachable is whether some endpoint is healthy.
func (p *pool) reachable() bool {
	return slices.ContainsFunc(p.all(), func(e *endpoint) bool { return !e.sick.Load() })
}

// wait is when the first breaker lets a try through again.
func (p *pool) wait() time.Duration {
	wait := p.breakerDelay
	for _, e := range p.all() {
		wait = min(wait, e.breaker.RemainingDelay())
	}
	return max(wait, time.Second)
}
