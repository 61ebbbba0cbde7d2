package mailbox

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	// workTime is how long begun work may go on, whatever happens to the context that it was begun under:
	// longer than one statement may take (5 s), so that the database's verdict is heard.
	workTime = 8 * time.Second
	// brokerTime is how long the broker may take to answer a question.
	brokerTime = 2 * time.Second
	// company is how long a batch or a group waits for more, if the one before it was of more than one: what
	// belongs together arrives one by one within that time. It is far less than a commit costs under load,
	// and halves the number of commits; when there is little to do nobody waits.
	company = 2 * time.Millisecond
)

// backoff is how long to pause after so many failures in a row: exponential from first to most, with
// jitter in its upper half, so that what failed together does not come back together.
func backoff(failures int, first, most time.Duration) time.Duration {
	d := most
	if shift := max(0, failures-1); shift < 16 {
		d = min(most, first<<shift)
	}
	return d/2 + rand.N(d/2+1)
}

// rest waits until d has passed or somebody wakes it; false means that ctx has ended. A nil wake never does.
func rest(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}

// signal wakes whoever rests on the channel, now or next time. Many signals are one.
func signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
