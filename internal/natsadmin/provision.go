// Package natsadmin is what an administrator does with the broker: the stream, the consumers, the users and what they
// may do, the server's configuration, the bucket of schemas, and pausing a consumer.
package natsadmin

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// Provision ensures, once, that the stream and every service's durable consumer exist and have their
// settings. What is as it should be is only looked at, so it may run every second. It takes the login that
// may: the services' own cannot create anything.
//
// Translated types are those that the services do not know yet: they are delivered to the translator, which publishes
// them in a version that the services know, and to no service. So no event is delivered both ways.
func Provision(ctx context.Context, js jetstream.JetStream, translated ...events.Type) error {
	stream, err := provisionStream(ctx, js, events.Stream, streamSettings)
	if err != nil {
		return err
	}
	if _, err := provisionStream(ctx, js, schemaStream, schemaSettings); err != nil {
		return err
	}
	if _, err := provisionStream(ctx, js, databaseStream, databaseSettings); err != nil {
		return err
	}
	found, err := consumersOf(ctx, stream)
	if err != nil {
		return err
	}
	for _, service := range events.Consumers {
		types := slices.DeleteFunc(slices.Clone(events.Subscriptions[service]), func(t events.Type) bool {
			return slices.Contains(translated, t)
		})
		name := string(service)
		err := provisionConsumer(ctx, stream, found, name, func(c jetstream.ConsumerConfig) jetstream.ConsumerConfig {
			return consumerSettings(c, name, types)
		})
		if err != nil {
			return err
		}
	}
	if len(translated) == 0 {
		return nil
	}
	return provisionConsumer(ctx, stream, found, Translator, func(c jetstream.ConsumerConfig) jetstream.ConsumerConfig {
		return translatorSettings(c, translated)
	})
}

// provisionStream makes a stream, or mends it; settings are those that it has with what matters set.
func provisionStream(
	ctx context.Context, js jetstream.JetStream, name string, settings func(jetstream.StreamConfig) jetstream.StreamConfig,
) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		stream, err = js.CreateStream(ctx, settings(jetstream.StreamConfig{}))
	case err == nil:
		found := stream.CachedInfo().Config
		if want := settings(found); !reflect.DeepEqual(found, want) {
			stream, err = js.UpdateStream(ctx, want)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ensure stream %s: %w", name, err)
	}
	return stream, nil
}

// consumersOf is the configuration of each consumer of a stream, in one request for all.
func consumersOf(ctx context.Context, stream jetstream.Stream) (map[string]jetstream.ConsumerConfig, error) {
	found, list := map[string]jetstream.ConsumerConfig{}, stream.ListConsumers(ctx)
	for info := range list.Info() {
		found[info.Name] = info.Config
	}
	if err := list.Err(); err != nil {
		return nil, fmt.Errorf("look at the consumers: %w", err)
	}
	return found, nil
}

// provisionConsumer makes a consumer, or mends it; settings are those that it has with what matters set.
func provisionConsumer(
	ctx context.Context, stream jetstream.Stream, all map[string]jetstream.ConsumerConfig, name string,
	settings func(jetstream.ConsumerConfig) jetstream.ConsumerConfig,
) (err error) {
	found, exists := all[name]
	want := settings(found)
	switch {
	case !exists:
		_, err = stream.CreateConsumer(ctx, want)
	case !reflect.DeepEqual(found, want):
		_, err = stream.UpdateConsumer(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("ensure consumer %s: %w", name, err)
	}
	return nil
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
	c.MaxAge = outbox.Retention
	c.MaxBytes = max(c.MaxBytes, 2<<30) // an operator may have enlarged a stream that was full
	// A full stream refuses; it must never drop what nobody has read. The outboxes keep what is refused.
	c.Discard = jetstream.DiscardNew
	c.MaxMsgSize = maxPayload
	// Covers the relay's usual retries. What comes later is absorbed by the inboxes; the broker has each id of the window
	// in its memory.
	c.Duplicates = 2 * time.Minute
	c.DenyDelete = true
	c.AllowDirect = true // reading one message, for whoever checks and watches
	c.Replicas = max(1, c.Replicas)
	return c
}

// consumerSettings is the given configuration with everything that matters set.
func consumerSettings(c jetstream.ConsumerConfig, name string, types []events.Type) jetstream.ConsumerConfig {
	c.Durable = name
	c.Name = name
	c.FilterSubject = ""
	c.FilterSubjects = make([]string, 0, len(types))
	for _, typ := range types {
		c.FilterSubjects = append(c.FilterSubjects, typ.Filter())
	}
	c.DeliverPolicy = jetstream.DeliverAllPolicy
	c.AckPolicy = jetstream.AckExplicitPolicy
	// What a killed process held waits this long. A batch takes milliseconds.
	c.AckWait = 5 * time.Second
	c.MaxAckPending = 1024
	// For ever: the inbox decides when to dead-letter. No BackOff, which would override the delays of its naks.
	c.MaxDeliver = -1
	c.BackOff = nil
	return c
}

// translatorSettings: the translator acknowledges late (see [OnDisk]), so it is given more time, and what it
// has not acknowledged is some seconds' worth and not a batch.
func translatorSettings(c jetstream.ConsumerConfig, translated []events.Type) jetstream.ConsumerConfig {
	c = consumerSettings(c, Translator, translated)
	c.AckWait = 5 * OnDisk
	c.MaxAckPending = 8192 // at 4,000 orders a second
	return c
}
