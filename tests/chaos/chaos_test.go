//go:build chaos

package chaos

import (
	"bytes"
	"context"
	"flag"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/apps/promise"
	"example.com/ordersaga/apps/shop"
	"example.com/ordersaga/tests/world"
)

var (
	seed    = flag.Uint64("seed", 1, "which schedule")
	minutes = flag.Float64("minutes", 3, "how long the storm lasts")
	least   = flag.Int("least", 40, "how many disasters there must be")
)

const (
	customers = 8
	// rest is how long every saga may take to end when all is healed.
	rest = time.Minute
)

func TestChaos(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	dir, err := os.MkdirTemp("", "chaos-") //nolint:usetesting // the logs of a failed run must stay
	world.Must(t, err)
	world.Must(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs stay in %s", dir)
			return
		}
		world.Must(t, os.RemoveAll(dir))
	})
	s := newStorm(ctx, t, dir, *seed)
	counters := &meter{last: map[string]float64{}, totals: map[string]float64{}}
	watching, stopWatching := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { counters.watch(watching, s.Describe().URLs) })

	load := startLoad(ctx, s, *seed)
	s.rage(ctx, t, *minutes)
	orders := load.stop()
	healed := time.Now()
	for _, id := range orders {
		if _, err := s.world.TryEnd(ctx, id); err != nil {
			t.Error(err)
		}
	}
	atRest := time.Since(healed)
	if atRest > rest {
		t.Errorf("it took %v until every saga had ended, more than %v", atRest, rest)
	}
	s.world.Holds(t)
	stopWatching()
	watcher.Wait()
	s.report(t, len(orders), atRest, counters)
	s.noComplaints(t, dir)
	load.promised(t)
}

// load is customers who order without a pause.
type load struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	placed  []string
	denied  int // orders that a patient customer kept asking for, and that were never accepted
}

func startLoad(ctx context.Context, s *storm, seed uint64) *load {
	ordering, cancel := context.WithCancel(ctx)
	l := &load{cancel: cancel}
	for i := range customers {
		dice := rand.New(rand.NewPCG(seed, uint64(i+1))) //nolint:gosec // as the storm's
		l.running.Go(func() {
			for ordering.Err() == nil {
				l.order(ctx, s, dice)
			}
		})
	}
	return l
}

// stop lets the customers finish what they have begun, and says what they ordered.
func (l *load) stop() []string {
	l.cancel()
	l.running.Wait()
	return l.placed
}

// promised prints the order contract's promise beside what the customers met, and is red where it was broken.
func (l *load) promised(t *testing.T) {
	t.Helper()
	given, err := promise.OfOrders()
	world.Must(t, err)
	for _, p := range given {
		if p.Measure != promise.Availability {
			continue
		}
		kept := p.Beside(float64(len(l.placed)) / float64(max(1, len(l.placed)+l.denied)))
		t.Logf("promise: %s", kept)
		if !kept.Holds {
			t.Errorf("%d of %d orders were never accepted", l.denied, len(l.placed)+l.denied)
		}
		return
	}
	t.Error("the order contract promises no availability")
}

// order places one order of any kind, and now and then cancels it.
func (l *load) order(ctx context.Context, s *storm, dice *rand.Rand) {
	wish := shop.One([]string{"widget", "gadget", "gizmo"}[dice.IntN(3)], 1+dice.IntN(3))
	switch dice.IntN(10) {
	case 0:
		wish.Token = "tok_declined"
	case 1:
		wish.Country = "AQ"
	case 2:
		wish.Token = "tok_lost_response"
	case 3:
		wish.Token = "tok_settles_late"
	case 4:
		wish.Items[0].Sku = "unobtainium"
	}
	id, err := s.world.TryPlace(ctx, wish)
	l.mu.Lock()
	switch {
	case err == nil:
		l.placed = append(l.placed, id)
	case ctx.Err() == nil:
		l.denied++
	}
	l.mu.Unlock()
	if err != nil {
		return // it was never accepted, so nobody was promised anything
	}
	if dice.IntN(5) == 0 {
		_, _ = s.world.Shop.Cancel(ctx, id) // it may be too late, or not be heard
	}
	s.breathe(ctx, time.Duration(dice.IntN(50))*time.Millisecond)
}

// report prints what happened, and is red where a run was too kind.
func (s *storm) report(t *testing.T, sagas int, atRest time.Duration, counters *meter) {
	t.Helper()
	struck := 0
	for _, kind := range slices.Sorted(maps.Keys(s.faults)) {
		t.Logf("%4d × %s", s.faults[kind], kind)
		struck += s.faults[kind]
	}
	for _, path := range slices.Sorted(maps.Keys(rare)) {
		taken := counters.totals[rare[path]]
		t.Logf("%6.0f times %s", taken, path)
		if taken == 0 {
			t.Errorf("never was it that %s", path)
		}
	}
	for path, taken := range s.tombstonesHit(t) {
		t.Logf("%6d times %s", taken, path)
		if taken == 0 && *minutes >= 3 { // a minute may be too short for this
			t.Errorf("never was it that %s", path)
		}
	}
	if struck < *least {
		t.Errorf("%d disasters are fewer than %d", struck, *least)
	}
	t.Logf("seed %d: %d sagas, %d disasters, at rest after %v", *seed, sagas, struck, atRest.Round(time.Millisecond))
}

// tombstonesHit is how often a step came too late and found the tombstone of its undo. The inbox tells that
// it came, and the state that nothing was done.
func (s *storm) tombstonesHit(t *testing.T) map[string]int {
	t.Helper()
	const late = ` JOIN inbox i USING (order_id) WHERE i.type LIKE `
	return map[string]int{
		"a payment met shipping's fence": s.world.Count(t, "shipping",
			`SELECT count(*)::int FROM shipment s`+late+`'saga.payment.PaymentProcessed.%' AND s.state = 'FENCED'`),
		"a reservation met payment's tombstone": s.world.Count(t, "payment",
			`SELECT count(*)::int FROM payment p`+late+`'saga.inventory.InventoryReserved.%' AND p.state = 'VOIDED' AND p.charge_key IS NULL`),
		"an order met inventory's tombstone": s.world.Count(t, "inventory",
			`SELECT count(*)::int FROM reservation r`+late+`'saga.order.OrderCreated.%' AND r.lines IS NULL`),
	}
}

// noComplaints searches what the processes wrote for the worst that a program can say of itself.
func (s *storm) noComplaints(t *testing.T, dir string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "logs", "*.log"))
	world.Must(t, err)
	if len(logs) == 0 {
		t.Error("there are no logs to search")
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		world.Must(t, err)
		for _, complaint := range []string{"panic: ", "DATA RACE", "fatal error: "} {
			if n := bytes.Count(text, []byte(complaint)); n > 0 {
				t.Errorf("%s says %q %d times", log, complaint, n)
			}
		}
	}
	t.Logf("%d logs without a panic or a data race", len(logs))
}
