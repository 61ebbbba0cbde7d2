package lostcommits

import (
	"testing"
	"time"
)

func TestRecord_BeginsBehindWhatTheDatabaseHas(t *testing.T) {
	t.Parallel()
	made := time.Now()
	var r record
	for n := range oldest + kept {
		r = r.with(Identity{Heartbeats: n + 1}, checkpoint{n + 1, uint64(100 * (n + 1)), made})
	}
	const last = oldest + kept
	for heartbeats, want := range map[int64]int64{
		last: last, last + 50: last, last - 1: last - 1, last - kept + 1: last - kept + 1, // each of the last ones
		last - kept - 1: last - 2*kept, 3*kept + 7: 3 * kept, kept: kept, // one of so many
	} {
		if got := r.from(heartbeats, made); got != uint64(100*want+1) {
			t.Errorf("after %d heartbeats from %d on, want %d", heartbeats, got, 100*want+1)
		}
	}
	for _, heartbeats := range []int64{kept - 1, 1, 0} { // more than a day ago
		if got := r.from(heartbeats, made); got != 1 {
			t.Errorf("after %d heartbeats from %d on, want 1", heartbeats, got)
		}
	}
	if n := len(r.Last); int64(n) > 2*oldest/kept {
		t.Errorf("%d heartbeats are kept", n)
	}
	if got := r.from(last, made.Add(time.Second)); got != 1 {
		t.Errorf("with another stream from %d on, want 1", got)
	}
	if r = r.with(Identity{Heartbeats: 99, Timeline: "2"}, checkpoint{99, 7, made}); len(r.Last) != 1 {
		t.Errorf("of another database %d heartbeats are kept", len(r.Last))
	}
}
