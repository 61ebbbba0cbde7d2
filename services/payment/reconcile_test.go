package payment

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/services/payment/charge"
)

// reconcile compares the ledgers. On a busy machine the gateway may not answer in time: then it is asked once more, as
// the loop does.
func (s *shop) reconcile() {
	s.t.Helper()
	testkit.Eventually(s.t, 10*time.Second, "the ledgers to be compared", func() bool {
		err := s.reconciler.RunOnce(s.t.Context())
		if err != nil {
			s.t.Log(err)
		}
		return err == nil
	})
}

// hasOpen waits, comparing again and again, until exactly these incidents are open.
func (s *shop) hasOpen(orderID string, kinds ...string) {
	s.t.Helper()
	testkit.Eventually(s.t, 10*time.Second, "open incidents "+strings.Join(kinds, ", "), func() bool {
		s.reconcile()
		return slices.Equal(s.openIncidents(orderID), slices.Concat([]string{}, kinds))
	})
}

// The request lay on the wire until after the horizon. The gateway carries it out although "not found" had become
// definite and the stock was released: only its ledger shows it, and the money is refunded.
func TestReconcile_AChargeThatArrivesBehindTheHorizonIsRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(s *Settings) { s.ChargeBudget, s.Horizon = 50*time.Millisecond, 300*time.Millisecond })
	arrive, arrived := make(chan struct{}), make(chan struct{})
	first := true
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.Method != http.MethodPost {
			pass(w, r)
			return
		}
		if first {
			first = false
			late, body := r.Clone(t.Context()), readAll(t, r.Body)
			go func() {
				defer close(arrived)
				<-arrive
				late.Body = readCloser(body)
				pass(httptest.NewRecorder(), late)
			}()
		}
		panic(http.ErrAbortHandler)
	})
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	s.becomes(id, charge.Declined)
	close(arrive)
	<-arrived
	s.gate.wire.heal()
	if charges, _ := s.gate.moved(t, id); charges != 1 {
		t.Fatalf("%d charges arrived late", charges)
	}
	s.reconcile()
	s.becomes(id, charge.Refunded)
	if charges, refunds := s.gate.moved(t, id); charges != 1 || refunds != 1 {
		t.Errorf("%d charges, %d refunds", charges, refunds)
	}
	published := s.published(id)
	if !slices.Contains(published, "PaymentFailed") || slices.Contains(published, "PaymentProcessed") || published[len(published)-2] != "IncidentResolved" && published[len(published)-1] != "IncidentResolved" {
		t.Errorf("published %v", published)
	}
	if late := s.metric("payment_late_captures_total"); late != 1 || len(s.openIncidents(id)) != 0 {
		t.Errorf("%v late captures, open %v", late, s.openIncidents(id))
	}
	s.hasOpen(id)
	s.checkLedgers()
}

func TestReconcile_ALateCaptureOfEachStateWithoutOneIsRefunded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	voided, declined := newID(t), s.put(charge.Declined)
	s.handle(cancelled(voided))
	s.gate.charge(t, "lost", voided, 1999)
	s.gate.charge(t, "lost-too", declined, 1500) // what was captured goes back, not what was asked for
	s.reconcile()
	for _, id := range []string{voided, declined} {
		if kinds := s.openIncidents(id); s.state(id) != charge.LateCaptured || !slices.Equal(kinds, []string{charge.KindLateCapture}) {
			t.Errorf("%s with open incidents %v", s.state(id), kinds)
		}
	}
	s.reconcile() // nothing is taken over twice
	s.work()
	for _, id := range []string{voided, declined} {
		s.becomes(id, charge.Refunded)
		if kinds := s.openIncidents(id); len(kinds) != 0 {
			t.Errorf("open incidents %v", kinds)
		}
	}
	s.hasOpen(voided)
	s.checkLedgers()
}

