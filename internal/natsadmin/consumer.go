package natsadmin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
)

// LongestPause bounds how long a forgotten pause lasts.
const LongestPause = 15 * time.Minute

// ConsumerStatus is how far a service is with its events.
type ConsumerStatus struct {
	PausedFor time.Duration // how much longer; zero: it is not paused
	Pending   int           // events that were not delivered yet
}

// Pause has the broker deliver nothing to the service for so long. The broker keeps the pause: it holds for every
// replica, outlasts their processes and ends by itself. What was delivered before is still handled.
func Pause(ctx context.Context, js jetstream.JetStream, service events.Service, d time.Duration) error {
	if _, err := js.PauseConsumer(ctx, events.Stream, string(service), time.Now().Add(d)); err != nil {
		return fmt.Errorf("pause consumer %s: %w", service, err)
	}
	return nil
}

// Resume ends a pause, if there is one.
func Resume(ctx context.Context, js jetstream.JetStream, service events.Service) error {
	if _, err := js.ResumeConsumer(ctx, events.Stream, string(service)); err != nil {
		return fmt.Errorf("resume consumer %s: %w", service, err)
	}
	return nil
}

// Status asks the broker.
func Status(ctx context.Context, js jetstream.JetStream, service events.Service) (ConsumerStatus, error) {
	consumer, err := js.Consumer(ctx, events.Stream, string(service))
	if err != nil {
		return ConsumerStatus{}, fmt.Errorf("look at consumer %s: %w", service, err)
	}
	info := consumer.CachedInfo()
	return ConsumerStatus{info.PauseRemaining, int(info.NumPending)}, nil //nolint:gosec // a stream of 2 GB holds fewer
}

// Oldest is when the oldest event was stored that a consumer has not acknowledged; the zero time when there is none.
func Oldest(ctx context.Context, js jetstream.JetStream, consumer string) (oldest time.Time, err error) {
	failed := func(err error) (time.Time, error) {
		return time.Time{}, fmt.Errorf("look for the oldest event of consumer %s: %w", consumer, err)
	}
	stream, err := js.Stream(ctx, events.Stream)
	if err != nil {
		return failed(err)
	}
	found, err := stream.Consumer(ctx, consumer)
	if err != nil {
		return failed(err)
	}
	info := found.CachedInfo()
	if info.NumPending == 0 && info.NumAckPending == 0 {
		return oldest, nil
	}
	for _, subject := range info.Config.FilterSubjects {
		msg, err := stream.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(subject))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return failed(err)
		case oldest.IsZero() || msg.Time.Before(oldest):
			oldest = msg.Time
		}
	}
	return oldest, nil
}
