package verify_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/pkg/events"
)

// aged makes the confirmed order as old as it takes to be left out.
func aged(w *world) {
	for service, statement := range map[events.Service]string{
		events.Order:     `UPDATE orders SET created_at = created_at - interval '3 days', updated_at = updated_at - interval '3 days' WHERE id = '` + sold + `'`,
		events.Inventory: `UPDATE reservation SET created_at = created_at - interval '3 days', updated_at = updated_at - interval '3 days' WHERE order_id = '` + sold + `'`,
		events.Payment:   `UPDATE payment SET created_at = created_at - interval '3 days', updated_at = updated_at - interval '3 days' WHERE order_id = '` + sold + `'`,
		events.Shipping:  `UPDATE shipment SET created_at = created_at - interval '3 days' WHERE order_id = '` + sold + `'`,
	} {
		w.exec(service, statement)
	}
}

func TestVerify_OfLateAloneLooksAtWhatWasPlacedOrChanged(t *testing.T) {
	t.Parallel()
	h := newHealthy(t)
	since := verify.Options{Since: 2 * time.Hour}
	for name, test := range map[string]struct {
		damage func(*world)
		of     string // the order that is named by the whole check
		lately bool   // and by the one of late
	}{
		"an old order":                        {func(w *world) { w.ledger[0].Amount++ }, sold, false},
		"a young one":                         {func(w *world) { w.ledger[1].Amount++ }, returned, true},
		"an old order that payment touched":   {all(sql(events.Payment, `UPDATE payment SET amount = 3999, updated_at = now() WHERE order_id = '`+sold+`'`)), sold, true},
		"a direct payment that was not asked": {ledger(entry{"ch_8", "charge", "direct:8", "", 5, "USD", "succeeded"}, entry{"ch_9", "charge", "direct:8", "", 5, "USD", "succeeded"}), "direct:8", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, h, false)
			aged(w)
			test.damage(w)
			for o, named := range map[*verify.Options]bool{{}: true, &since: test.lately} {
				report, err := verify.Check(t.Context(), w.system, *o)
				if err != nil {
					t.Fatal(err)
				}
				if found := namedIn(report, test.of); found != named || report.Holds == named {
					t.Errorf("since %v: named is %v, want %v: %+v", o.Since, found, named, report)
				}
			}
		})
	}
}

func namedIn(report verify.Report, key string) bool {
	return slices.ContainsFunc(report.Results, func(r verify.Result) bool {
		return slices.ContainsFunc(r.Offenders, func(o verify.Offender) bool { return o.Key == key })
	})
}

// What is about all rows together is not judged of some, and that is in the report.
func TestVerify_OfLateNamesWhatItCannotJudge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), false)
	aged(w)
	report, err := verify.Check(t.Context(), w.system, verify.Options{Since: 2 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, r := range report.Results {
		if r.NotJudged {
			left = append(left, r.ID)
		}
	}
	if want := []string{"I3", "I4", "I9"}; !slices.Equal(left, want) || !report.Holds || report.Counted.Orders != 1 {
		t.Errorf("not judged are %v, want %v; %+v", left, want, report)
	}
}

// A ledger that is too long to be sorted in memory: two charges of one payment, which are far from each other in it.
func TestVerify_ALongLedgerIsSortedOutsideOfMemory(t *testing.T) {
	t.Parallel()
	const entries = 120_000
	w := newWorld(t, newHealthy(t), false)
	for n := entries; n > 0; n-- {
		w.ledger = append(w.ledger, entry{fmt.Sprint("ch_d", n), "charge", fmt.Sprint("direct:", n), "", 5, "USD", "succeeded"})
	}
	w.ledger = append(w.ledger, entry{"ch_again", "charge", "direct:119999", "", 5, "USD", "succeeded"})
	report, err := verify.Check(t.Context(), w.system, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := entries + 3; report.Counted.Charges != want {
		t.Errorf("%d charges were looked at, want %d", report.Counted.Charges, want)
	}
	for _, r := range report.Results {
		if r.ID == "I1" {
			if len(r.Offenders) != 1 || r.Offenders[0].Key != "direct:119999" {
				t.Errorf("I1 names %v", r.Offenders)
			}
		} else if !r.Holds {
			t.Errorf("%s names %v", r.ID, r.Offenders[:1])
		}
	}
}

// What was before the oldest order that is looked at is not read.
func TestVerify_OfLateReadsTheEndOfALongLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), false)
	aged(w)
	for n := range 20_000 {
		w.ledger = append(w.ledger, entry{fmt.Sprint("ch_d", n), "charge", fmt.Sprint("direct:", n), "", 5, "USD", "succeeded"})
	}
	w.made = time.Now().Add(-3 * 24 * time.Hour)
	report, err := verify.Check(t.Context(), w.system, verify.Options{Since: 2 * time.Hour})
	if err != nil || !report.Holds || w.served > 100 {
		t.Errorf("%d entries were read of 20,003: %+v, %v", w.served, report, err)
	}
}
