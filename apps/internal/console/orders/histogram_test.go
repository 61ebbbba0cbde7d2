package orders

import (
	"testing"
	"time"
)

func TestHistogram_CountsEveryDurationInItsBar(t *testing.T) {
	t.Parallel()
	collected := newHistogram()
	for ms := 1; ms <= 100; ms++ {
		collected.add(time.Duration(ms) * time.Millisecond)
	}
	collected.add(-time.Second)                       // the clocks of two processes disagree
	collected.add(time.Millisecond + time.Nanosecond) // more than one, so it is in the bar up to two
	collected.add(time.Hour)
	picture := collected.times()
	bars := map[int]int{}
	total := 0
	for _, bar := range picture.Bars {
		bars[bar.UpTo] = bar.Count
		total += bar.Count
	}
	for upTo, want := range map[int]int{1: 2, 2: 2, 3: 1, 5: 2, 10: 3, 100: 30, 150: 0, 0: 1} {
		if bars[upTo] != want {
			t.Errorf("up to %d ms there are %d, want %d", upTo, bars[upTo], want)
		}
	}
	if total != 103 || picture.Count != 103 {
		t.Errorf("there are %d in bars and %d in all, want 103", total, picture.Count)
	}
	if picture.P50 < 49 || picture.P50 > 51 || picture.P95 < 95 || picture.P95 > 98 || picture.P99 < 99 {
		t.Errorf("the quantiles are %v, %v and %v", picture.P50, picture.P95, picture.P99)
	}
}
