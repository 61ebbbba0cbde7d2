package mailbox

import (
	"context"
	"fmt"
	"time"

	"example.com/ordersaga/pkg/events"
)

// LongestPause bounds how long somebody can forget a pause.
const LongestPause = 15 * time.Minute

// Hearing is how far a service is with what it is to hear.
type Hearing struct {
	PausedFor time.Duration // how much longer; zero: it is not paused
	Waiting   int           // events that were not delivered yet
}

// Pause has the broker deliver nothing to the service for so long, as when it were stuck. The broker keeps the
// pause: it holds for every replica, outlasts their processes and ends by itself. What was delivered before is
// still handled.
func (m *Mailbox) Pause(ctx context.Context, d time.Duration) error {
	if _, err := m.inbox.js.PauseConsumer(ctx, events.Stream, string(m.Service), time.Now().Add(d)); err != nil {
		return fmt.Errorf("pause consumer %s: %w", m.Service, err)
	}
	return nil
}

// Resume ends a pause, if there is one.
func (m *Mailbox) Resume(ctx context.Context) error {
	if _, err := m.inbox.js.ResumeConsumer(ctx, events.Stream, string(m.Service)); err != nil {
		return fmt.Errorf("resume consumer %s: %w", m.Service, err)
	}
	return nil
}

// Hearing asks the broker.
func (m *Mailbox) Hearing(ctx context.Context) (Hearing, error) {
	consumer, err := m.inbox.js.Consumer(ctx, events.Stream, string(m.Service))
	if err != nil {
		return Hearing{}, fmt.Errorf("look at consumer %s: %w", m.Service, err)
	}
	info := consumer.CachedInfo()
	return Hearing{info.PauseRemaining, int(info.NumPending)}, nil //nolint:gosec // a stream of 2 GB holds fewer
}
