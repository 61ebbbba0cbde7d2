package payment

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/charge"
)

// claimOne claims the only payment that is due.
func (s *shop) claimOne() charge.Claim {
	s.t.Helper()
	claims, err := s.workers.Claim(s.t.Context(), 10)
	if err != nil || len(claims) != 1 {
		s.t.Fatalf("claimed %+v, %v", claims, err)
	}
	return claims[0]
}

// expireLeases does what time does to the leases of workers that are gone.
func (s *shop) expireLeases() {
	s.t.Helper()
	execute(s.t, s.db.Pool, `UPDATE payment SET lease_until = now() - interval '1 ms', next_attempt_at = now() WHERE lease_token IS NOT NULL`)
}

// stores reports whether an answer was stored; false means that it was dropped.
func (s *shop) stores(c charge.Claim, o charge.Outcome) bool {
	s.t.Helper()
	before := s.metric("payment_answers_dropped_total")
	s.workers.Finish(s.t.Context(), c, o)
	return s.metric("payment_answers_dropped_total") == before
}

func TestClaim_IsNobodyElsesUntilItsLeaseEnds(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.handle(reserved(newID(t), "tok_visa"))
	first := s.claimOne()
	if claims, err := s.workers.Claim(t.Context(), 10); err != nil || len(claims) != 0 {
		t.Fatalf("claimed twice: %+v, %v", claims, err)
	}
	s.expireLeases()
	second := s.claimOne()
	if first.OrderID != second.OrderID || first.Token == second.Token {
		t.Errorf("%+v then %+v", first, second)
	}
	if taken := s.metric("payment_leases_taken_over_total"); taken != 1 || first.TakenOver || !second.TakenOver {
		t.Errorf("%v leases taken over, %v, %v", taken, first.TakenOver, second.TakenOver)
	}
}

// A call may last longer than a lease. While its worker lives nobody else takes the payment; and a lease that has ended
// is not brought back to life.
func TestLease_IsRenewedWhileItsWorkerWorks(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.GatewayTimeout = 30 * time.Second })
	asked, answer := make(chan struct{}), make(chan struct{})
	defer close(answer)
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		close(asked)
		<-answer
		pass(w, r)
	})
	id := newID(t)
	begun := time.Now()
	s.work()
	s.handle(reserved(id, "tok_visa"))
	<-asked
	renewed := func() bool {
		return count(t, s.db.Pool, `SELECT count(*) FROM payment WHERE order_id = $1 AND lease_until > $2`, id, begun.Add(charge.LeaseTime+time.Second)) == 1
	}
	testkit.Eventually(t, 20*time.Second, "the lease to be renewed", renewed)
	execute(t, s.db.Pool, `UPDATE payment SET lease_until = now() - interval '1 ms', next_attempt_at = now() + interval '1 hour'`)
	testkit.Always(t, charge.LeaseTime, "the lease is ended", func() bool { return !renewed() })
}

// A worker sleeps longer than its lease: somebody else asks, under the same key, and finishes. The sleeper's
// answer must change nothing.
func TestLease_TheAnswerOfAWorkerWhoseLeaseEndedIsDropped(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	sleeper := s.claimOne()
	answer := s.workers.Call(t.Context(), sleeper)
	s.expireLeases()
	successor := s.claimOne()

	if s.stores(sleeper, charge.Outcome{Decision: charge.No, Reason: "card_declined"}) {
		t.Error("an answer was stored under a lease that had ended")
	}
	if !s.stores(successor, s.workers.Call(t.Context(), successor)) {
		t.Error("the successor's answer was dropped")
	}
	if s.stores(sleeper, answer) {
		t.Error("an answer was stored twice")
	}
	if dropped := s.metric("payment_answers_dropped_total"); dropped != 2 {
		t.Errorf("%v answers were counted as dropped", dropped)
	}
	if published := s.published(id); s.state(id) != charge.Captured || !slices.Equal(published, []string{"PaymentProcessed"}) {
		t.Errorf("%s, published %v", s.state(id), published)
	}
	if charges, _ := s.gate.moved(t, id); charges != 1 {
		t.Errorf("%d charges", charges)
	}
	s.checkLedgers()
}

// The same with a refund: both send it, and the gateway knows the second by its key. Under another key it would
// refuse it, since nothing is left to refund, and an incident would be opened for a refund that was made.
func TestRefund_ThatTwoWorkersSendIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	first := s.claimOne()
	s.stores(first, s.workers.Call(t.Context(), first))
	s.handle(cancelled(id))
	sleeper := s.claimOne()
	if answer := s.workers.Call(t.Context(), sleeper); answer.Decision != charge.Yes {
		t.Fatalf("%+v", answer)
	}
	s.expireLeases()
	successor := s.claimOne()
	if !s.stores(successor, s.workers.Call(t.Context(), successor)) || s.state(id) != charge.Refunded {
		t.Errorf("%s", s.state(id))
	}
	charges, refunds := s.gate.moved(t, id)
	t.Logf("measured: %d refunds of one charge", refunds)
	if charges != 1 || refunds != 1 || len(s.openIncidents(id)) != 0 {
		t.Errorf("%d charges, %d refunds, open %v", charges, refunds, s.openIncidents(id))
	}
	s.checkLedgers()
}

