package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/contracts/gateway/api"
)

// history writes a ledger of so many charges into a file. Every tenth one is refunded, and every seventh is followed by a
// decline.
func history(t testing.TB, charges int) (path string) {
	t.Helper()
	var lines bytes.Buffer
	write := func(k kind, key string, answer any) {
		r := newRecord(k, keyed{key: key, fingerprint: fmt.Sprintf("%064x", lines.Len())}, answer)
		if k == charged {
			r.Method = "tok_visa"
		}
		if err := json.NewEncoder(&lines).Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	for n := range charges {
		charge := newCharge(fmt.Sprintf("order:0193a000-0000-7000-8000-%012d", n), 1999, "USD")
		write(charged, "charge:"+charge.MerchantReference, charge)
		if n%10 == 0 {
			write(refunded, "refund:"+charge.MerchantReference, api.Refund{
				Id: newID("re_"), ChargeId: charge.Id, MerchantReference: charge.MerchantReference, Amount: 500, Currency: "USD",
				Status: api.RefundStatusSucceeded, CreatedAt: time.Now().UTC(),
			})
		}
		if n%7 == 0 {
			write(declined, fmt.Sprint("declined:", n), api.Decline{Status: api.Declined, Amount: 1, Currency: "USD"})
		}
	}
	path = filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// heap is what is in use after a collection.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// The ledger only grows, so each of its records must cost little for ever. This test measures the whole process' heap, so
// it runs alone.
func TestLedger_ARecordCostsLittleMemory(t *testing.T) { //nolint:paralleltest // see above
	const charges, heads = 20_000, 4 << headBits
	path := history(t, charges)
	before := heap()
	l := open(t, path)
	if n := count(t, l); n != charges+charges/10 {
		t.Fatalf("%d movements", n)
	}
	if each := (heap() - before - heads) / charges; each > 64 {
		t.Errorf("each charge takes %d bytes", each)
	}
}

func TestBook_PagesAreThePartsOfTheLedger(t *testing.T) {
	t.Parallel()
	const charges = 3 * stride
	l := open(t, history(t, charges))
	read := func(after, limit int) (part api.Ledger) {
		p, err := do(t.Context(), l, func(b *book) (page, *record) { return b.page(after, limit), nil })
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := p.send(&text); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text.Bytes(), &part); err != nil {
			t.Fatalf("%s: %v", &text, err)
		}
		return part
	}
	all := read(0, math.MaxInt)
	if len(all.Entries) != charges+charges/10+1 || all.Next != len(all.Entries) {
		t.Fatalf("%d entries, next %d", len(all.Entries), all.Next)
	}
	for _, limit := range []int{1, 100, stride, stride + 1, math.MaxInt} {
		for _, after := range []int{1, stride - 1, stride, stride + 1, len(all.Entries) - 1, len(all.Entries), len(all.Entries) + 5} {
			part := read(after, limit)
			from := min(after, len(all.Entries))
			want := all.Entries[from:][:min(limit, len(all.Entries)-from)]
			if part.Next != from+len(want) || part.Entries == nil || !slices.EqualFunc(part.Entries, want, same) {
				t.Errorf("after %d at most %d: %d entries, next %d", after, limit, len(part.Entries), part.Next)
			}
		}
	}
}

func same(a, b api.Entry) bool { return a.Id == b.Id && a.Kind == b.Kind && a.Amount == b.Amount }

func TestBook_FindsWhatIsDecidedAndNotWrittenYet(t *testing.T) {
	t.Parallel()
	l := open(t, history(t, 10))
	charge := newCharge("new", 700, "USD")
	refund := api.Refund{Id: newID("re_"), ChargeId: charge.Id, MerchantReference: "new", Amount: 300, Currency: "USD"}
	found, err := do(t.Context(), l, func(b *book) (*account, *record) {
		if err := b.decide(newRecord(charged, keyed{key: string(charged)}, charge)); err != nil {
			t.Error(err)
		}
		if err := b.decide(newRecord(refunded, keyed{key: string(refunded)}, refund)); err != nil {
			t.Error(err)
		}
		for _, k := range []kind{charged, refunded} {
			if r := b.answer(string(k)); r == nil || r.Kind != k {
				t.Errorf("under the key of the %s is %+v", k, r)
			}
		}
		return b.account(charge.Id), nil
	})
	if err != nil || found == nil || found.refunded != 300 || len(found.charge.Refunds) != 1 {
		t.Errorf("found %+v, %v", found, err)
	}
}

// Two names may have one hash.
func TestBook_TakesNoRecordForThatOfAnotherName(t *testing.T) {
	t.Parallel()
	l := open(t, history(t, 1))
	_, err := do(t.Context(), l, func(b *book) (bool, *record) {
		for _, name := range []string{keyName("other"), chargeName("ch_other"), referenceName("other")} {
			b.names.add(name, 0)
		}
		if r, a, c := b.answer("other"), b.account("ch_other"), b.find("other"); r != nil || a != nil || len(c) > 0 {
			t.Errorf("found %+v, %+v, %+v", r, a, c)
		}
		return true, nil
	})
	if err != nil {
		t.Error(err)
	}
}

// BenchmarkLedger_Open opens a ledger of 100,000 charges.
func BenchmarkLedger_Open(b *testing.B) {
	path := history(b, 100_000)
	for b.Loop() {
		l, err := openLedger(path, discard(), prometheus.NewRegistry())
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
