//go:build chaos

package chaos

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

var (
	seed    = flag.Uint64("seed", 1, "which schedule")
	minutes = flag.Float64("minutes", 3, "how long the storm lasts")
	least   = flag.Int("least", 40, "how many disasters there must be")
)

func TestChaos(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	s := newStorm(ctx, t, *seed)
	counters := &meter{last: map[string]float64{}, totals: map[string]float64{}}
	watching, stopWatching := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { counters.watch(watching, s.Describe().URLs) })

	load := startCustomers(ctx, s, *seed)
	s.strikes(ctx, t, *minutes)
	orders := load.stop()
	atRest := s.comesToRest(ctx, t)
	for _, id := range orders { // each that was accepted is there, and has ended as the customer sees it
		if _, err := s.TryEnd(ctx, id); err != nil {
			t.Error(err)
		}
	}
	s.publishesAgain(ctx, t)
	s.Holds(t)
	stopWatching()
	watcher.Wait()
	s.report(t, len(orders), atRest, counters)
	s.noComplaints(t)
	load.objective(t)
}

// comesToRest waits until every saga has ended, a minute at most, and says how long that took. It asks the database:
// to ask for each of 100,000 orders takes longer than that.
func (s *storm) comesToRest(ctx context.Context, t *testing.T) time.Duration {
	t.Helper()
	healed := time.Now()
	err := kit.Until(ctx, "every saga to end", func() error {
		if under := s.Count(t, "order", `SELECT count(*) FROM orders WHERE status NOT IN ('CONFIRMED', 'CANCELLED')`); under > 0 {
			return fmt.Errorf("%d are under way", under)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return time.Since(healed)
}

// publishesAgain waits until the services have published again what the broker lost, as long as they get on with it: no
// saga waits for that, but only then the stream holds everything that was said.
func (s *storm) publishesAgain(ctx context.Context, t *testing.T) {
	t.Helper()
	left := func() (n int) {
		for _, service := range events.Consumers {
			n += s.Count(t, string(service), `SELECT count(*)::int FROM outbox WHERE published_at IS NULL`)
		}
		return n
	}
	before := left()
	t.Logf("%d events are to be published again", before)
	for before > 0 {
		err := kit.Until(ctx, "some of it to be published again", func() error {
			if now := left(); now > 0 && now >= before {
				return fmt.Errorf("%d are left", now)
			}
			return nil
		})
		kit.Must(t, err)
		before = left()
	}
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
	const late = ` JOIN inbox i ON i.key = order_id WHERE i.type LIKE `
	return map[string]int{
		"a payment met shipping's fence": s.Count(t, "shipping",
			`SELECT count(*)::int FROM shipment s`+late+`'saga.payment.PaymentProcessed.%' AND s.state = 'FENCED'`),
		"a reservation met payment's tombstone": s.Count(t, "payment",
			`SELECT count(*)::int FROM payment p`+late+`'saga.inventory.InventoryReserved.%' AND p.state = 'VOIDED' AND p.charge_key IS NULL`),
		"an order met inventory's tombstone": s.Count(t, "inventory",
			`SELECT count(*)::int FROM reservation r`+late+`'saga.order.OrderCreated.%' AND r.lines IS NULL`),
	}
}

// noComplaints searches what the processes wrote for the worst that a program can say of itself.
func (s *storm) noComplaints(t *testing.T) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.Dir, "logs", "*.log"))
	kit.Must(t, err)
	if len(logs) == 0 {
		t.Error("there are no logs to search")
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		kit.Must(t, err)
		for _, complaint := range []string{"panic: ", "DATA RACE", "fatal error: "} {
			if n := bytes.Count(text, []byte(complaint)); n > 0 {
				t.Errorf("%s says %q %d times", log, complaint, n)
			}
		}
	}
	t.Logf("%d logs without a panic or a data race", len(logs))
}