// An operator raises the refund's number while a worker still waits for the answer to the old one.
func TestRefund_AnAnswerCountsForItsOwnNumberOnly(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.put(charge.Refunding)
	claim := s.claimOne()
	execute(t, s.db.Pool, `UPDATE payment SET refund_number = 2 WHERE order_id = $1`, id)
	if s.stores(claim, charge.Outcome{Decision: charge.No, Reason: "refund_refused"}) || s.state(id) != charge.Refunding {
		t.Errorf("the refusal of number 1 was taken for number 2: %s", s.state(id))
	}
}

func TestFinish_OneAnswerThatCannotBeStoredDoesNotTakeTheOthersAlong(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	good, bad := newID(t), newID(t)
	s.handle(reserved(good, "tok_visa"), reserved(bad, "tok_visa"))
	claims, err := s.workers.Claim(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	// A charge that the ledger shows already: the gateway would have answered two orders with one charge.
	execute(t, s.db.Pool, `
		WITH p AS (SELECT gen_random_uuid() AS id)
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		SELECT id, account, amount, 'USD', 'x', 'ch_taken', 'charge' FROM p, (VALUES ('gateway', 1), ('customers', -1)) AS side (account, amount)`)
	var wg sync.WaitGroup
	for _, c := range claims {
		wg.Go(func() {
			answer := s.workers.Call(t.Context(), c)
			if c.OrderID == bad {
				answer.ID = "ch_taken"
			}
			s.workers.Finish(t.Context(), c, answer)
		})
	}
	wg.Wait()
	if s.state(good) != charge.Captured || s.state(bad) != charge.Intent {
		t.Errorf("good %s, bad %s", s.state(good), s.state(bad))
	}
	s.expireLeases()
	s.work()
	s.becomes(bad, charge.Captured)
}

func TestWorkers_OfTwoProcessesShareTheWork(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	other := openShop(t, s.db, s.gate, s.settings)
	var orders []string
	var list []events.Event
	for range 300 {
		orders = append(orders, newID(t))
		list = append(list, reserved(orders[len(orders)-1], "tok_visa"))
	}
	s.work()
	other.work()
	for batch := range slices.Chunk(list, 50) {
		s.handle(batch...)
		other.wake.Signal()
	}
	testkit.Eventually(t, 20*time.Second, "all to be captured", func() bool {
		return count(t, s.db.Pool, `SELECT count(*) FROM payment WHERE state = 'CAPTURED'`) == len(orders)
	})
	for _, id := range orders {
		if published := s.published(id); !slices.Equal(published, []string{"PaymentProcessed"}) {
			t.Errorf("published %v", published)
		}
	}
	if n := s.gate.wire.seen.Load(); n != int64(len(orders)) {
		t.Errorf("%d calls for %d charges", n, len(orders))
	}
	s.checkLedgers()
}

func TestWorkers_CallAtTheSameTimeButNotMoreThanThereAreSlots(t *testing.T) {
	t.Parallel()
	const slots = 4
	s := newShop(t, func(s *Settings) { s.Concurrency = slots; s.GatewayTimeout = 10 * time.Second })
	var inside, most atomic.Int64
	full := make(chan struct{})
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		if n == slots {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		select {
		case <-full: // everybody waits until all slots are in use
		case <-r.Context().Done():
		}
		pass(w, r)
	})
	s.work()
	var orders []string
	for range 5 * slots {
		orders = append(orders, newID(t))
		s.handle(reserved(orders[len(orders)-1], "tok_visa"))
	}
	for _, id := range orders {
		s.becomes(id, charge.Captured)
	}
	if most.Load() != slots {
		t.Errorf("%d calls at the same time, %d slots", most.Load(), slots)
	}
}

