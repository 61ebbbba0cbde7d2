package charge

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/batch"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/loop"
)

// Settings are those of the calls; docs/payment.md has their variables.
type Settings struct {
	GatewayURL     string        // the ambassador's address
	GatewayTimeout time.Duration // for one request
	Concurrency    int           // calls at the same time
	// Horizon is the gateway's promise: nothing is captured later than this after a request was received.
	Horizon      time.Duration
	ChargeBudget time.Duration // how long a charge may be unknown before an incident is opened
	RefundBudget time.Duration // the same for a refund
	RetryFirst   time.Duration // the first pause before the gateway is asked once more
	RetryLimit   time.Duration // the longest
	Poll         time.Duration // how often work is looked for without a signal
}

// AttemptTime is enough for a request that moves money, a look-up, and the finish.
func (s Settings) AttemptTime() time.Duration { return 2*s.GatewayTimeout + FinishTime }

// FinishTime is what storing an answer may take.
const FinishTime = 3 * time.Second

// LeaseTime is how long a payment waits for a worker whose process has died; one that lives renews its lease while
// it works. So a lease that has ended means that nobody works on it any more. When that is wrong after all (a
// process that was stopped and goes on) the token in the finish, and the key at the gateway, are what is relied on.
const LeaseTime = 4 * time.Second

// finishAtOnce bounds how many outcomes one transaction stores.
const finishAtOnce = 128

// Wake is the signal that there is work: whoever commits some sends it, the workers wait for it.
type Wake chan struct{}

// NewWake makes a signal. It has room for one: a signal that is pending stands for all.
func NewWake() Wake { return make(Wake, 1) }

// Signal never waits.
func (w Wake) Signal() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// Transact runs a function in a transaction, after which the relay looks for events to publish.
type Transact func(context.Context, func(pgx.Tx) error) error

// Workers take payments that are due to the gateway, many at once but not more than there are slots. What
// they do with each stands in charge.go.
type Workers struct {
	Settings
	pool     *pgxpool.Pool
	tx       Transact
	gateway  *Gateway
	wake     Wake
	faults   *failpoint.Set
	log      *slog.Logger
	metrics  *metrics
	finishes *batch.Batcher[finished, bool]
	slots    chan struct{} // holds a token for each call that runs
	calls    sync.WaitGroup
}

// NewWorkers makes the workers of a process; nothing runs before [Workers.Run].
func NewWorkers(app *service.App, s Settings, tx Transact, gateway *Gateway, wake Wake) *Workers {
	w := &Workers{
		Settings: s, pool: app.Pool, tx: tx, gateway: gateway, wake: wake, faults: app.Faults, log: app.Log,
		metrics: newMetrics(app.Metrics), slots: make(chan struct{}, s.Concurrency),
	}
	w.finishes = batch.New(finishAtOnce, w.finishAll)
	return w
}

// Run claims and calls until ctx ends, and then until the calls that have begun are finished. Work is announced by
// the wake signal; the poll finds what another process left behind, and what is to be tried once more.
func (w *Workers) Run(ctx context.Context) error {
	defer w.calls.Wait()
	return loop.New("gateway calls", w.log, w.Poll, w.wake, w.runOnce)(ctx)
}

// runOnce takes payments until none is due, as many at a time as there are free slots.
func (w *Workers) runOnce(ctx context.Context) error {
	for {
		free := w.reserve(ctx)
		if free == 0 {
			return nil
		}
		claims, err := w.Claim(ctx, free)
		w.release(free - len(claims))
		if err != nil {
			return err
		}
		for _, c := range claims {
			attempt, cancel := w.attempt(ctx)
			w.calls.Go(func() {
				defer cancel()
				defer w.release(1)
				defer w.keepLease(attempt, c)()
				w.Finish(attempt, c, w.Call(attempt, c))
			})
		}
		if len(claims) < free {
			return nil
		}
	}
}

// CallNow is what the workers do with a payment, while a client waits for it. When no slot gets free in
// time it is left to them.
func (w *Workers) CallNow(ctx context.Context, c Claim) {
	attempt, cancel := w.attempt(ctx)
	defer cancel()
	defer w.keepLease(attempt, c)()
	select {
	case w.slots <- struct{}{}:
		defer w.release(1)
		w.Finish(attempt, c, w.Call(attempt, c))
	case <-attempt.Done():
	}
}

// attempt bounds an attempt from the moment of its claim, so that nothing is sent after the time that the claim
// has noted. It does not end with the process's own context: what has begun is finished, and if it cannot be, the
// lease ends and another worker asks under the same key.
func (w *Workers) attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), w.AttemptTime())
}

// keepLease renews a claim's lease until the attempt ends or the returned function is called, which waits for the end
// of that.
func (w *Workers) keepLease(attempt context.Context, c Claim) (done func()) {
	ctx, cancel := context.WithCancel(attempt)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for every := time.Tick(LeaseTime / 2); ; {
			select {
			case <-ctx.Done():
				return
			case <-every:
			}
			if err := renew(ctx, w.pool, c); err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "lease not renewed, another worker may go on", "order_id", c.OrderID, "error", err)
			}
		}
	})
	return func() { cancel(); renewing.Wait() }
}

// reserve waits for one free slot and takes all that are free; none when ctx ends.
func (w *Workers) reserve(ctx context.Context) int {
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n := 1; ; n++ {
		select {
		case w.slots <- struct{}{}:
		default:
			return n
		}
	}
}

func (w *Workers) release(n int) {
	for range n {
		<-w.slots
	}
}
