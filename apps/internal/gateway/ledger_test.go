package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func open(t *testing.T, path string) *ledger {
	t.Helper()
	l, err := openLedger(path, discard(), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// put writes one charge down.
func put(ctx context.Context, l *ledger, reference string) error {
	_, err := do(ctx, l, func(*book) (bool, *record) {
		return true, newRecord(charged, keyed{key: "key:" + reference}, newCharge(reference, 100, "USD"))
	})
	return err
}

// count is how many movements a ledger shows.
func count(t *testing.T, l *ledger) int {
	t.Helper()
	n, err := do(t.Context(), l, func(b *book) (int, *record) { return b.movements, nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLedger_ARecordIsOnTheDiskBeforeItsOperationIsAnswered(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	if err := put(t.Context(), l, "a"); err != nil {
		t.Fatal(err)
	}
	at, err := do(t.Context(), l, func(*book) ([2]int64, *record) { return [2]int64{l.file.end, l.file.synced}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if at[0] == 0 || at[1] != at[0] {
		t.Errorf("written up to byte %d, synced up to byte %d", at[0], at[1])
	}
}

func TestLedger_AWriteThatCannotBeSyncedFails(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0) // takes every write and refuses every fsync
	if err != nil {
		t.Fatal(err)
	}
	f := &file{f: null}
	defer func() { _ = f.close() }()
	if err := f.append([]byte("{}\n")); err == nil {
		t.Error("an append was reported as done without an fsync")
	}
}

func TestLedger_ATornLastLineIsCutOff(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	first := open(t, path)
	for i := range 3 {
		if err := put(t.Context(), first, fmt.Sprint("order-", i)); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for _, cut := range []int{last + 1, last + (len(whole)-last)/2, len(whole) - 1} {
		torn := filepath.Join(t.TempDir(), "torn")
		if err := os.WriteFile(torn, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, torn)
		if n := count(t, l); n != 2 {
			t.Errorf("cut at byte %d of %d: %d movements, want the 2 whole ones", cut, len(whole), n)
		}
		if left, err := os.ReadFile(torn); err != nil || !bytes.Equal(left, whole[:last]) {
			t.Errorf("cut at byte %d: the file is left with %q (%v)", cut, left[last:], err)
		}
		if err := put(t.Context(), l, "next"); err != nil {
			t.Fatal(err)
		}
		if again := open(t, torn); count(t, again) != 3 {
			t.Errorf("cut at byte %d: what was written after the torn line cannot be read", cut)
		}
	}
}

func TestLedger_ADamagedLineStopsEverything(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, []byte("{\"kind\":\"charge\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := openLedger(path, discard(), prometheus.NewRegistry()); err == nil {
		t.Error("a ledger with a line that cannot be read was opened", l.Close())
	}
}

// swap gives the ledger another file to work with, and with it the lock.
func swap(t *testing.T, l *ledger, f *os.File) {
	t.Helper()
	_, err := do(t.Context(), l, func(*book) (error, *record) { //nolint:staticcheck // the error is what is asked for here, not that it failed
		err := l.file.unlock()
		l.file.f = f
		return errors.Join(err, l.file.lock()), nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLedger_AFailedWriteLeavesNothingAndTheNextOneWorks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	l := open(t, path)
	if err := put(t.Context(), l, "before"); err != nil {
		t.Fatal(err)
	}
	writable := l.file.f
	readOnly, err := os.Open(path) // the disk is full, as far as the ledger can see
	if err != nil {
		t.Fatal(err)
	}
	swap(t, l, readOnly)
	if err := put(t.Context(), l, "lost"); err == nil {
		t.Error("a charge that could not be written was accepted")
	}
	if n := count(t, l); n != 1 {
		t.Errorf("%d movements after a failed write, want 1", n)
	}
	found, err := do(t.Context(), l, func(b *book) ([]bool, *record) {
		return []bool{b.answer("key:before") != nil, b.answer("key:lost") != nil, len(b.find("lost")) > 0}, nil
	})
	if err != nil || !slices.Equal(found, []bool{true, false, false}) {
		t.Errorf("after a failed write, found: what was before, its key, its charge: %v, %v", found, err)
	}
	swap(t, l, writable)
	readOnly.Close()
	if err := put(t.Context(), l, "after"); err != nil {
		t.Error("after the disk is there again:", err)
	}
}

func TestLedger_ConcurrentOperationsShareAnFsync(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger"))
	const operations = 2000
	var all sync.WaitGroup
	for i := range operations {
		all.Go(func() {
			if err := put(t.Context(), l, fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var m dto.Metric
	if err := l.batches.Write(&m); err != nil {
		t.Fatal(err)
	}
	if batches := m.Histogram.GetSampleCount(); batches > operations/4 {
		t.Errorf("%d operations took %d batches", operations, batches)
	}
	if n := count(t, l); n != operations {
		t.Errorf("%d of %d charges are in the ledger", n, operations)
	}
}

func TestLedger_TwoLedgersOnOneFileSeeEachOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	a, b := open(t, path), open(t, path)
	var all sync.WaitGroup
	for i := range 400 {
		all.Go(func() {
			l := a
			if i%2 == 0 {
				l = b
			}
			if err := put(t.Context(), l, fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if na, nb := count(t, a), count(t, b); na != 400 || nb != 400 {
		t.Errorf("one sees %d, the other %d of 400", na, nb)
	}
}

func TestLedger_WhatAnotherProcessWroteIsSyncedBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	a, b := open(t, path), open(t, path)
	if err := put(t.Context(), a, "a"); err != nil {
		t.Fatal(err)
	}
	if count(t, b) != 1 {
		t.Fatal("b does not see what a wrote")
	}
	at, err := do(t.Context(), b, func(*book) ([2]int64, *record) { return [2]int64{b.file.end, b.file.synced}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if at[1] != at[0] {
		t.Errorf("b answered from byte %d and knows only that byte %d is on the disk", at[0], at[1])
	}
}
