//go:build chaos

package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/slo"
	"example.com/ordersaga/tests/kit"
)

const customers = 8

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
	given, err := slo.OfOrders()
	kit.Must(t, err)
	for _, p := range given {
		if p.Measure != slo.Availability {
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
	wish := client.One([]string{"widget", "gadget", "gizmo"}[dice.IntN(3)], 1+dice.IntN(3))
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
	id, err := s.TryPlace(ctx, wish)
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
		_, _ = s.Shop.Cancel(ctx, id) // it may be too late, or not be heard
	}
	s.breathe(ctx, time.Duration(dice.IntN(50))*time.Millisecond)
}
