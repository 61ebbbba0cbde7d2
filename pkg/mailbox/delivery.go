package mailbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/contracts/payload"
	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/pkg/events"
)

const (
	firstDelay = 100 * time.Millisecond
	// mostDelay bounds how long an event still waits when the cause of its own failures is gone. Where the
	// database was away nothing speaks against the event, and it waits for mostPause.
	mostDelay = 10 * time.Second
)

// delivery is a message that could be read.
type delivery struct {
	msg       jetstream.Msg
	envelope  events.Envelope
	event     events.Event
	handler   Handler
	id, order uuid.UUID
}

func (d delivery) cause() events.Cause {
	return events.Cause{EventID: d.envelope.ID, TraceParent: d.envelope.TraceParent}
}

// attempt is how often the message has been delivered by now.
func (d delivery) attempt() int {
	meta, err := d.msg.Metadata()
	if err != nil {
		return 1
	}
	return int(meta.NumDelivered)
}

// read decodes what has arrived and parks what nobody will ever understand, or what its schema does not allow.
func (in *inbox) read(ctx context.Context, msgs []jetstream.Msg) []delivery {
	batch := make([]delivery, 0, len(msgs))
	for _, msg := range msgs {
		d, err := in.understand(msg.Data())
		d.msg = msg
		if err != nil {
			in.park(ctx, d, err)
			continue
		}
		if d.attempt() > 1 {
			in.metrics.redelivered.Inc()
		}
		batch = append(batch, d)
	}
	return batch
}

// understand decodes a message, and finds who handles it.
func (in *inbox) understand(message []byte) (delivery, error) {
	envelope, typ, err := events.Open(message)
	d := delivery{envelope: envelope}
	if err != nil {
		return d, err
	}
	var known bool
	if d.handler, known = in.handlers[heardAs(typ)]; !known {
		return d, fmt.Errorf("%s does not hear %s", in.service, typ)
	}
	// Before anything is made of it, so that the reason is in the words of the contract and not in Go's.
	if err := payload.Validate(typ, envelope.Data); err != nil {
		return d, err
	}
	event, err := envelope.Event()
	if err != nil {
		return d, err
	}
	d.event = d.handler.read(event)
	// Whatever could be decoded names both as UUIDs, so these cannot fail.
	if d.id, err = uuid.Parse(envelope.ID); err == nil {
		d.order, err = uuid.Parse(event.Order())
	}
	return d, err
}

// duplicated is what a fault wants to be delivered a second time.
func (in *inbox) duplicated(batch []delivery) []delivery {
	var again []delivery
	for _, d := range batch {
		if in.faults.Duplicate(failpoint.InboxReceived, d.event.Order()) {
			again = append(again, d)
		}
	}
	return again
}

// ack tells the broker that these need not come again. It is an optimisation: the acknowledgement may get
// lost on its way or in the broker, and then the inbox row recognises the event.
func (in *inbox) ack(ctx context.Context, batch []delivery) {
	for _, d := range batch {
		if err := d.msg.Ack(); err != nil {
			in.log.DebugContext(ctx, "event not acknowledged, it will come again", "order_id", d.event.Order(), "event", d.handler.heard.name, "error", err)
		}
	}
}

// putOff has the events delivered again, later and later, up to the most that its cause of failure asks for.
// Never without a delay: a message that is given back at once comes back within a millisecond, for as long as
// the cause lasts.
func (in *inbox) putOff(ctx context.Context, batch []delivery, cause error, most time.Duration) {
	for _, d := range batch {
		delay := backoff(d.attempt(), firstDelay, most)
		in.metrics.postponed.Inc()
		in.strugglers.putOff(d, d.attempt(), delay, cause)
		in.log.WarnContext(ctx, "event put off", "order_id", d.event.Order(), "event", d.handler.heard.name, "attempt", d.attempt(), "delay", delay, "error", cause)
		in.giveBack(ctx, d.msg, delay)
	}
}

func (in *inbox) giveBack(ctx context.Context, msg jetstream.Msg, delay time.Duration) {
	if err := msg.NakWithDelay(delay); err != nil {
		in.log.DebugContext(ctx, "message not given back, it will come again after its acknowledgement wait", "error", err)
	}
}

// refuse is for an event that failed alone.
func (in *inbox) refuse(ctx context.Context, d delivery, cause error) {
	if isPoison(cause) {
		in.park(ctx, d, cause)
		return
	}
	in.putOff(ctx, []delivery{d}, cause, mostDelay)
}

// park commits the message to dead_letter and only then tells the broker to forget it.
func (in *inbox) park(ctx context.Context, d delivery, reason error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workTime)
	defer cancel()
	err := in.faults.At(ctx, failpoint.InboxBeforePark, d.envelope.Subject)
	if err == nil {
		err = pgx.BeginFunc(ctx, in.pool, func(tx pgx.Tx) error {
			return in.bury(ctx, tx, d.msg.Subject(), d.msg.Data(), d.envelope, reason)
		})
	}
	if err == nil {
		in.committed() // an incident may have been opened
		err = in.faults.At(ctx, failpoint.InboxParked, d.envelope.Subject)
	}
	if err != nil {
		in.log.WarnContext(ctx, "dead letter not stored, its message will come again", "subject", d.msg.Subject(), "error", err)
		in.giveBack(ctx, d.msg, backoff(d.attempt(), firstDelay, mostDelay))
		return
	}
	in.metrics.parked.Inc()
	in.strugglers.settled([]delivery{d})
	in.log.ErrorContext(ctx, "message parked", "order_id", d.envelope.Subject, "event", d.envelope.Type, "event_id", d.envelope.ID, "reason", reason)
	if err := d.msg.TermWithReason("parked"); err != nil {
		in.log.DebugContext(ctx, "parked message not terminated, it will come again", "error", err)
	}
}
