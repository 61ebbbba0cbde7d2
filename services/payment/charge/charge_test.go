package charge

import "testing"

// The commits of claims do not wait for the disk, except where the time of the last request must not be lost.
func TestClaim_OnlyWhatMayBeLostIsCommittedWithoutWaiting(t *testing.T) {
	t.Parallel()
	for state, want := range map[State]bool{Intent: true, Refunding: true, Unknown: false} {
		if got := mayBeLost([]Claim{{Payment: Payment{State: Intent}}, {Payment: Payment{State: state}}}); got != want {
			t.Errorf("%s: %v", state, got)
		}
	}
}