// No connection may be busy with a transaction while the gateway is being asked: a hundred hanging calls would
// otherwise hold all of them. A poll's own transaction may be open for a moment; one around the call stays open until the
// gateway answers, which it does only afterwards.
func TestCall_NoTransactionIsOpenMeanwhile(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.GatewayTimeout = 10 * time.Second })
	asked, answer := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(answer) })
	defer release()
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		close(asked)
		<-answer
		pass(w, r)
	})
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	<-asked
	testkit.Eventually(t, 3*time.Second, "no transaction to be open during the call", func() bool {
		return count(t, s.db.Pool, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`) == 0
	})
	release()
	s.becomes(id, charge.Captured)
}

// Work that has begun is finished although the process has to end.
func TestWorkers_FinishTheCallsThatHaveBegunWhenStopped(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		close(asked)
		<-answer
		pass(w, r)
	})
	stop := s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	<-asked
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(answer)
	<-stopped
	if s.state(id) != charge.Captured {
		t.Errorf("stopped at %s", s.state(id))
	}
}

// A fault at each point of the way leaves a payment that somebody else brings to its end.
func TestWorkers_HealAfterAFaultAtEachPoint(t *testing.T) {
	t.Parallel()
	for point, times := range map[failpoint.Point]int{
		failpoint.GatewayBeforeClaim: 3, failpoint.GatewayBeforeCharge: 3, failpoint.GatewayAfterCharge: 2, failpoint.GatewayBeforeRefund: 3,
		failpoint.GatewayAfterRefund: 2, failpoint.GatewayFinished: 2,
		failpoint.GatewayClaimed: 1, failpoint.GatewayBeforeFinish: 1, // these wait for a lease to end
	} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			s := newShop(t, func(s *Settings) { s.GatewayTimeout = 100 * time.Millisecond })
			if _, err := s.app.Faults.Arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: times}); err != nil {
				t.Fatal(err)
			}
			s.work()
			id := newID(t)
			s.handle(reserved(id, "tok_visa"))
			s.becomes(id, charge.Captured)
			s.handle(cancelled(id))
			s.becomes(id, charge.Refunded)
			if fired := s.app.Faults.List()[0].Fired; fired != times {
				t.Errorf("fired %d times", fired)
			}
			if charges, refunds := s.gate.moved(t, id); charges != 1 || refunds != 1 {
				t.Errorf("%d charges, %d refunds", charges, refunds)
			}
			s.checkLedgers()
		})
	}
}

// A lost answer, two hundred times in a row and of every kind: each order ends with exactly one charge, or none.
func TestCharge_TwoHundredLostAnswersInARow(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	cards := []string{
		"tok_lost_response", "tok_error_after_charge", "tok_hang_after_charge", "tok_malformed_answer", "tok_reset_mid_answer",
		"tok_settles_late", "tok_rate_limited", "tok_in_progress", "tok_error_before_charge", "tok_declined",
	}
	var orders []string
	for i := range 200 {
		id := newID(t)
		orders = append(orders, id)
		s.handle(reserved(id, cards[i%len(cards)]))
		if i%4 == 1 { // some are cancelled while nobody knows the outcome
			s.handle(cancelled(id))
		}
	}
	atRest := func() bool {
		return count(t, s.db.Pool, `SELECT count(*) FROM payment WHERE state IN ('INTENT', 'UNKNOWN', 'REFUNDING')`) == 0
	}
	testkit.Eventually(t, 60*time.Second, "every payment to come to its end", atRest)

	net := map[string]int{}
	for _, e := range s.gate.ledger(t) {
		net[e.Reference] += map[string]int{"charge": 1, "refund": -1}[e.Kind]
	}
	for i, id := range orders {
		state := s.state(id)
		want := map[charge.State]int{charge.Captured: 1, charge.Declined: 0, charge.Refunded: 0, charge.Voided: 0}
		if charges, known := want[state]; !known || net[id] != charges {
			t.Errorf("%s: %s with net %d", cards[i%len(cards)], state, net[id])
		}
		ends := map[charge.State]string{charge.Captured: "PaymentProcessed", charge.Declined: "PaymentFailed", charge.Refunded: "PaymentRefunded"}
		if published := s.published(id); len(published) == 0 || published[len(published)-1] != ends[state] {
			t.Errorf("%s: %s, published %v", cards[i%len(cards)], state, published)
		}
		if kinds := s.openIncidents(id); len(kinds) != 0 {
			t.Errorf("%s: open incidents %v", cards[i%len(cards)], kinds)
		}
	}
	s.checkLedgers()
}

// The same order reserved a hundred times at once, past the inbox.
func TestCharge_TheSameReservationAHundredTimesIsOne(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	id := newID(t)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			err := pgx.BeginFunc(t.Context(), s.db.Pool, func(tx pgx.Tx) error {
				_, err := react(t.Context(), tx, reserved(id, "tok_visa"))
				return err
			})
			if err != nil {
				t.Error(err)
			}
			s.wake.Signal()
		})
	}
	wg.Wait()
	s.becomes(id, charge.Captured)
	if charges, _ := s.gate.moved(t, id); charges != 1 || fmt.Sprint(s.published(id)) != "[PaymentProcessed]" {
		t.Errorf("%d charges, published %v", charges, s.published(id))
	}
}
