package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// maxBatch is the most events that one transaction handles. As many are prefetched: the broker's acknowledgement
	// wait begins when a message enters the buffer, so what is in there must be handled within half of it.
	maxBatch = 256
	// heartbeat is how often an idle broker confirms the consumer; two missing ones are the only sign of some losses.
	heartbeat = 2 * time.Second
	// shutdownNakDelay is the delay after which messages that were prefetched and not begun go to another replica.
	shutdownNakDelay = 100 * time.Millisecond
	firstRetryDelay  = 100 * time.Millisecond
	// maxRetryDelay is for an event's own failures. Where the database was away it waits for maxPause at most.
	maxRetryDelay = 10 * time.Second
)

// run keeps the consumer open until ctx ends. The durable or the whole stream may be deleted, or the broker may be
// replaced by an empty one: then it retries until somebody has created them anew.
func (in *inbox) run(ctx context.Context) {
	if len(in.handlers) == 0 { // this application only publishes
		<-ctx.Done()
		return
	}
	for failures := 1; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := in.consume(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > maxRetryDelay {
			failures = 1
		}
		pause := backoff(failures, 50*time.Millisecond, time.Second)
		in.Log.WarnContext(ctx, "consumer lost, opening it again", "failures", failures, "pause", pause, "error", err)
		wait(ctx, pause, nil)
	}
}

// consume opens the durable consumer and handles what it delivers, until the consumer is lost or ctx ends. Opening
// takes only the permission to ask for its state: the application's login need not be able to create one.
func (in *inbox) consume(ctx context.Context) error {
	consumer, err := in.js.Consumer(ctx, in.Stream, in.Name)
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", in.Name, err)
	}
	arrived, lost, end := make(chan jetstream.Msg, maxBatch), make(chan error, 1), make(chan struct{})
	delivering, err := consumer.Consume(func(msg jetstream.Msg) {
		select {
		case arrived <- msg: // blocks while the buffer is full, and then no more messages are requested
		case <-end:
		}
	}, jetstream.PullMaxMessages(maxBatch), jetstream.PullHeartbeat(heartbeat),
		jetstream.ConsumeErrHandler(reportLoss(lost)))
	if err != nil {
		return fmt.Errorf("consume from %s: %w", in.Name, err)
	}
	defer func() {
		in.consumer.Store(nil)
		in.drain(ctx, delivering, arrived)
		close(end)
	}()
	in.consumer.Store(&consumer)
	in.Observe(ConsumerOpened, "", 1)
	in.onOpen()
	if err := in.failpoint(ctx, InboxOpened, nil); err != nil {
		return err
	}
	return in.receive(ctx, arrived, lost)
}

// reportLoss passes on those errors that end a consumer. The others (the server shuts down, a leader changed) heal with
// the connection or with the next request.
func reportLoss(lost chan<- error) jetstream.ConsumeErrHandlerFunc {
	ends := []error{
		jetstream.ErrConsumerDeleted, jetstream.ErrNoHeartbeat, jetstream.ErrBadRequest,
		jetstream.ErrConnectionClosed, nats.ErrNoResponders,
	}
	return func(_ jetstream.ConsumeContext, err error) {
		if slices.ContainsFunc(ends, func(end error) bool { return errors.Is(err, end) }) {
			select {
			case lost <- err:
			default: // it is known already
			}
		}
	}
}

// drain naks what was prefetched or is still on its way, so that no replica has to wait for the acknowledgement wait.
func (in *inbox) drain(ctx context.Context, delivering jetstream.ConsumeContext, arrived <-chan jetstream.Msg) {
	delivering.Drain()
	if err := in.failpoint(ctx, InboxBeforeReturn, nil); err != nil {
		return // then they are redelivered when the acknowledgement wait has ended
	}
	closed, late := delivering.Closed(), time.After(brokerTime)
	for {
		select {
		case msg := <-arrived:
			in.nak(ctx, msg, shutdownNakDelay)
		case <-closed:
			if len(arrived) == 0 {
				return
			}
		case <-late: // the broker is not there to confirm that nothing more is on its way
			return
		}
	}
}

// ready asks the broker for the durable consumer.
func (in *inbox) ready(ctx context.Context) error {
	if len(in.handlers) == 0 {
		return nil
	}
	consumer := in.consumer.Load()
	if consumer == nil {
		return errors.New("the durable consumer is not open")
	}
	if _, err := (*consumer).Info(ctx); err != nil {
		return fmt.Errorf("the durable consumer does not answer: %w", err)
	}
	return nil
}

// unreachable asks the database itself, instead of guessing from an error whether it was about the event.
func (in *inbox) unreachable(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), brokerTime)
	defer cancel()
	return in.Pool.Ping(ctx) != nil
}

// ack is an optimisation: if the acknowledgement gets lost, the inbox row recognises the event.
func (in *inbox) ack(ctx context.Context, batch []delivery) {
	for _, d := range batch {
		if err := d.msg.Ack(); err != nil {
			in.Log.DebugContext(ctx, "event not acknowledged, it will be redelivered",
				in.KeyName, d.Key, "event", d.Type, "error", err)
		}
	}
}

// retry has the events redelivered, later and later, up to a delay of most. Never without a delay: a message that is
// nak'ed without one comes back within a millisecond, for as long as the cause lasts.
func (in *inbox) retry(ctx context.Context, batch []delivery, cause error, most time.Duration) {
	for _, d := range batch {
		delay, now := backoff(d.Attempt, firstRetryDelay, most), time.Now()
		in.Observe(Retries, "", 1)
		in.OnRetry(Retry{
			EventID: d.ID, Key: d.Key, Type: d.WireType, Attempts: d.Attempt,
			Since: d.Since, LastAt: now, NextAt: now.Add(delay), Reason: Storable(cause.Error()),
		})
		in.Log.WarnContext(ctx, "event will be retried", in.KeyName, d.Key, "event", d.Type,
			"attempt", d.Attempt, "delay", delay, "error", cause)
		in.nak(ctx, d.msg, delay)
	}
}

func (in *inbox) nak(ctx context.Context, msg jetstream.Msg, delay time.Duration) {
	if err := msg.NakWithDelay(delay); err != nil {
		in.Log.DebugContext(ctx, "message not nak'ed, it will be redelivered after its acknowledgement wait", "error", err)
	}
}
