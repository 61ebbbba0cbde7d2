package payment

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/testkit"
)

// reconcile compares the ledgers once.
func (s *shop) reconcile() {
	s.t.Helper()
	if err := s.auditor.runOnce(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// hasOpen waits, comparing again and again, until exactly these incidents are open.
func (s *shop) hasOpen(orderID string, kinds ...string) {
	s.t.Helper()
	testkit.Eventually(s.t, 10*time.Second, "open incidents "+strings.Join(kinds, ", "), func() bool {
		s.reconcile()
		return slices.Equal(s.openIncidents(orderID), slices.Concat([]string{}, kinds))
	})
}

// The request lay on the wire until after the horizon. The gateway carries it out although payment was told "not
// found" and let the stock go: only its ledger shows it, and the money goes back.
func TestAChargeThatArrivesBehindTheHorizonIsGivenBack(t *testing.T) {
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
	s.hear(reserved(id, "tok_visa"))
	s.becomes(id, Declined)
	close(arrive)
	<-arrived
	s.gate.wire.heal()
	if charges, _ := s.gate.moved(t, id); charges != 1 {
		t.Fatalf("%d charges arrived late", charges)
	}
	s.reconcile()
	s.becomes(id, Refunded)
	if charges, refunds := s.gate.moved(t, id); charges != 1 || refunds != 1 {
		t.Errorf("%d charges, %d refunds", charges, refunds)
	}
	said := s.said(id)
	if !slices.Contains(said, "PaymentFailed") || slices.Contains(said, "PaymentProcessed") || said[len(said)-2] != "IncidentResolved" && said[len(said)-1] != "IncidentResolved" {
		t.Errorf("said %v", said)
	}
	if late := testutil.ToFloat64(s.metrics.late); late != 1 || len(s.openIncidents(id)) != 0 {
		t.Errorf("%v late captures, open %v", late, s.openIncidents(id))
	}
	s.hasOpen(id)
	s.checkBooks()
}

func TestALateCaptureOfEveryStateThatSaidThereIsNone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	voided, declined := newID(t), s.put(Declined)
	s.hear(cancelled(voided))
	s.gate.charge(t, "lost", voided, 1999)
	s.gate.charge(t, "lost-too", declined, 1500) // what was captured goes back, not what was asked for
	s.reconcile()
	for _, id := range []string{voided, declined} {
		if kinds := s.openIncidents(id); s.state(id) != LateCaptured || !slices.Equal(kinds, []string{kindLateCapture}) {
			t.Errorf("%s with open incidents %v", s.state(id), kinds)
		}
	}
	s.reconcile() // nothing is taken over twice
	s.work()
	for _, id := range []string{voided, declined} {
		s.becomes(id, Refunded)
		if kinds := s.openIncidents(id); len(kinds) != 0 {
			t.Errorf("open incidents %v", kinds)
		}
	}
	s.hasOpen(voided)
	s.checkBooks()
}

func TestARefundOfALateCaptureThatIsRefusedKeepsBothIncidentsOpen(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.faults(t, map[string]any{"refund_refusals": "always"})
	id := s.put(Declined)
	s.gate.charge(t, "lost", id, 1999)
	s.work()
	s.reconcile()
	s.becomes(id, RefundRefused)
	if kinds := s.openIncidents(id); !slices.Equal(kinds, []string{kindLateCapture, kindRefundRefused}) {
		t.Errorf("open incidents %v", kinds)
	}
}

// The gateway charged the order a second time, under a key that is not ours. Payment does not guess; it tells.
func TestASecondChargeIsTold(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	id := newID(t)
	s.hear(reserved(id, "tok_visa"))
	s.becomes(id, Captured)
	s.gate.charge(t, "another-key", id, 1999)
	s.hasOpen(id, kindReconciliation)
	if reason := text(t, s.db.Pool, `SELECT reason FROM incident WHERE order_id = $1`, id); !strings.Contains(reason, "the gateway alone shows charge ch_") {
		t.Errorf("the operator reads %q", reason)
	}
	if s.state(id) != Captured || testutil.ToFloat64(s.metrics.differences) != 1 {
		t.Errorf("%s, %v differences", s.state(id), testutil.ToFloat64(s.metrics.differences))
	}
}

// Our ledger shows a charge that the gateway's does not; the incident closes when the gateway's does too.
func TestAMovementThatWeAloneShowIsToldUntilTheGatewayShowsIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	charge := s.gate.charge(t, "k", id, 1999)
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.URL.Path == "/ledger" {
			_, _ = w.Write([]byte(`{"entries":[],"next":0}`))
			return
		}
		pass(w, r)
	})
	execute(t, s.db.Pool, `
		WITH p AS (SELECT gen_random_uuid() AS id)
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		SELECT id, account, amount, 'USD', $1, $2, 'charge' FROM p, (VALUES ('gateway', 1999), ('customers', -1999)) AS side (account, amount)`, id, charge)
	s.hasOpen(id, kindReconciliation)
	s.gate.wire.heal()
	s.hasOpen(id)
}

