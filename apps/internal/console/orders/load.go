package orders

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"example.com/ordersaga/apps/system/client"
	generator "example.com/ordersaga/apps/system/load"
)

// Spec is the load that a page asks for.
type Spec struct {
	Rate     int `json:"rate"`     // orders a second
	Seconds  int `json:"seconds"`  // duration
	Declined int `json:"declined"` // of a hundred cards
}

// Numbers are how a load goes.
type Numbers struct {
	Spec
	Running   bool  `json:"running"`
	Placing   bool  `json:"placing"` // otherwise it only waits for the last orders to end
	Placed    int   `json:"placed"`
	Refused   int   `json:"refused"` // by the order service, or it did not answer
	Confirmed int   `json:"confirmed"`
	Cancelled int   `json:"cancelled"`
	Accepted  Times `json:"accepted"`
	Completed Times `json:"completed"`
}

const (
	// maxRequests bounds the requests that wait for an answer. When there are more, the next one waits, and its
	// latency counts from when it was due.
	maxRequests = 256
	// patience is how long the last orders may take to end.
	patience = 30 * time.Second
)

// load is an open loop: orders are placed at a rate, whether those before have ended or not.
type load struct {
	stopped chan struct{}
	stop    func() // places no more orders
	ends    *generator.Ends

	mu        sync.Mutex
	now       Numbers
	accepted  histogram
	completed histogram
}

func newLoad(wanted Spec) *load {
	stopped := make(chan struct{})
	return &load{
		stopped: stopped, stop: sync.OnceFunc(func() { close(stopped) }), ends: generator.NewEnds(),
		now: Numbers{Spec: wanted, Running: true, Placing: true}, accepted: newHistogram(), completed: newHistogram(),
	}
}

// run places the orders, unless it is stopped or ctx ends before, and waits for the last ones to end.
func (l *load) run(ctx context.Context, shop *client.Client) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	placing, done := context.WithCancel(ctx)
	go func() {
		select {
		case <-l.stopped:
			done()
		case <-placing.Done():
		}
	}()
	var ending sync.WaitGroup
	rate := generator.Rate{PerSecond: float64(l.now.Rate), Total: l.now.Rate * l.now.Seconds, AtOnce: maxRequests}
	_ = generator.Open(placing, rate, func(placing context.Context, due time.Time) error { // no call returns an error
		if id := l.place(placing, shop, due); id != "" {
			ending.Go(func() { l.finish(ctx, id, due) })
		}
		return nil
	})
	done()
	l.change(func(now *Numbers) { now.Placing = false })
	defer time.AfterFunc(patience, cancel).Stop()
	ending.Wait()
	l.change(func(now *Numbers) { now.Running = false })
}

// place returns the order's id, or "" when the order was refused.
func (l *load) place(ctx context.Context, shop *client.Client, due time.Time) string {
	wanted := client.One(generator.SKU(rand.Int()), 1)
	if rand.IntN(100) < l.now.Declined {
		wanted.Token = "tok_declined"
	}
	placed, _, err := shop.Place(ctx, wanted)
	took := time.Since(due)
	l.change(func(now *Numbers) {
		now.Placed++
		if err != nil {
			now.Refused++
			return
		}
		l.accepted.add(took)
	})
	return placed.Id
}

// finish waits until an order has ended, and counts it.
func (l *load) finish(ctx context.Context, id string, due time.Time) {
	end, err := l.ends.Await(ctx, id)
	if err != nil {
		return // it runs on, and counts as neither
	}
	l.change(func(now *Numbers) {
		l.completed.add(end.At.Sub(due))
		if end.Confirmed {
			now.Confirmed++
		} else {
			now.Cancelled++
		}
	})
}

// ended is called for every order that ends: maybe before its request was answered, maybe another customer's.
func (l *load) ended(order string, confirmed bool, at time.Time) {
	l.ends.Record(order, generator.End{Confirmed: confirmed, At: at})
}

func (l *load) change(do func(now *Numbers)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(&l.now)
}

func (l *load) numbers() (now Numbers) {
	l.change(func(n *Numbers) {
		now = *n
		now.Accepted, now.Completed = l.accepted.times(), l.completed.times()
	})
	return now
}
