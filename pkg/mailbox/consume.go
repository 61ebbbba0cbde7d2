package mailbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
)

const (
	// maxBatch is the most that one transaction handles. It is also what is prefetched: the broker's
	// acknowledgement wait begins when a message enters the buffer, so what is in there must be handled
	// within half of it.
	maxBatch = 256
	// heartbeat is how often an idle broker says that it still knows the consumer; two missing ones are
	// the only sign of some losses.
	heartbeat = 2 * time.Second
	// handover is the delay after which what was prefetched and not begun goes to the next replica.
	handover = 100 * time.Millisecond
)

// run keeps the consumer open until ctx ends. Its durable or the whole stream may be deleted, or the broker
// may have been replaced by an empty one: then it goes on asking until the provisioner has made it anew.
func (in *inbox) run(ctx context.Context) {
	for failures := 1; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := in.consume(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > mostDelay {
			failures = 1
		}
		pause := backoff(failures, 50*time.Millisecond, time.Second)
		in.log.WarnContext(ctx, "consumer lost, opening it again", "failures", failures, "pause", pause, "error", err)
		rest(ctx, pause, nil)
	}
}

// consume opens the durable consumer and handles what it delivers, until it is lost or ctx ends. Opening
// takes nothing but the permission to ask for its state: the service's login cannot make one.
func (in *inbox) consume(ctx context.Context) error {
	consumer, err := in.js.Consumer(ctx, events.Stream, string(in.service))
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", in.service, err)
	}
	arrived, lost, end := make(chan jetstream.Msg, maxBatch), make(chan error, 1), make(chan struct{})
	delivering, err := consumer.Consume(func(msg jetstream.Msg) {
		select {
		case arrived <- msg: // blocks while the buffer is full, and then nothing more is asked for
		case <-end:
		}
	}, jetstream.PullMaxMessages(maxBatch), jetstream.PullHeartbeat(heartbeat), jetstream.ConsumeErrHandler(reportLoss(lost)))
	if err != nil {
		return fmt.Errorf("consume from %s: %w", in.service, err)
	}
	defer func() {
		in.consumer.Store(nil)
		in.giveBackAll(ctx, delivering, arrived)
		close(end)
	}()
	in.consumer.Store(&consumer)
	in.metrics.opened.Inc()
	in.opened()
	if err := in.faults.At(ctx, failpoint.InboxOpened); err != nil {
		return err
	}
	return in.receive(ctx, arrived, lost)
}

// reportLoss tells which of the errors that a consumer reports are the end of it. The others (the server
// shuts down, a leader changed) heal with the connection or with the next request.
func reportLoss(lost chan<- error) jetstream.ConsumeErrHandlerFunc {
	return func(_ jetstream.ConsumeContext, err error) {
		for _, end := range []error{jetstream.ErrConsumerDeleted, jetstream.ErrNoHeartbeat, jetstream.ErrBadRequest, jetstream.ErrConnectionClosed, nats.ErrNoResponders} {
			if errors.Is(err, end) {
				select {
				case lost <- err:
				default: // it is known already
				}
				return
			}
		}
	}
}

// receive handles batch after batch: one message begins it, and what has arrived by then is the rest.
// Under load these are the ones that came while the last batch was being committed, and a moment after
// (see company).
func (in *inbox) receive(ctx context.Context, arrived <-chan jetstream.Msg, lost <-chan error) error {
	last := 0
	for failures := 0; ctx.Err() == nil; { // what has not begun by the end is somebody else's
		select {
		case <-ctx.Done():
		case err := <-lost:
			return err
		case first := <-arrived:
			if last > 1 {
				rest(ctx, company, nil)
			}
			batch := gather(first, arrived)
			last = len(batch)
			if err := in.handle(ctx, batch); err == nil {
				failures = 0
				continue
			}
			failures++
			rest(ctx, backoff(failures, firstDelay, time.Second), nil) // the database is away
		}
	}
	return nil
}

func gather(first jetstream.Msg, arrived <-chan jetstream.Msg) []jetstream.Msg {
	batch := []jetstream.Msg{first}
	for len(batch) < maxBatch {
		select {
		case msg := <-arrived:
			batch = append(batch, msg)
		default:
			return batch
		}
	}
	return batch
}

// giveBackAll returns what was prefetched or is still on its way, so that nobody has to wait for its
// acknowledgement wait to end.
func (in *inbox) giveBackAll(ctx context.Context, delivering jetstream.ConsumeContext, arrived <-chan jetstream.Msg) {
	delivering.Drain()
	if err := in.faults.At(ctx, failpoint.InboxBeforeReturn); err != nil {
		return // then they come again when it has ended
	}
	closed, late := delivering.Closed(), time.After(brokerTime)
	for {
		select {
		case msg := <-arrived:
			in.giveBack(ctx, msg, handover)
		case <-closed:
			if len(arrived) == 0 {
				return
			}
		case <-late: // the broker is not there to say that nothing more is on its way
			return
		}
	}
}

// ready asks the broker for the durable consumer.
func (in *inbox) ready(ctx context.Context) error {
	consumer := in.consumer.Load()
	if consumer == nil {
		return errors.New("the durable consumer is not open")
	}
	if _, err := (*consumer).Info(ctx); err != nil {
		return fmt.Errorf("the durable consumer does not answer: %w", err)
	}
	return nil
}