func TestAnotherAmountIsADifference(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := newID(t)
	charge := s.gate.charge(t, "k", id, 2000)
	execute(t, s.db.Pool, `
		WITH p AS (SELECT gen_random_uuid() AS id)
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		SELECT id, account, amount, 'USD', $1, $2, 'charge' FROM p, (VALUES ('gateway', 1999), ('customers', -1999)) AS side (account, amount)`, id, charge)
	s.hasOpen(id, kindReconciliation)
}

// What is being worked on is not a difference: the resolver will find it.
func TestWorkUnderWayIsNotADifference(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, pass http.HandlerFunc) {
		if r.URL.Path == "/ledger" {
			pass(w, r)
			return
		}
		pass(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	})
	s.work()
	id := newID(t)
	s.hear(reserved(id, "tok_visa"))
	s.becomes(id, Unknown)
	testkit.Always(t, 5*s.ReconcileGrace, "no incident is open", func() bool {
		s.reconcile()
		return len(s.openIncidents(id)) == 0
	})
	s.gate.wire.heal()
	s.becomes(id, Captured)
	s.hasOpen(id)
}

func TestAChargeOfNobodysIsADifferenceWithoutAnIncident(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.charge(t, "k", "direct:nobody", 5)
	s.gate.charge(t, "k2", "nonsense", 5)
	testkit.Eventually(t, 10*time.Second, "the differences to be counted", func() bool {
		s.reconcile()
		return testutil.ToFloat64(s.metrics.differences) == 2
	})
	if n := count(t, s.db.Pool, `SELECT count(*) FROM incident`); n != 0 {
		t.Errorf("%d incidents without an order", n)
	}
}

// The gateway's ledger is read page by page, and each line once.
func TestTheGatewaysLedgerIsReadInPages(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const lines = 2*pageSize + 5
	answers := []string{}
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		answers = append(answers, r.URL.Query().Get("after"))
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
func TestALedgerThatShrankIsAnError(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.gate.charge(t, "k", newID(t), 5)
	s.reconcile()
	s.gate.wire.set(func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = w.Write([]byte(`{"entries":[],"next":0}`))
	})
	if err := s.auditor.runOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "0 lines, 1 were read before") {
		t.Errorf("%v", err)
	}
}

func TestAFaultWhileReconcilingIsMadeUpForInTheNextRound(t *testing.T) {
	t.Parallel()
	for _, point := range []failpoint.Point{failpoint.ReconcileRead, failpoint.ReconcileBeforeCommit, failpoint.ReconcileCommitted} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			id := s.put(Declined)
			s.gate.charge(t, "lost", id, 1999)
			if _, err := s.armed.Arm(failpoint.Fault{Point: point, Kind: failpoint.Error, Times: 1}); err != nil {
				t.Fatal(err)
			}
			if s.auditor.runOnce(t.Context()) == nil {
				t.Error("the fault did not fire")
			}
			s.reconcile()
			s.work()
			s.becomes(id, Refunded)
			s.checkBooks()
		})
	}
}
