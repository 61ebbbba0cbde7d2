package recovery

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// Pause is how long the relay waits for the consumers before it asks for their lag once more.
	Pause = 20 * time.Millisecond
	// mostPending is how many messages a consumer that keeps up may have before it: a window of the relay.
	mostPending = 256
	// longest is how long consumers that do not catch up, or that are gone, can hold a window up.
	longest = time.Second
)

// throttle is how far republishing is. A lost volume brings a day's rows back, and the consumers have handled nearly
// all of them. The events that are new must not wait behind them: so new rows go first, then the newest of the
// republished ones, and no more of these than the consumers keep up with. What is in the stream already is not
// overtaken. The rows of the outbox show the same to a new process.
type throttle struct {
	begun     bool      // there may be more than what was taken
	throttled bool      // this round takes none, because a consumer lags behind
	last      time.Time // when some were taken last
}

// Throttled reports whether the last round was allowed to republish nothing.
func (r *Recovery) Throttled() bool { return r.throttled }

// Room is how many of the room for messages may be used to republish. A consumer that does not catch up slows it down
// and cannot stop it. It may ask the broker.
func (r *Recovery) Room(ctx context.Context, room int) int {
	recent := time.Since(r.last) < longest
	r.throttled = r.begun && recent && r.consumersLag(ctx)
	if r.throttled {
		return 0
	}
	return room
}

// Took notes what a round has taken: whether it republishes something, and whether there may be more.
func (r *Recovery) Took(republishes, more bool) {
	switch {
	case republishes:
		r.begun, r.last = true, time.Now()
	case !r.throttled && !more:
		r.begun = false
	}
}

// consumersLag reports whether one of the consumers has a window of messages or more before it.
func (r *Recovery) consumersLag(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	return slices.ContainsFunc(r.Consumers, func(name string) bool {
		consumer, err := r.JetStream.Consumer(ctx, r.Stream, name)
		return err == nil && lags(consumer)
	})
}

func lags(c jetstream.Consumer) bool { return c.CachedInfo().NumPending >= mostPending }
