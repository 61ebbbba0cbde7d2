//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/load"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit/poll"
	"example.com/ordersaga/tests/kit"
)

// soon is how long a saga may take that is under way when something is killed: the broker waits 5 s before it
// gives to somebody else what a dead service held, and a dead worker's lease in payment lasts 4.
const soon = 10 * time.Second

// TestChaos_SagasEndSoonAfterAKill kills everything once, one after the other and with time to recover, while
// customers order without a pause: of the sagas that meet a kill, 99 in 100 end soon.
func TestChaos_SagasEndSoonAfterAKill(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	s := kit.Start(t, supervisor.Options{})
	watch := &stopwatch{System: s, open: map[string]time.Time{}}
	closeShop := watch.openShop(ctx, t, 16)
	kit.Eventually(t, "business to be as usual", func() error { return watch.atLeast(100) })
	for _, victim := range []string{"order", "inventory", "payment", "shipping", supervisor.Gateway, supervisor.Ambassador, supervisor.NATS, supervisor.Postgres, supervisor.Provisioner} {
		watch.strike(t, victim+" is killed", func() error { return s.Kill(victim, syscall.SIGKILL) })
		kit.Must(t, s.AwaitReady(ctx))
		kit.Eventually(t, "the sagas that met it to end", watch.recovered) // before the next kill, and the load goes on
	}
	closeShop()
	s.Holds(t)
	watch.report(t)
}

// TestChaos_SagasEndSoonAfterALostVolume takes the broker's files away while customers order without a pause. All that
// was ever said is published again, and neither the sagas under way nor the next ones wait behind it.
func TestChaos_SagasEndSoonAfterALostVolume(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	s := kit.Start(t, supervisor.Options{})
	watch := &stopwatch{System: s, open: map[string]time.Time{}}
	closeShop := watch.openShop(ctx, t, 64)
	// How long 5,000 sagas take is the machine's affair: 4,389 of them have taken a minute on a busy one.
	poll.Eventually(t, 4*time.Minute, "a history to be published again", func() error { return watch.atLeast(5000) })
	closeShop()
	closeShop = watch.openShop(ctx, t, 16) // as many as leave the machine room to publish again
	kit.Eventually(t, "business to be as usual", func() error { return watch.atLeast(5200) })
	watch.strike(t, "the broker's volume is lost", func() error { return s.WipeBroker(ctx) })
	kit.Eventually(t, "everything to be published again", func() error { return watch.publishedAgain(t) })
	closeShop()
	s.Holds(t)
	watch.report(t)
}

// stopwatch times sagas from the moment they are accepted, or from the strike that they met, to their end.
type stopwatch struct {
	*kit.System

	mu      sync.Mutex
	open    map[string]time.Time // when each saga under way was accepted
	strikes []strike
	others  []time.Duration // of sagas that met none
}

// strike is something that went wrong, and how long the sagas took that met it.
type strike struct {
	what string
	at   time.Time
	took []time.Duration
}

// openShop lets so many customers order, each one order after the other, until the returned function is called.
func (w *stopwatch) openShop(ctx context.Context, t *testing.T, customers int) (closeShop func()) {
	t.Helper()
	ordering, stop := context.WithCancel(ctx)
	var shopping sync.WaitGroup
	shopping.Go(func() {
		_ = load.Closed(ordering, customers, func(context.Context, int) error { // no call returns an error
			w.time(ctx, t)
			return nil
		})
	})
	return func() { stop(); shopping.Wait() }
}

// time places an order and waits for its end.
func (w *stopwatch) time(ctx context.Context, t *testing.T) {
	t.Helper()
	id, err := w.TryPlace(ctx, client.One("widget", 1))
	if err != nil {
		t.Error(err)
		return
	}
	w.mu.Lock()
	w.open[id] = time.Now()
	w.mu.Unlock()
	if _, err := w.TryEnd(ctx, id); err != nil {
		t.Error(err)
		return
	}
	w.ended(id, time.Now())
}

func (w *stopwatch) ended(id string, ended time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	accepted := w.open[id]
	delete(w.open, id)
	for i, strike := range w.strikes { // the first one that it met is the one that it waited for
		if strike.at.After(accepted) && strike.at.Before(ended) {
			w.strikes[i].took = append(strike.took, ended.Sub(strike.at))
			return
		}
	}
	w.others = append(w.others, ended.Sub(accepted))
}

func (w *stopwatch) strike(t *testing.T, what string, do func() error) {
	t.Helper()
	w.mu.Lock()
	w.strikes = append(w.strikes, strike{what: what, at: time.Now()})
	w.mu.Unlock()
	kit.Must(t, do())
}

// recovered is nil when every saga that was accepted before the last strike has ended.
func (w *stopwatch) recovered() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, accepted := range w.open {
		if accepted.Before(w.strikes[len(w.strikes)-1].at) {
			return fmt.Errorf("%s is under way", id)
		}
	}
	return nil
}

// atLeast is nil when so many sagas have ended.
func (w *stopwatch) atLeast(sagas int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.others) < sagas {
		return fmt.Errorf("%d of %d sagas have ended", len(w.others), sagas)
	}
	return nil
}

// publishedAgain is nil when nothing is called published that was so before the last strike.
func (w *stopwatch) publishedAgain(t *testing.T) error {
	t.Helper()
	struck := w.strikes[len(w.strikes)-1].at
	for _, service := range events.Consumers {
		n := w.Count(t, string(service), `SELECT count(*)::int FROM outbox WHERE published_at < $1 OR (published_at IS NULL AND republish)`, struck)
		if n > 0 {
			return fmt.Errorf("%s has %d events to publish again", service, n)
		}
	}
	return nil
}

// report prints how long the sagas took, and is red where some took too long: those that met a strike, and those
// that came after it.
func (w *stopwatch) report(t *testing.T) {
	t.Helper()
	var met []time.Duration
	for _, strike := range w.strikes {
		slices.Sort(strike.took)
		if len(strike.took) == 0 {
			t.Fatalf("%s, and no saga met that: nothing can be said", strike.what)
		}
		t.Logf("%s: %s", strike.what, spread(strike.took))
		met = append(met, strike.took...)
	}
	judge(t, "that met one", met)
	judge(t, "that met none", w.others)
}

func judge(t *testing.T, who string, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	t.Logf("all %s: %s", who, spread(took))
	if p99 := percentile(took, 99); p99 >= soon {
		t.Errorf("p99 of those %s is %v, not below %v", who, p99, soon)
	}
}

func spread(sorted []time.Duration) string {
	return fmt.Sprintf("%d sagas ended after p50 %v, p99 %v, at most %v", len(sorted), percentile(sorted, 50), percentile(sorted, 99), percentile(sorted, 100))
}

func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)-1)*percent/100].Round(time.Millisecond)
}
