package world

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// limit is how long anything may take that is waited for: the broker gives back what a killed service held
// after 5 s, and the machine may be busy.
const limit = time.Minute

// Eventually tries until it works.
func Eventually(t testing.TB, what string, try func() error) {
	t.Helper()
	Must(t, Until(t.Context(), what, try))
}

// Until is [Eventually] for whoever must not end the test.
func Until(ctx context.Context, what string, try func() error) error {
	err := errors.New("never tried")
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if err = try(); err == nil {
			return nil
		}
		select {
		case <-time.After(30 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("stopped waiting for %s: %w", what, err)
		}
	}
	return fmt.Errorf("waited %v for %s: %w", limit, what, err)
}

// Must ends the test if there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
