package testkit

import (
	"errors"
	"testing"
	"time"

	"example.com/ordersaga/pkg/testkit/poll"
)

// Eventually waits until a condition holds, and fails the test when it does not within the given time; see
// [poll.Eventually] for one that says why it does not hold.
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	poll.Eventually(t, within, what, func() error {
		if !ok() {
			return errors.New("it does not hold")
		}
		return nil
	})
}

// Always watches a condition for a while, and fails the test when it stops holding. For what must not
// happen; keep the time short, since it is always spent in full.
func Always(t testing.TB, during time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(during); time.Now().Before(deadline); {
		if !ok() {
			t.Fatalf("it did not stay so that %s", what)
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("the test ended while it watched that %s", what)
		}
	}
}