func TestReconcile_ARefusedRefundOfALateCaptureKeepsBothIncidentsOpen(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.faults(t, map[string]any{"refund_refusals": "always"})
	id := s.put(charge.Declined)
	s.gate.charge(t, "lost", id, 1999)
	s.work()
	s.reconcile()
	s.becomes(id, charge.RefundRefused)
	if kinds := s.openIncidents(id); !slices.Equal(kinds, []string{charge.KindLateCapture, charge.KindRefundRefused}) {
		t.Errorf("open incidents %v", kinds)
	}
}

// A round can take longer than the grace, and the workers go on meanwhile: what they book is in both ledgers, although
// the gateway's was read before. Each round here is held after it has read, until that is so.
func TestReconcile_WhatIsBookedDuringARoundIsNotADifference(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(s *shop) // the round
		during func(s *shop, late string)
	}{
		"a late capture is refunded": {
			func(*shop) {}, func(s *shop, late string) { s.becomes(late, charge.Refunded) },
		},
		"the refund of a late capture is refused": {
			func(s *shop) { s.gate.faults(s.t, map[string]any{"refund_refusals": "always"}) },
			func(s *shop, late string) { s.becomes(late, charge.RefundRefused) },
		},
		"an unknown charge becomes known": {
			func(s *shop) {
				s.gate.wire.set(loseAllButTheLedger)
				id := newID(s.t)
				s.handle(reserved(id, "tok_visa"))
				s.becomes(id, charge.Unknown)
			},
			func(s *shop, _ string) {
				s.gate.wire.heal()
				testkit.Eventually(s.t, 15*time.Second, "the charge to be known", func() bool {
					return count(s.t, s.db.Pool, `SELECT count(*) FROM payment WHERE state = 'CAPTURED'`) == 1
				})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.work()
			test.before(s)
			s.roundDuring(func(late string) { test.during(s, late) })
			if n := count(t, s.db.Pool, `SELECT count(*) FROM incident WHERE kind = $1`, charge.KindReconciliation); n != 0 {
				t.Errorf("a difference was reported: %s", text(t, s.db.Pool, `SELECT reason FROM incident WHERE kind = $1 LIMIT 1`, charge.KindReconciliation))
			}
			s.gate.wire.heal()
			s.checkLedgers()
		})
	}
}

