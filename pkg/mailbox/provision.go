package mailbox

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
)

// Provision ensures, once, that the stream and every service's durable consumer exist and have their
// settings. What is as it should be is only looked at, so it may run every second. It takes the login that
// may: the services' own cannot create anything.
func Provision(ctx context.Context, js jetstream.JetStream) error {
	stream, err := js.Stream(ctx, events.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		stream, err = js.CreateStream(ctx, streamSettings(jetstream.StreamConfig{}))
	case err == nil:
		found := stream.CachedInfo().Config
		if want := streamSettings(found); !reflect.DeepEqual(found, want) {
			stream, err = js.UpdateStream(ctx, want)
		}
	}
	if err != nil {
		return fmt.Errorf("ensure stream %s: %w", events.Stream, err)
	}
	for _, service := range events.Services {
		if err := provisionConsumer(ctx, stream, service); err != nil {
			return fmt.Errorf("ensure consumer %s: %w", service, err)
		}
	}
	return nil
}

func provisionConsumer(ctx context.Context, stream jetstream.Stream, service events.Service) error {
	consumer, err := stream.Consumer(ctx, string(service))
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		_, err = stream.CreateConsumer(ctx, consumerSettings(jetstream.ConsumerConfig{}, service))
	case err == nil:
		found := consumer.CachedInfo().Config
		if want := consumerSettings(found, service); !reflect.DeepEqual(found, want) {
			_, err = stream.UpdateConsumer(ctx, want)
		}
	}
	return err
}

// streamSettings is the given configuration with everything that matters set.
func streamSettings(c jetstream.StreamConfig) jetstream.StreamConfig {
	c.Name = events.Stream
	c.Description = "Every event of every order's saga."
	c.Subjects = []string{events.StreamSubjects}
	c.Storage = jetstream.FileStorage
	// Messages stay until they are old, whoever has read them: they are the orders' history, and the
	// duplicate window survives a restart of the server only with this policy.
	c.Retention = jetstream.LimitsPolicy
	c.MaxAge = horizon
	c.MaxBytes = max(c.MaxBytes, 2<<30) // an operator may have enlarged a stream that was full
	// A full stream refuses; it must never drop what nobody has read. The outboxes keep what is refused.
	c.Discard = jetstream.DiscardNew
	c.MaxMsgSize = maxPayload
	// Covers any retry of the relay. What comes even later is absorbed by the inboxes.
	c.Duplicates = time.Hour
	c.DenyDelete = true
	c.AllowDirect = true // reading one message, for whoever checks and watches
	c.Replicas = max(1, c.Replicas)
	return c
}

// consumerSettings is the given configuration with everything that matters set.
func consumerSettings(c jetstream.ConsumerConfig, service events.Service) jetstream.ConsumerConfig {
	c.Durable = string(service)
	c.Name = string(service)
	c.FilterSubject = ""
	c.FilterSubjects = make([]string, 0, len(events.HeardBy[service]))
	for _, heard := range events.HeardBy[service] {
		c.FilterSubjects = append(c.FilterSubjects, heard.Filter())
	}
	c.DeliverPolicy = jetstream.DeliverAllPolicy
	c.AckPolicy = jetstream.AckExplicitPolicy
	// What a killed process held waits this long. A batch takes milliseconds.
	c.AckWait = 5 * time.Second
	c.MaxAckPending = 1024
	// For ever: giving up is our decision, by a dead letter. No BackOff, which would override the
	// delays that a message is given back with.
	c.MaxDeliver = -1
	c.BackOff = nil
	return c
}
