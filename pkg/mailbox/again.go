package mailbox

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
)

// A lost volume puts a day's events back into the outbox, and nearly all of them everybody has heard long ago. The
// sagas that are under way must not wait behind them. So what was never published goes first, then what was said last
// comes first, and of that no more than those who hear it keep up with: what stands in the stream already, nothing
// overtakes.

// withheldPause is how long the relay waits for the hearers to catch up before it asks them again.
const withheldPause = 20 * time.Millisecond

// again is how far the relay is with publishing again. It is the relay's own, and lost with it: the rows tell a new
// one the same.
type again struct {
	begun    bool      // there may be more than what was taken
	withheld bool      // this round takes none, because somebody lags behind
	last     time.Time // when some were taken last
}

// roomAgain is how many of the room for events may be used to publish again. Somebody who does not catch up, or is
// not there, slows it down and cannot stop it: a window a second is published whatever they do.
func (r *relay) roomAgain(ctx context.Context, room int) int {
	r.again.withheld = r.again.begun && time.Since(r.again.last) < rescan && r.hearersLag(ctx)
	if r.again.withheld {
		return 0
	}
	return room
}

// took notes what a round has taken that had room for so many.
func (a *again) took(rows []row, room int) {
	switch {
	case slices.ContainsFunc(rows, func(r row) bool { return r.Again }):
		a.begun, a.last = true, time.Now()
	case !a.withheld && len(rows) < room: // that was all
		a.begun = false
	}
}

// hearersLag says whether one of the services that hear this one has a window of events or more before it.
func (r *relay) hearersLag(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	return slices.ContainsFunc(hearers(r.service), func(s events.Service) bool {
		consumer, err := r.js.Consumer(ctx, events.Stream, string(s))
		return err == nil && lags(consumer)
	})
}

func lags(c jetstream.Consumer) bool { return c.CachedInfo().NumPending >= window }

// hearers are the services that hear anything of what this one says.
func hearers(of events.Service) []events.Service {
	return slices.DeleteFunc(slices.Clone(events.Services), func(s events.Service) bool {
		return !slices.ContainsFunc(events.Subscriptions[s], func(t events.Type) bool { return t.Service == of })
	})
}
