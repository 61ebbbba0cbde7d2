//go:build chaos

package chaos

import (
	"context"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/ordersaga/apps/shop"
	"example.com/ordersaga/apps/system"
	"example.com/ordersaga/tests/world"
)

// soon is how long a saga may take that is under way when something is killed: the broker waits 5 s before it
// gives to somebody else what a dead service held, and a lease in payment lasts no longer.
const soon = 10 * time.Second

// TestSagasEndSoonAfterAKill kills everything once, one after the other and with time to recover, while
// customers order without a pause: of the sagas that meet a kill, 99 in 100 end soon.
func TestSagasEndSoonAfterAKill(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	dir, err := os.MkdirTemp("", "kill-") //nolint:usetesting // Postgres runs as another user and must reach its data
	world.Must(t, err)
	world.Must(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { world.Must(t, os.RemoveAll(dir)) })
	s, err := system.Start(ctx, system.Options{Dir: dir, Bin: os.Getenv("ORDERSAGA_BIN")})
	world.Must(t, err)
	t.Cleanup(func() { world.Must(t, s.Stop(context.WithoutCancel(ctx))) })
	watch := &stopwatch{world: world.Of(t, s.Describe())}
	ordering, stop := context.WithCancel(ctx)
	var shopping sync.WaitGroup
	for range 16 {
		shopping.Go(func() {
			for ordering.Err() == nil {
				watch.time(ctx, t)
			}
		})
	}
	for _, victim := range []string{"order", "inventory", "payment", "shipping", system.Gateway, system.Ambassador, system.NATS, system.Postgres, system.Provisioner} {
		watch.kill(ctx, t, s, victim)
	}
	stop()
	shopping.Wait()
	watch.world.Holds(t)
	watch.report(t)
}

// stopwatch times sagas from the moment they are accepted, or from the kill that they met, to their end.
type stopwatch struct {
	world *world.World

	mu    sync.Mutex
	kills []time.Time
	took  []time.Duration // of sagas that met a kill
	other int
}

// time places an order and waits for its end.
func (w *stopwatch) time(ctx context.Context, t *testing.T) {
	t.Helper()
	id, err := w.world.TryPlace(ctx, shop.One("widget", 1))
	if err != nil {
		t.Error(err)
		return
	}
	accepted := time.Now()
	if _, err := w.world.TryEnd(ctx, id); err != nil {
		t.Error(err)
		return
	}
	w.ended(accepted, time.Now())
}

func (w *stopwatch) ended(accepted, ended time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kill := range slices.Backward(w.kills) {
		if kill.After(accepted) && kill.Before(ended) {
			w.took = append(w.took, ended.Sub(kill))
			return
		}
	}
	w.other++
}

// kill ends a process by SIGKILL, and waits until it is back and what it held has surely been given out again.
func (w *stopwatch) kill(ctx context.Context, t *testing.T, s *system.System, victim string) {
	t.Helper()
	w.mu.Lock()
	w.kills = append(w.kills, time.Now())
	w.mu.Unlock()
	world.Must(t, s.Kill(victim, syscall.SIGKILL))
	select {
	case <-time.After(soon / 2): // the time that a kill may be felt, during which the load goes on
	case <-ctx.Done():
	}
	world.Must(t, s.AwaitReady(ctx))
}

func (w *stopwatch) report(t *testing.T) {
	t.Helper()
	if len(w.took) < len(w.kills) {
		t.Fatalf("only %d sagas met one of %d kills: too few to say anything", len(w.took), len(w.kills))
	}
	slices.Sort(w.took)
	at := func(percent int) time.Duration { return w.took[(len(w.took)-1)*percent/100].Round(time.Millisecond) }
	t.Logf("%d sagas met one of %d kills and ended after p50 %v, p99 %v, at most %v; %d met none", len(w.took), len(w.kills), at(50), at(99), at(100), w.other)
	if at(99) >= soon {
		t.Errorf("p99 is %v, not below %v", at(99), soon)
	}
}
