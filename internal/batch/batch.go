// Package batch commits requests that wait together in one transaction.
package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// ErrBusy means that so many requests wait already that this one would not be answered soon: it is to be shed.
var ErrBusy = errors.New("too many requests are waiting")

const (
	// waitingBatches bounds the requests that wait: at some 10 ms a commit, a request behind 64 full batches
	// waits for more than half a second, and then an early no is the better answer.
	waitingBatches = 64
	// linger is how long a batch waits at most until it has as many requests as the one before it: about what a commit
	// costs under load, and it halves the number of commits.
	linger = 5 * time.Millisecond
	// commitTime is how long one commit may take; twice the time that one statement may.
	commitTime = 10 * time.Second
)

// Batcher commits requests that wait together: while one commit runs, the next requests gather. No request waits for a
// batch to become full, but for a moment while there is much to do (see linger). When nothing runs a request is
// committed at once and alone; the more there is to do, the larger the batches become, and the fewer commits each
// request costs.
type Batcher[Req, Res any] struct {
	limit  int
	commit func(context.Context, []Req) ([]Res, error)

	mu      sync.Mutex
	waiting []*request[Req, Res]
	working bool
	last    int           // how large the last batch was
	enough  chan struct{} // is closed when as many wait
}

type request[Req, Res any] struct {
	ctx    context.Context //nolint:containedctx // it is asked whether anybody still waits, nothing else
	req    Req
	answer chan answer[Res]
}

type answer[Res any] struct {
	res Res
	err error
}

// New makes a batcher over a function that handles up to limit requests at once and answers each, in
// their order. Its error, or its panic, becomes the error of each of them; what concerns one request alone
// belongs into that request's answer.
func New[Req, Res any](limit int, commit func(context.Context, []Req) ([]Res, error)) *Batcher[Req, Res] {
	return &Batcher[Req, Res]{limit: limit, commit: commit}
}

// Do hands one request to the batcher and waits for its answer. When ctx ends first, Do returns its error: a
// request that was not taken up yet is dropped, one that was may still be committed. It returns [ErrBusy]
// when too many requests wait.
func (g *Batcher[Req, Res]) Do(ctx context.Context, req Req) (Res, error) {
	r := &request[Req, Res]{ctx: ctx, req: req, answer: make(chan answer[Res], 1)} // nobody may be left to take the answer
	var none Res
	if err := g.join(r); err != nil {
		return none, err
	}
	select {
	case a := <-r.answer:
		return a.res, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// join queues the request, and starts the work where nobody works.
func (g *Batcher[Req, Res]) join(r *request[Req, Res]) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) >= waitingBatches*g.limit {
		return ErrBusy
	}
	g.waiting = append(g.waiting, r)
	if len(g.waiting) == g.last && g.enough != nil {
		close(g.enough)
		g.enough = nil
	}
	if !g.working {
		g.working = true
		go g.work()
	}
	return nil
}

// work commits batch after batch until no request waits.
func (g *Batcher[Req, Res]) work() {
	for batch := g.gather(); len(batch) > 0; batch = g.gather() {
		results, err := g.try(batch)
		for i, r := range batch {
			if err != nil {
				r.answer <- answer[Res]{err: err}
				continue
			}
			r.answer <- answer[Res]{res: results[i]}
		}
	}
}

// gather is the next batch. Until it is as large as the last one it waits for more, but not longer than linger.
func (g *Batcher[Req, Res]) gather() []*request[Req, Res] {
	g.mu.Lock()
	wait := len(g.waiting) > 0 && len(g.waiting) < g.last
	g.enough = make(chan struct{})
	enough := g.enough
	g.mu.Unlock()
	if wait {
		select {
		case <-time.After(linger):
		case <-enough:
		}
	}
	return g.next()
}

// next takes up to limit requests that somebody still waits for. None ends the work, under the same lock
// under which a new request would start it again.
func (g *Batcher[Req, Res]) next() []*request[Req, Res] {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch []*request[Req, Res]
	for len(g.waiting) > 0 && len(batch) < g.limit {
		r := g.waiting[0]
		g.waiting[0] = nil // the array behind the slice must not keep it alive
		g.waiting = g.waiting[1:]
		if r.ctx.Err() == nil {
			batch = append(batch, r)
		}
	}
	if g.working = len(batch) > 0; g.working {
		g.last = len(batch)
	}
	return batch
}

// try commits one batch. The requests' own contexts do not reach it: one client that hangs up must not
// roll back what the others wait for.
func (g *Batcher[Req, Res]) try(batch []*request[Req, Res]) (results []Res, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("commit a batch: panic: %v\n%s", r, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	reqs := make([]Req, len(batch))
	for i, r := range batch {
		reqs[i] = r.req
	}
	results, err = g.commit(ctx, reqs)
	if err == nil && len(results) != len(batch) {
		err = fmt.Errorf("commit a batch: %d answers to %d requests", len(results), len(batch))
	}
	return results, err
}
