package translator

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/loop"
)

const (
	// prefetch keeps the broker's next messages at hand; each takes a round trip of well under a millisecond.
	prefetch = 256
	// unsettled is how many messages may wait for their acknowledgement: as many as the broker gives out.
	unsettled = 8192
)

// settling is a message whose translation is published, and not surely on the broker's disk.
type settling struct {
	msg jetstream.Msg
	due time.Time
}

// consume opens the durable consumer and translates what it delivers, until it is lost or ctx ends. An error
// means that there is none to open.
func (t *translator) consume(ctx context.Context) error {
	consumer, err := t.js.Consumer(ctx, events.Stream, natsadmin.Translator)
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", natsadmin.Translator, err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(prefetch), jetstream.PullHeartbeat(2*time.Second))
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	defer messages.Stop()
	t.open.Store(true)
	defer t.open.Store(false)
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			t.log.WarnContext(ctx, "consumer lost, opening it again", "error", err)
			return nil
		}
		t.handle(ctx, msg)
	}
}

// handle publishes a message's translation, and only then lets it be acknowledged.
func (t *translator) handle(ctx context.Context, msg jetstream.Msg) {
	translated, err := translate(msg.Data())
	if err != nil {
		t.refuse(ctx, msg, err)
		return
	}
	ack, err := t.js.PublishMsg(context.WithoutCancel(ctx), translated)
	switch {
	case err != nil:
		t.retryLater(ctx, msg, err)
		return
	case ack.Duplicate:
		t.messages.WithLabelValues("repeated").Inc()
	default:
		t.messages.WithLabelValues("translated").Inc()
	}
	t.settling <- settling{msg, time.Now().Add(natsadmin.OnDisk)}
}

// refuse ends a message that no retry will translate. It stays in the stream.
func (t *translator) refuse(ctx context.Context, msg jetstream.Msg, reason error) {
	t.messages.WithLabelValues("refused").Inc()
	t.log.ErrorContext(ctx, "message refused", "subject", msg.Subject(), "reason", reason)
	if err := msg.TermWithReason("cannot be translated"); err != nil {
		t.log.DebugContext(ctx, "refused message not terminated, it is redelivered", "error", err)
	}
}

// retryLater has a message redelivered, later and later: the broker is away, or its stream is full.
func (t *translator) retryLater(ctx context.Context, msg jetstream.Msg, cause error) {
	attempts := uint64(1)
	if meta, err := msg.Metadata(); err == nil {
		attempts = meta.NumDelivered
	}
	delay := loop.Backoff(int(min(attempts, 64)))
	t.messages.WithLabelValues("postponed").Inc()
	t.log.WarnContext(ctx, "message is retried later", "subject", msg.Subject(), "delay", delay, "error", cause)
	if err := msg.NakWithDelay(delay); err != nil {
		t.log.DebugContext(ctx, "message not returned, it is redelivered after its acknowledgement wait", "error", err)
	}
}

// acknowledge settles what is surely published. What has not been acknowledged when ctx ends is redelivered,
// and recognised.
func (t *translator) acknowledge(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-t.settling:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Until(s.due)):
			}
			if err := s.msg.Ack(); err != nil {
				t.log.DebugContext(ctx, "message not acknowledged, it is redelivered", "error", err)
			}
		}
	}
}