// roundDuring compares the ledgers once. The round finds a late capture, and after that waits until do has returned and
// what both ledgers show is older than the grace.
func (s *shop) roundDuring(do func(late string)) {
	s.t.Helper()
	late := s.put(charge.Declined)
	s.gate.charge(s.t, "lost", late, 1999)
	hold, err := s.app.Faults.Arm(failpoint.Fault{Point: failpoint.ReconcileCommitted, Kind: failpoint.Hold, Times: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	round := make(chan error, 1)
	go func() { round <- s.reconciler.RunOnce(s.t.Context()) }()
	testkit.Eventually(s.t, 15*time.Second, "the late capture to be found", func() bool { return s.state(late) != charge.Declined })
	do(late)
	testkit.Eventually(s.t, 15*time.Second, "the grace to end", func() bool {
		return count(s.t, s.db.Pool, `
			SELECT (SELECT count(*) FROM ledger_entry WHERE created_at >= now() - $1::interval)
			     + (SELECT count(*) FROM gateway_line WHERE read_at >= now() - $1::interval)`, s.settings.ReconcileGrace) == 0
	})
	s.app.Faults.Clear(hold)
	if err := <-round; err != nil {
		s.t.Fatal(err)
	}
}

// The gateway charged the order a second time, under a key that is not ours. Payment does not guess; it reports.
func TestReconcile_ASecondChargeIsReported(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	s.becomes(id, charge.Captured)
	s.gate.charge(t, "another-key", id, 1999)
	s.hasOpen(id, charge.KindReconciliation)
	if reason := text(t, s.db.Pool, `SELECT reason FROM incident WHERE order_id = $1`, id); !strings.HasPrefix(reason, "the gateway alone shows charge ch_") || !strings.HasSuffix(reason, " of 19.99 USD") {
		t.Errorf("the operator reads %q", reason)
	}
	if s.state(id) != charge.Captured || s.metric("payment_ledger_differences") != 1 {
		t.Errorf("%s, %v differences", s.state(id), s.metric("payment_ledger_differences"))
	}
}

// Our ledger shows a charge that the gateway's does not; the incident closes when the gateway's does too.
func TestReconcile_AMovementThatWeAloneShowIsReportedUntilTheGatewayShowsIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	chargeID := s.gate.charge(t, "k", id, 1999)
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.URL.Path == "/ledger" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"entries":[],"next":0}`))
			return
		}
		pass(w, r)
	})
	execute(t, s.db.Pool, `
		WITH p AS (SELECT gen_random_uuid() AS id)
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		SELECT id, account, amount, 'USD', $1, $2, 'charge' FROM p, (VALUES ('gateway', 1999), ('customers', -1999)) AS side (account, amount)`, id, chargeID)
	s.hasOpen(id, charge.KindReconciliation)
	s.gate.wire.heal()
	s.hasOpen(id)
}

func TestReconcile_AnotherAmountIsADifference(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	chargeID := s.gate.charge(t, "k", id, 2000)
	execute(t, s.db.Pool, `
		WITH p AS (SELECT gen_random_uuid() AS id)
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		SELECT id, account, amount, 'USD', $1, $2, 'charge' FROM p, (VALUES ('gateway', 1999), ('customers', -1999)) AS side (account, amount)`, id, chargeID)
	s.hasOpen(id, charge.KindReconciliation)
}

// What is being worked on is not a difference: the resolver will find it.
func TestReconcile_WorkUnderWayIsNotADifference(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.wire.set(loseAllButTheLedger)
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	s.becomes(id, charge.Unknown)
	testkit.Always(t, 5*s.settings.ReconcileGrace, "no incident is open", func() bool {
		s.reconcile()
		return len(s.openIncidents(id)) == 0
	})
	s.gate.wire.heal()
	s.becomes(id, charge.Captured)
	s.hasOpen(id)
}

func TestReconcile_AChargeOfNobodysIsADifferenceWithoutAnIncident(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.charge(t, "k", "direct:nobody", 5)
	s.gate.charge(t, "k2", "nonsense", 5)
	testkit.Eventually(t, 10*time.Second, "the differences to be counted", func() bool {
		s.reconcile()
		return s.metric("payment_ledger_differences") == 2
	})
	if n := count(t, s.db.Pool, `SELECT count(*) FROM incident`); n != 0 {
		t.Errorf("%d incidents without an order", n)
	}
}

// The gateway's ledger is read page by page, and each line once.
func TestReconcile_TheGatewaysLedgerIsReadInPages(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const lines = 2005 // two pages and a rest
	answers := []string{}
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		answers = append(answers, r.URL.Query().Get("after"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(ledgerPage(t, r.URL.Query(), lines))
	})
	s.reconcile()
	s.reconcile()
	if n := count(t, s.db.Pool, `SELECT count(DISTINCT id) FROM gateway_line`); n != lines {
		t.Errorf("%d lines were kept of %d", n, lines)
	}
	if want := []string{"0", "1000", "2000", "2005"}; !slices.Equal(answers, want) {
		t.Errorf("read after %v, want %v", answers, want)
	}
}

// A gateway whose ledger is shorter than what was read before is not our gateway: nothing is concluded from it.
func TestReconcile_ALedgerThatShrankIsAnError(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.charge(t, "k", newID(t), 5)
	s.reconcile()
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"entries":[],"next":0}`))
	})
	if err := s.reconciler.RunOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "0 lines, 1 were read before") {
		t.Errorf("%v", err)
	}
}

func TestReconcile_AFaultIsMadeUpForInTheNextRound(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{failpoint.ReconcileRead, failpoint.ReconcileBeforeCommit, failpoint.ReconcileCommitted} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id := s.put(charge.Declined)
			s.gate.charge(t, "lost", id, 1999)
			s.fail(point)
			if s.reconciler.RunOnce(t.Context()) == nil {
				t.Error("the fault did not fire")
			}
			s.reconcile()
			s.work()
			s.becomes(id, charge.Refunded)
			s.checkLedgers()
		})
	}
}
