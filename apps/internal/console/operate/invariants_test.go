package operate

import (
	"testing"
	"time"
)

// A long check has a long rest behind it, and the next one comes after half a minute at the latest.
func TestInvariants_TheRestFollowsTheCheckWithinBounds(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]time.Duration{
		0: 5 * time.Second, time.Second: 20 * time.Second, 10 * time.Second: 30 * time.Second,
	} {
		if got := restAfter(took); got != want {
			t.Errorf("after a check of %v it rests for %v, want %v", took, got, want)
		}
	}
}
