package operate

import (
	"context"
	"errors"
	"sync"
	"time"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/pkg/loop"
)

const (
	// Between two checks the checker rests for minPause, or for restFactor times as long as the check took: a check
	// reads every order, and the system has other work. One that takes long may only have waited for what was under
	// way, so maxPause bounds the rest.
	minPause   = 5 * time.Second
	restFactor = 20
	maxPause   = 30 * time.Second
	// maxCheck bounds the time of one check.
	maxCheck = time.Minute
	// maxOrders bounds what a check takes from the databases. sagactl verify has no such bound.
	maxOrders = 20_000
	// maxOffenders is how many orders are named for each broken invariant: enough to begin with.
	maxOffenders = 5
)

// Invariants says whether money and stock add up, by the last check.
type Invariants struct {
	Unable   string          `json:"unable,omitempty"` // why this console cannot check: it lacks a login
	Checking bool            `json:"checking"`         // the first check is not done
	Holds    bool            `json:"holds"`
	Problem  string          `json:"problem,omitempty"` // why the last check failed; the rest is from the one before
	Broken   []verify.Result `json:"broken"`            // the invariants that do not hold
	Checked  int             `json:"checked"`           // number of invariants
	Orders   int             `json:"orders"`
	At       *time.Time      `json:"at,omitempty"`
}

// checker runs the independent checker with read-only logins while somebody asks.
type checker struct {
	system endpoints.Description
	wanted chan struct{}

	mu    sync.Mutex
	found Invariants
}

func newChecker(system endpoints.Description) *checker {
	found := Invariants{Checking: true, Broken: []verify.Result{}}
	if err := system.Complete(); err != nil {
		found.Checking, found.Unable = false, err.Error()
	}
	return &checker{system: system, wanted: make(chan struct{}, 1), found: found}
}

// last is the result of the last check. It requests another one.
func (c *checker) last() Invariants {
	loop.Wake(c.wanted)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found
}

// run checks when that is wanted, until ctx ends.
func (c *checker) run(ctx context.Context) error {
	wanted := c.wanted
	if c.found.Unable != "" {
		wanted = nil // never
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wanted:
		}
		began := time.Now()
		c.check(ctx)
		if !loop.Rest(ctx, restAfter(time.Since(began)), nil) {
			return nil
		}
	}
}

// restAfter is how long the checker rests after a check that took so long.
func restAfter(took time.Duration) time.Duration {
	return min(max(minPause, restFactor*took), maxPause)
}

// check looks at what must hold at every instant; sagactl verify also checks what must hold at rest.
func (c *checker) check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, maxCheck)
	defer cancel()
	report, err := verify.Check(ctx, c.system, verify.Options{AtMost: maxOrders})
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, verify.ErrTooMany):
		c.found.Problem = "there are more than 20,000 orders, too many for a page; bin/sagactl verify checks any number"
		return
	case err != nil:
		c.found.Problem = "a database or the gateway does not answer"
		return
	}
	now := time.Now()
	c.found = Invariants{Holds: report.Holds, Broken: []verify.Result{}, Checked: len(report.Results),
		Orders: report.Counted.Orders, At: &now}
	for _, result := range report.Results {
		if !result.Holds {
			result.Offenders = result.Offenders[:min(len(result.Offenders), maxOffenders)]
			c.found.Broken = append(c.found.Broken, result)
		}
	}
}
