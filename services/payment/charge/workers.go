package charge

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/semaphore"

	"example.com/ordersaga/internal/batch"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/loop"
)

// Settings are those of the calls.
type Settings struct {
	GatewayURL     string        // GATEWAY_URL: the ambassador's address
	GatewayTimeout time.Duration // GATEWAY_TIMEOUT: for one request
	Concurrency    int           // GATEWAY_CONCURRENCY: calls at the same time
	Horizon        time.Duration // GATEWAY_HORIZON: the gateway captures nothing later than this after a request came
	ChargeBudget   time.Duration // CHARGE_BUDGET: how long a charge may be unknown before an incident is opened
	RefundBudget   time.Duration // REFUND_BUDGET: the same for a refund
	RetryFirst     time.Duration // RETRY_FIRST: the first pause before the gateway is asked once more
	RetryLimit     time.Duration // RETRY_LIMIT: the longest
	Poll           time.Duration // POLL: how often work is looked for without a signal
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
	finishes *batch.Batcher[finished, time.Time]
	slots    *semaphore.Weighted // one for each call at the same time
	calls    sync.WaitGroup
}

// NewWorkers makes the workers of a process; nothing runs before [Workers.Run].
func NewWorkers(app *service.App, s Settings, tx Transact, gateway *Gateway, wake Wake) *Workers {
	w := &Workers{
		Settings: s, pool: app.Pool, tx: tx, gateway: gateway, wake: wake, faults: app.Faults, log: app.Log,
		metrics: newMetrics(app.Metrics), slots: semaphore.NewWeighted(int64(s.Concurrency)),
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
		if err := w.slots.Acquire(ctx, 1); err != nil {
			return fmt.Errorf("wait for a slot: %w", err) // the process ends
		}
		free := 1
		for w.slots.TryAcquire(1) {
			free++
		}
		claims, err := w.Claim(ctx, free)
		w.slots.Release(int64(free - len(claims)))
		if err != nil {
			return err
		}
		for _, c := range claims {
			attempt, cancel := w.attempt(ctx)
			w.calls.Go(func() {
				defer cancel()
				defer w.slots.Release(1)
				defer w.keepLease(attempt, c)()
				w.work(attempt, c)
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
	if w.slots.Acquire(attempt, 1) == nil {
		defer w.slots.Release(1)
		w.work(attempt, c)
	}
}

// work calls the gateway, and stores what came of it.
func (w *Workers) work(ctx context.Context, c Claim) {
	ctx, span := tracing.Below(ctx, c.Cause.TraceParent, c.name(), trace.WithTimestamp(c.Began),
		trace.WithAttributes(tracing.OrderID.String(c.OrderID), tracing.Work))
	if c.Attempts > 1 {
		span.SetAttributes(tracing.Attempt.Int(c.Attempts), tracing.TakenOver.Bool(c.TakenOver))
	}
	tracing.End(span, w.Finish(ctx, c, w.Call(ctx, c)), nil)
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

// metrics count what happened. The rare paths are counted one by one, so that a test can see that they
// were taken.
type metrics struct {
	calls     *prometheus.HistogramVec
	takenOver prometheus.Counter
	dropped   prometheus.Counter
	resolved  *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	add := promauto.With(registerer)
	return &metrics{
		calls: add.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "payment", Name: "gateway_call_seconds",
			Help:    "Attempts at the gateway, by what was wanted and what came of it.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 13), // 2 ms to 8 s, beyond the timeout
		}, []string{"state", "verdict"}),
		takenOver: add.NewCounter(prometheus.CounterOpts{
			Namespace: "payment", Name: "leases_taken_over_total", Help: "Payments claimed whose last worker never finished.",
		}),
		dropped: add.NewCounter(prometheus.CounterOpts{
			Namespace: "payment", Name: "answers_dropped_total",
			Help: "Answers dropped because another worker went on in the meantime.",
		}),
		resolved: add.NewCounterVec(prometheus.CounterOpts{
			Namespace: "payment", Name: "unknown_resolved_total",
			Help: "Charges that were unknown and became definite, by the way it was found out.",
		}, []string{"by"}),
	}
}
