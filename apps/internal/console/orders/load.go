package orders

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/client"
)

// Wanted is what a load is to be.
type Wanted struct {
	Rate     int `json:"rate"`     // orders a second
	Seconds  int `json:"seconds"`  // for so long
	Declined int `json:"declined"` // so many in a hundred cards are declined
}

// Picture is how a load goes.
type Picture struct {
	Wanted
	Running   bool  `json:"running"`
	Placing   bool  `json:"placing"` // otherwise only ends are waited for
	Placed    int   `json:"placed"`
	Refused   int   `json:"refused"` // by the order service, or it did not answer
	Confirmed int   `json:"confirmed"`
	Cancelled int   `json:"cancelled"`
	Accepted  Times `json:"accepted"`
	Completed Times `json:"completed"`
}

const (
	// atOnce bounds the requests that wait for an answer. When there are more, the next one waits, and its latency
	// counts from when it was due.
	atOnce = 256
	// patience is how long the last orders may take to end.
	patience = 30 * time.Second
)

// load is an open loop: orders are placed at a rate, whatever has become of those before.
type load struct {
	mu        sync.Mutex
	now       Picture
	accepted  *times
	completed *times
	due       map[string]time.Time // of orders that have not ended
	early     map[string]end       // ends that were heard before the answer, and those of other people's orders
	settled   chan struct{}        // holds a word when no order is open
}

type end struct {
	confirmed bool
	at        time.Time
}

func newLoad(wanted Wanted) *load {
	return &load{
		now: Picture{Wanted: wanted, Running: true, Placing: true}, accepted: newTimes(), completed: newTimes(),
		due: map[string]time.Time{}, early: map[string]end{}, settled: make(chan struct{}, 1),
	}
}

// run places what is wanted, unless ctx ends before, and waits for the last ones.
func (l *load) run(ctx context.Context, customer *client.Client, closing <-chan struct{}) {
	var placing errgroup.Group
	placing.SetLimit(atOnce)
	began := time.Now()
	for n := range l.now.Rate * l.now.Seconds { // the clock alone may let one more pass
		due := began.Add(time.Duration(n) * time.Second / time.Duration(l.now.Rate))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		placing.Go(func() error {
			l.place(context.WithoutCancel(ctx), customer, due)
			return nil
		})
	}
	_ = placing.Wait() // none returns an error
	l.change(func() { l.now.Placing = false; l.settle() })
	select {
	case <-l.settled:
	case <-time.After(patience):
	case <-closing:
	}
	l.change(func() { l.now.Running = false })
}

// goods spread the orders a little: with one alone, every order would wait for the same row.
var goods = []string{"widget", "gadget", "gizmo"}

func (l *load) place(ctx context.Context, customer *client.Client, due time.Time) {
	wish := client.One(goods[rand.IntN(len(goods))], 1)
	if rand.IntN(100) < l.now.Declined {
		wish.Token = "tok_declined"
	}
	placed, _, err := customer.Place(ctx, wish)
	took := time.Since(due)
	l.change(func() {
		l.now.Placed++
		if err != nil {
			l.now.Refused++
			return
		}
		l.accepted.add(took)
		l.due[placed.Id] = due
		if early, heard := l.early[placed.Id]; heard {
			delete(l.early, placed.Id)
			l.finish(placed.Id, early)
		}
	})
}

// ended is told of every order's end.
func (l *load) ended(order string, confirmed bool, at time.Time) {
	l.change(func() {
		if _, ours := l.due[order]; !ours {
			l.early[order] = end{confirmed, at}
			return
		}
		l.finish(order, end{confirmed, at})
	})
}

// finish counts an order that has ended. The lock is held.
func (l *load) finish(order string, e end) {
	l.completed.add(e.at.Sub(l.due[order]))
	delete(l.due, order)
	if e.confirmed {
		l.now.Confirmed++
	} else {
		l.now.Cancelled++
	}
	l.settle()
}

// settle tells when nothing is open any more. The lock is held.
func (l *load) settle() {
	if len(l.due) == 0 && !l.now.Placing {
		select {
		case l.settled <- struct{}{}:
		default: // it is known already
		}
	}
}

func (l *load) change(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

func (l *load) picture() Picture {
	l.mu.Lock()
	defer l.mu.Unlock()
	picture := l.now
	picture.Accepted, picture.Completed = l.accepted.picture(), l.completed.picture()
	return picture
}
