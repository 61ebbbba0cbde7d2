package outbox

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// Metric names what [Config].Observe gets. The names in _total count: the value is to be added.
type Metric string

// All metrics. The label is empty where none is named.
const (
	EventsHandled     Metric = "events_handled_total"     // events whose step was committed; label: the type
	Duplicates        Metric = "duplicates_total"         // deliveries of events that had taken effect before
	Redeliveries      Metric = "redeliveries_total"       // deliveries that were not the first of their message
	Retries           Metric = "retries_total"            // deliveries that failed and are retried
	DeadLetters       Metric = "dead_letters_total"       // messages that cannot be handled
	BatchEvents       Metric = "batch_events"             // events of one committed batch: a distribution, 1 to 256
	BatchesSplit      Metric = "batches_split_total"      // batches that failed and were handled event by event
	ConsumerOpened    Metric = "consumer_opened_total"    // openings of the durable consumer
	Published         Metric = "published_total"          // messages that the broker acknowledged
	PublishErrors     Metric = "publish_errors_total"     // rounds of the relay that failed; the rows are kept
	PublishDuplicates Metric = "publish_duplicates_total" // messages that the stream had before
	Republished       Metric = "republished_total"        // rows that the broker may have lost; label: why
	Swept             Metric = "swept_total"              // old rows that were deleted; label: the table
	Backlog           Metric = "backlog"                  // rows that are not known to be published: a level
)

// Point is a place in the code where a test can make something go wrong.
type Point string

// All points, with what has happened when one is passed.
const (
	InboxReceived        Point = "inbox.received"       // a batch is in memory, nothing is stored
	InboxWritten         Point = "inbox.written"        // the event ids are in the inbox, not committed
	InboxStepped         Point = "inbox.stepped"        // one step has run, not committed
	InboxBeforeCommit    Point = "inbox.before_commit"  // inbox, effects and answers are written, not committed
	InboxAfterCommit     Point = "inbox.after_commit"   // committed, not acknowledged
	InboxAcked           Point = "inbox.acked"          // acknowledged, perhaps not sent yet
	InboxPoison          Point = "inbox.before_park"    // a message cannot be handled, no dead letter is stored
	InboxDeadLetter      Point = "inbox.parked"         // the dead letter is committed, the broker does not know
	InboxOpened          Point = "inbox.opened"         // the durable consumer is open, nothing is delivered
	InboxBeforeReturn    Point = "inbox.before_return"  // the process ends, prefetched messages are not nak'ed
	OutboxBeforeCommit   Point = "outbox.before_commit" // the work of [Outbox.Tx] is done, not committed
	OutboxAfterCommit    Point = "outbox.after_commit"  // it is committed, and the relay is awake
	RelayTaken           Point = "relay.taken"          // rows are read from the outbox, none is published
	RelayBeforePublish   Point = "relay.before_publish" // one message is about to be published
	RelayPublished       Point = "relay.published"      // a window is published, no acknowledgement was waited for
	RelayAcknowledged    Point = "relay.acknowledged"   // the broker has acknowledged, no row is marked
	RelayMarked          Point = "relay.marked"         // the acknowledged rows are marked
	RelayBeforeRepublish Point = "relay.before_replay"  // the broker has lost data; marks are removed, not committed
	RelayRepublish       Point = "relay.replayed"       // marks are removed, nothing is republished
	SweepBeforeDelete    Point = "sweep.before_delete"  // old rows are about to be deleted
	SweepDeleted         Point = "sweep.deleted"        // a batch of old rows is deleted
)

// Failpoints is what tests arm. Keys are those of the events that pass the point.
type Failpoints interface {
	// Armed says whether anything is armed; if not, the other methods are not called.
	Armed() bool
	// At may return an error, come back late, or not at all.
	At(ctx context.Context, p Point, keys ...string) error
	// Duplicate says whether to handle a received event twice ([InboxReceived]), or to publish one twice
	// ([RelayBeforePublish]).
	Duplicate(p Point, key string) bool
}

func (c *Config) failpoint(ctx context.Context, p Point, batch []delivery) error {
	if c.Failpoints == nil || !c.Failpoints.Armed() {
		return nil
	}
	keys := make([]string, len(batch))
	for i, d := range batch {
		keys[i] = d.Key
	}
	return c.Failpoints.At(ctx, p, keys...)
}

func (c *Config) passes(p Point) func(context.Context) error {
	return func(ctx context.Context) error { return c.failpoint(ctx, p, nil) }
}

func (c *Config) duplicate(p Point, key string) bool {
	return c.Failpoints != nil && c.Failpoints.Armed() && c.Failpoints.Duplicate(p, key)
}

// fillHooks makes hooks that are missing do nothing.
func (c *Config) fillHooks() {
	if c.OnCommit == nil {
		c.OnCommit = func() {}
	}
	if c.OnDeadLetter == nil {
		c.OnDeadLetter = func(context.Context, pgx.Tx, DeadLetterRow) error { return nil }
	}
	if c.OnRetry == nil {
		c.OnRetry = func(Retry) {}
	}
	if c.OnSettled == nil {
		c.OnSettled = func(string) {}
	}
	if c.OnHandled == nil {
		c.OnHandled = func(Delivery) {}
	}
	if c.Observe == nil {
		c.Observe = func(Metric, string, float64) {}
	}
}

const (
	// workTime is how long begun work may go on. It is longer than the database's statement_timeout, whose error is seen.
	workTime = 8 * time.Second
	// brokerTime is how long the broker may take to answer a question.
	brokerTime = 2 * time.Second
	// maxPause bounds how long it stays unnoticed that a database or a broker is back.
	maxPause = time.Second
	// linger is how long a batch waits at most until it has as many events as the one before it. Where the processors are
	// busy it takes nothing from the latency: fewer and larger batches save more than they wait. When there is little to
	// do no event waits.
	linger = 10 * time.Millisecond
)

// backoff is exponential from first to most, with jitter, so that events that failed together are not retried together.
func backoff(failures int, first, most time.Duration) time.Duration {
	d := most
	if shift := max(0, failures-1); shift < 16 {
		d = min(most, first<<shift)
	}
	return d/2 + rand.N(d/2+1)
}

// wait returns when d has passed or on a signal from wake; false means that ctx has ended.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
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
