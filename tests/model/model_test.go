package model

import (
	"strings"
	"testing"
)

const all = ^Guard(0)

// What the searches may do: wide for the guards of payment, narrower where two orders multiply.
var (
	oneOrder   = Limits{Orders: 1, Stock: 1, Replays: 1, Leases: 1, Gateway: true}
	soldOut    = Limits{Orders: 1, Stock: 0, Replays: 1, Leases: 1, Gateway: true}
	lastOfThem = Limits{Orders: 2, Stock: 1, Replays: 1}
	lossyBoth  = Limits{Orders: 1, Stock: 1, Forgets: 1, Gateway: true}
	lossy      = Limits{Orders: 1, Stock: 1, Forgets: 3, Eager: true}
)

func TestModel_WithAllGuardsEverySagaComesToRest(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]Limits{
		"one order": oneOrder, "nothing in stock": soldOut, "two orders, one unit": lastOfThem,
		"a stream that forgets":                       lossy,
		"a stream that forgets, and a bad gateway":    lossyBoth,
		"a stream that forgets, and nothing in stock": {Orders: 1, Forgets: 3, Eager: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Search(all, limits, "")
			if got.Violation != "" {
				t.Fatalf("%s after:\n  %s", got.Violation, strings.Join(got.Trace, "\n  "))
			}
			t.Logf("%d states", got.States)
		})
	}
}

func TestModel_EachGuardTakenAwayBreaksWhatItIsFor(t *testing.T) {
	t.Parallel()
	twoUnits := oneOrder
	twoUnits.Stock = 2
	for _, c := range []struct {
		name   string
		remove Guard
		limits Limits
		breaks string
	}{
		{"the inbox and a step's state guard, which hide each other", Inbox | StateGuard, twoUnits, "I4 stock counted twice"},
		{"the charge's key", ChargeKey, oneOrder, "I1 charged twice"},
		{"the refund's key", RefundKey, oneOrder, "I2 more refunded than captured"},
		{"the unknown outcome, with reconciliation, which mends it", UnknownOutcome | Reconciliation, oneOrder, "I13 money kept"},
		{"the horizon, with reconciliation, which mends it", Horizon | Reconciliation, oneOrder, "I13 money kept"},
		{"reconciliation alone, when a sender was stalled", Reconciliation, oneOrder, "I13 money kept"},
		{"waiting for an open charge, with reconciliation, which mends it", CancelWanted | Reconciliation, oneOrder, "I13 money kept"},
		{"inventory's tombstone", HoldTombstone, oneOrder, "I13 stock held"},
		{"payment's tombstone", ChargeTombstone, oneOrder, "I13 money kept"},
		{"the fence", Fence, oneOrder, "I7 a cancelled order is shipped"},
		{"the order's state guard and the fence, which hides it", OrderTerminal | Fence, oneOrder, "I5 a terminal order changed"},
		{"the outbox", Outbox, oneOrder, "I12 stuck"},
		{"the lease token and the state guard, which hide each other", LeaseToken | StateGuard, oneOrder, "I6 confirmed, not paid"},
		{"the look before an operator's retry", LookBeforeRetry, oneOrder, "I2 more refunded than captured"},
		{"the order that asks again", OrderAsks, lossy, "I12 stuck"},
		{"inventory that asks again", HoldAsks, lossy, "I6 confirmed, not sold"},
		{"shipping that repeats its answer", ShippingRepeats, lossy, "never comes to rest"},
		{"payment that repeats its answer", PaymentRepeats, lossy, "never comes to rest"},
		{"inventory that repeats its answer", HoldRepeats, lossy, "never comes to rest"},
		{"inventory's tombstone, with two orders on the last unit", HoldTombstone, lastOfThem, "I13 stock held"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Search(all&^c.remove, c.limits, c.breaks)
			if got.Violation == "" {
				t.Fatalf("found nothing in %d states, want %q", got.States, c.breaks)
			}
			t.Logf("%s, in %d steps:\n  %s", got.Violation, len(got.Trace), strings.Join(got.Trace, "\n  "))
		})
	}
}
