package lostcommits

import (
	"testing"
	"time"
)

func TestRecord_BeginsBehindWhatTheDatabaseHas(t *testing.T) {
	t.Parallel()
	made := time.Now()
	var r record
	for n := range int64(oldest + kept) {
		r = r.with(Identity{Looks: n + 1}, stand{n + 1, uint64(100 * (n + 1)), made})
	}
	const last = oldest + kept
	for looks, want := range map[int64]uint64{
		last: last, last + 50: last, last - 1: last - 1, last - kept + 1: last - kept + 1, // each of the last ones
		last - kept - 1: last - 2*kept, 3*kept + 7: 3 * kept, kept: kept, // one of so many
	} {
		if got := r.from(looks, made); got != 100*want+1 {
			t.Errorf("after %d looks from %d on, want %d", looks, got, 100*want+1)
		}
	}
	for _, looks := range []int64{kept - 1, 1, 0} { // more than a day ago
		if got := r.from(looks, made); got != 1 {
			t.Errorf("after %d looks from %d on, want 1", looks, got)
		}
	}
	if n := len(r.Last); n > 2*oldest/kept {
		t.Errorf("%d looks are kept", n)
	}
	if got := r.from(40, made.Add(time.Second)); got != 1 {
		t.Errorf("with another stream from %d on, want 1", got)
	}
	if r = r.with(Identity{Looks: 99, Timeline: "2"}, stand{99, 7, made}); len(r.Last) != 1 {
		t.Errorf("of another database %d looks are kept", len(r.Last))
	}
}
