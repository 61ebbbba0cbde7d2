//go:build chaos

package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/load"
	"example.com/ordersaga/apps/system/slo"
	"example.com/ordersaga/tests/kit"
)

const customerCount = 8

// customers order without a pause.
type customers struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	placed  []string
	denied  int // orders that a patient customer outcome asking for, and that were never accepted
}

func startCustomers(ctx context.Context, s *storm, seed uint64) *customers {
	ordering, cancel := context.WithCancel(ctx)
	c := &customers{cancel: cancel}
	dice := make([]*rand.Rand, customerCount)
	for i := range dice {
		dice[i] = rand.New(rand.NewPCG(seed, uint64(i+1))) //nolint:gosec // as the storm's
	}
	c.running.Go(func() {
		_ = load.Closed(ordering, customerCount, func(_ context.Context, i int) error { // no call returns an error
			c.order(ctx, s, dice[i]) // to its end, also when no more are wanted
			return nil
		})
	})
	return c
}

// stop lets the customers finish what they have begun, and says what they ordered.
func (c *customers) stop() []string {
	c.cancel()
	c.running.Wait()
	return c.placed
}

// objective checks the order contract's availability against what the customers met.
func (c *customers) objective(t *testing.T) {
	t.Helper()
	objectives, err := slo.Orders()
	kit.Must(t, err)
	for _, o := range objectives {
		if o.Measure != slo.Availability {
			continue
		}
		outcome := o.Check(float64(len(c.placed)) / float64(max(1, len(c.placed)+c.denied)))
		t.Logf("objective: %s", outcome)
		if !outcome.Met {
			t.Errorf("%d of %d orders were never accepted", c.denied, len(c.placed)+c.denied)
		}
		return
	}
	t.Error("the order contract has no objective for availability")
}

// order places one order of any kind, and now and then cancels it.
func (c *customers) order(ctx context.Context, s *storm, dice *rand.Rand) {
	placing := client.One(load.SKU(dice.IntN(3)), 1+dice.IntN(3))
	switch dice.IntN(10) {
	case 0:
		placing.Token = "tok_declined"
	case 1:
		placing.Country = "AQ"
	case 2:
		placing.Token = "tok_lost_response"
	case 3:
		placing.Token = "tok_settles_late"
	case 4:
		placing.Items[0].Sku = "unobtainium"
	}
	id, err := s.TryPlace(ctx, placing)
	c.mu.Lock()
	switch {
	case err == nil:
		c.placed = append(c.placed, id)
	case ctx.Err() == nil:
		c.denied++
	}
	c.mu.Unlock()
	if err != nil {
		return // it was never accepted, so nobody was promised anything
	}
	if dice.IntN(5) == 0 {
		_, _ = s.Shop.Cancel(ctx, id) // it may be too late, or not be heard
	}
	s.pause(ctx, time.Duration(dice.IntN(50))*time.Millisecond)
}
