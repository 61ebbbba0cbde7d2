package notification

import (
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

func TestClaim_ManyAtOnceEachGetAnother(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	ordered(t, pool, ada, ada, ada, ada)
	claimed := make(chan *Mail, 8)
	var all errgroup.Group
	for range cap(claimed) {
		all.Go(func() error {
			m, err := claimMail(t.Context(), pool, time.Minute)
			claimed <- m
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	close(claimed)
	orders := map[string]int{}
	for m := range claimed {
		if m != nil {
			orders[m.OrderID]++
		}
	}
	for id, n := range orders {
		same(t, "claims of "+id, n, 1)
	}
	runOnce(t, process(pool, "127.0.0.1:1")) // nothing is left
	if m, err := claimMail(t.Context(), pool, time.Minute); m != nil || err != nil {
		t.Errorf("a mail was claimed while its lease lasts: %v, %v", m, err)
	}
}

func TestMark_WhoHasLostTheLeaseMarksOnlyThatItIsSent(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	ordered(t, pool, ada)
	claim := func() Mail {
		due(t, pool)
		m, err := claimMail(t.Context(), pool, time.Minute)
		if err != nil || m == nil {
			t.Fatal(m, err)
		}
		return *m
	}
	mark := func(m Mail, state State, problem error) {
		if err := markMail(t.Context(), pool, m, state, problem); err != nil {
			t.Fatal(err)
		}
	}
	first := claim()
	second := claim()
	mark(first, Refused, errLost)
	same(t, "after the first one's no", states(t, pool), []string{"WAITING, 2 attempts, 0 unanswered"})
	mark(first, Sent, nil)
	mark(second, Refused, errLost)
	same(t, "after the first one's yes", states(t, pool), []string{"SENT, 2 attempts, 0 unanswered"})
}
