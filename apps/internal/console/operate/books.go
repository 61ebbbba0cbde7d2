package operate

import (
	"context"
	"errors"
	"sync"
	"time"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/verify"
)

const (
	// between two checks of the books passes at least this, and calm times as long as a check took: a check reads
	// every order, and the system has other things to do.
	between = 5 * time.Second
	calm    = 20
	// longest bounds one check.
	longest = time.Minute
	// many orders are too many for this process: each takes some 2 kB for a moment. sagactl verify has no such bound.
	many = 20_000
)

// Books is whether money and stock add up, as it was seen last.
type Books struct {
	Able     bool            `json:"able"` // the console has the logins that it takes
	Why      string          `json:"why,omitempty"`
	Checking bool            `json:"checking"` // for the first time
	Holds    bool            `json:"holds"`
	Problem  string          `json:"problem,omitempty"` // why the last look failed; the rest is as it was before
	Broken   []verify.Result `json:"broken"`            // what does not hold
	Promises int             `json:"promises"`          // that were checked
	Orders   int             `json:"orders"`            // that were looked at
	At       *time.Time      `json:"at,omitempty"`
}

// books has the books checked by the independent checker, with logins that can only read, while somebody asks.
type books struct {
	system endpoints.Description
	wanted chan struct{}

	mu   sync.Mutex
	seen Books
}

func newBooks(system endpoints.Description) *books {
	b := &books{system: system, wanted: make(chan struct{}, 1), seen: Books{Able: true, Checking: true, Broken: []verify.Result{}}}
	if err := system.Complete(); err != nil {
		b.seen = Books{Why: err.Error(), Broken: []verify.Result{}}
	}
	return b
}

// ask is how the books were found last, and has them checked again.
func (b *books) ask() Books {
	select {
	case b.wanted <- struct{}{}:
	default: // that was asked for already
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

// run checks whenever that is wanted, until ctx ends.
func (b *books) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.wanted:
		}
		if !b.able() {
			continue
		}
		began := time.Now()
		b.check(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(between, calm*time.Since(began))):
		}
	}
}

func (b *books) able() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen.Able
}

// check looks at what must hold at every instant; what must hold at rest is for `sagactl verify`.
func (b *books) check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	report, err := verify.Check(ctx, b.system, verify.Options{AtMost: many})
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(err, verify.ErrTooMany) {
		b.seen.Problem = "there are more than 20,000 orders, which is too much for a page; bin/sagactl verify checks any number"
		return
	}
	if err != nil {
		b.seen.Problem = "the books could not be read; a database or the gateway does not answer"
		return
	}
	now := time.Now()
	found := Books{Able: true, Holds: report.Holds, Broken: []verify.Result{}, Promises: len(report.Results), Orders: report.Counted.Orders, At: &now}
	for _, result := range report.Results {
		if !result.Holds {
			result.Offenders = result.Offenders[:min(len(result.Offenders), mostOffenders)]
			found.Broken = append(found.Broken, result)
		}
	}
	b.seen = found
}

// mostOffenders is how many orders are named that break a promise: enough to begin with.
const mostOffenders = 5
