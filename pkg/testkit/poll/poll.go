// Package poll waits in tests: for a condition, never for a time.
package poll

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

const (
	// shortest pause between two tries: most conditions hold after a few milliseconds.
	shortest = 2 * time.Millisecond
	// longest pause: long enough to leave the processor to those who are waited for.
	longest = 100 * time.Millisecond
)

// Until tries until there is no error, and returns nil then. After the given time, or when ctx ends, it returns the
// last try's error. What is a phrase that finishes the sentence "waited … for": "the order to be confirmed".
func Until(ctx context.Context, within time.Duration, what string, try func() error) error {
	err := errors.New("never tried")
	deadline := time.Now().Add(within)
	for pause := shortest; time.Now().Before(deadline); pause = min(2*pause, longest) {
		if err = try(); err == nil {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("stopped waiting for %s: %w", what, err)
		}
	}
	return fmt.Errorf("waited %v for %s: %w", within, what, err)
}

// Eventually is [Until] for a test, which fails when the condition does not come to hold.
func Eventually(t testing.TB, within time.Duration, what string, try func() error) {
	t.Helper()
	if err := Until(t.Context(), within, what, try); err != nil {
		t.Fatal(err)
	}
}
