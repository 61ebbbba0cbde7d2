package testkit

import (
	"testing"
	"time"
)

// Eventually waits until a condition holds, and fails the test when it does not within the given time.
// What is a phrase that finishes the sentence "waited … for": "the order to be confirmed".
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for wait := 2 * time.Millisecond; !ok(); wait = min(2*wait, 100*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", within, what)
		}
		select {
		case <-time.After(wait):
		case <-t.Context().Done():
			t.Fatalf("the test ended while it waited for %s", what)
		}
	}
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
