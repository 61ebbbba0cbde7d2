package orders

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/client"
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
	stop    func()   // places no more orders
	ends    sync.Map // order id → chan end of capacity 1: made by whoever comes first, the answer or the end

	mu        sync.Mutex
	now       Numbers
	accepted  histogram
	completed histogram
}

type end struct {
	confirmed bool
	at        time.Time
}

func newLoad(wanted Spec) *load {
	stopped := make(chan struct{})
	return &load{
		stopped: stopped, stop: sync.OnceFunc(func() { close(stopped) }),
		now: Numbers{Spec: wanted, Running: true, Placing: true}, accepted: newHistogram(), completed: newHistogram(),
	}
}

// run places the orders, unless it is stopped or ctx ends before, and waits for the last ones to end.
func (l *load) run(ctx context.Context, shop *client.Client) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var placing, ending errgroup.Group // their functions return no errors
	placing.SetLimit(maxRequests)
	began := time.Now()
	for n := range l.now.Rate * l.now.Seconds {
		due := began.Add(time.Duration(n) * time.Second / time.Duration(l.now.Rate))
		if !l.wait(ctx, due) {
			break
		}
		placing.Go(func() error {
			if id := l.place(context.WithoutCancel(ctx), shop, due); id != "" {
				ending.Go(func() error { l.finish(ctx, id, due); return nil })
			}
			return nil
		})
	}
	_ = placing.Wait()
	l.change(func(now *Numbers) { now.Placing = false })
	defer time.AfterFunc(patience, cancel).Stop()
	_ = ending.Wait()
	l.change(func(now *Numbers) { now.Running = false })
}

// wait waits until an order is due; false: no more orders are to be placed.
func (l *load) wait(ctx context.Context, due time.Time) bool {
	select {
	case <-time.After(time.Until(due)):
		return true
	case <-l.stopped:
	case <-ctx.Done():
	}
	return false
}

// place returns the order's id, or "" when the order was refused. Three SKUs spread the orders: with one, every order
// would wait for the lock on the same row.
func (l *load) place(ctx context.Context, shop *client.Client, due time.Time) string {
	wanted := client.One([]string{"widget", "gadget", "gizmo"}[rand.IntN(3)], 1)
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
	select {
	case e := <-l.end(id):
		l.ends.Delete(id)
		l.change(func(now *Numbers) {
			l.completed.add(e.at.Sub(due))
			if e.confirmed {
				now.Confirmed++
			} else {
				now.Cancelled++
			}
		})
	case <-ctx.Done():
	}
}

// ended is called for every order that ends: maybe before its request was answered, maybe another customer's.
func (l *load) ended(order string, confirmed bool, at time.Time) {
	select {
	case l.end(order) <- end{confirmed, at}:
	default: // it is known
	}
}

func (l *load) end(order string) chan end {
	c, _ := l.ends.LoadOrStore(order, make(chan end, 1))
	return c.(chan end)
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
