package payment

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

// finishAtOnce bounds how many answers one transaction stores.
const finishAtOnce = 128

// workers take payments that are due to the gateway, many at once but not more than there are slots. What
// they do with each stands in charge.go.
type workers struct {
	Settings
	pool     *pgxpool.Pool
	do       func(context.Context, func(pgx.Tx) error) error // a transaction, after which the relay is awake
	gateway  *gateway
	faults   *failpoint.Set
	log      *slog.Logger
	metrics  *metrics
	finishes *batch.Batcher[finished, bool]
	slots    chan struct{} // holds a token for each call that runs
	wake     chan struct{}
	calls    sync.WaitGroup
}

func newWorkers(app *service.App, s Settings, m *metrics) *workers {
	w := &workers{
		Settings: s, pool: app.Pool, gateway: newGateway(s, app.Faults), faults: app.Faults, log: app.Log, metrics: m,
		slots: make(chan struct{}, s.Concurrency), wake: make(chan struct{}, 1),
	}
	w.finishes = batch.New(finishAtOnce, w.finishAll)
	return w
}

// poke has the workers look for work at once. It never waits: a poke that is pending stands for all.
func (w *workers) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// loop runs until ctx ends, and then until the calls that have begun are finished. Work is announced by
// [workers.poke]; the poll finds what another process left behind, and what is to be tried again.
func (w *workers) loop(ctx context.Context) error {
	defer w.calls.Wait()
	return loop.New("gateway calls", w.log, w.Poll, w.wake, w.runOnce)(ctx)
}

// runOnce takes payments until none is due, as many at a time as there are free slots.
func (w *workers) runOnce(ctx context.Context) error {
	for {
		free := w.reserve(ctx)
		if free == 0 {
			return nil
		}
		claims, err := w.claim(ctx, free)
		w.release(free - len(claims))
		if err != nil {
			return err
		}
		for _, c := range claims {
			attempt, cancel := w.attempt(ctx)
			w.calls.Go(func() {
				defer cancel()
				defer w.release(1)
				defer w.keep(attempt, c)()
				w.finish(attempt, c, w.call(attempt, c))
			})
		}
		if len(claims) < free {
			return nil
		}
	}
}

// attempt bounds an attempt from the moment of its claim, so that nothing is sent after the time that the claim
// has noted. It does not end with the process's own context: what has begun is finished, and if it cannot be, the
// lease ends and somebody asks again under the same key.
func (w *workers) attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), w.attemptTime())
}

// attemptTime is enough for a request that moves money, a look-up, and the finish.
func (w *workers) attemptTime() time.Duration { return 2*w.GatewayTimeout + finishTime }

// leaseTime is how long a payment waits for a worker whose process has died; one that lives renews its lease while
// it works. So a lease that has ended means that nobody works on it any more. When that is wrong after all (a
// process that was stopped and goes on) the token in the finish, and the key at the gateway, are what is relied on.
const leaseTime = 4 * time.Second

// keep renews a claim's lease until the attempt ends or the returned function is called, which waits for the end of
// that. A lease that has ended is somebody else's to take, and is not renewed.
func (w *workers) keep(attempt context.Context, c Claim) (done func()) {
	ctx, cancel := context.WithCancel(attempt)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for every := time.Tick(leaseTime / 2); ; {
			select {
			case <-ctx.Done():
				return
			case <-every:
			}
			_, err := w.pool.Exec(ctx, `
				UPDATE payment SET lease_until = now() + $3::interval
				WHERE order_id = $1 AND lease_token = $2 AND lease_until > now()`, c.OrderID, c.Token, leaseTime)
			if err != nil && ctx.Err() == nil {
				w.log.WarnContext(ctx, "lease not renewed, another worker may go on", "order_id", c.OrderID, "error", err)
			}
		}
	})
	return func() { cancel(); renewing.Wait() }
}

// finishTime is what storing an answer may take.
const finishTime = 3 * time.Second

// reserve waits for one free slot and takes all that are free; none when ctx ends.
func (w *workers) reserve(ctx context.Context) int {
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

func (w *workers) release(n int) {
	for range n {
		<-w.slots
	}
}
