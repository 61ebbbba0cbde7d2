package lostcommits

import (
	"testing"
	"time"
)

func TestRecord_BeginsBehindWhatTheDatabaseHas(t *testing.T) {
	t.Parallel()
	made := time.Now()
	var r record
	for n := range int64(kept + 10) {
		r = r.with(Identity{Looks: n + 1}, stand{n + 1, uint64(100 * (n + 1)), made})
	}
	for looks, want := range map[int64]uint64{
		kept + 10: 100*(kept+10) + 1, kept + 50: 100*(kept+10) + 1, 40: 4001, 11: 1101, 10: 1, 0: 1,
	} {
		if got := r.from(looks, made); got != want {
			t.Errorf("after %d looks from %d on, want %d", looks, got, want)
		}
	}
	if got := r.from(40, made.Add(time.Second)); got != 1 {
		t.Errorf("with another stream from %d on, want 1", got)
	}
	if r = r.with(Identity{Looks: 99, Timeline: "2"}, stand{99, 7, made}); len(r.Last) != 1 {
		t.Errorf("of another database %d looks are kept", len(r.Last))
	}
}
