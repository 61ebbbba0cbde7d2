package natsadmin_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
)

// state is what the broker has, settings and all.
func (w *world) state() map[string]any {
	w.t.Helper()
	stream, err := w.admin.Stream(w.t.Context(), events.Stream)
	if err != nil {
		w.t.Fatal(err)
	}
	state := map[string]any{"stream": stream.CachedInfo().Config, "created": stream.CachedInfo().Created}
	for _, service := range events.Consumers {
		consumer, err := stream.Consumer(w.t.Context(), string(service))
		if err != nil {
			w.t.Fatal(err)
		}
		state[string(service)] = consumer.CachedInfo().Config
		state[string(service)+" created"] = consumer.CachedInfo().Created
	}
	return state
}

func TestProvision_CreatesWhatIsMissingAndRepairsWhatWasChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	provisioner := jetStream(t, w.connect(natsadmin.Provisioner))
	provision := func() {
		t.Helper()
		if err := natsadmin.Provision(t.Context(), provisioner); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.admin.DeleteStream(t.Context(), events.Stream); err != nil {
		t.Fatal(err)
	}
	provision()
	made := w.state()
	got := made["stream"].(jetstream.StreamConfig)
	t.Logf("measured: an event stays for %.0f hours", got.MaxAge.Hours())
	for name, ok := range map[string]bool{
		"every event of the saga":       slices.Equal(got.Subjects, []string{"saga.>"}),
		"file storage":                  got.Storage == jetstream.FileStorage,
		"limits retention":              got.Retention == jetstream.LimitsPolicy,
		"refusing when full":            got.Discard == jetstream.DiscardNew && got.MaxBytes == 2<<30 && got.MaxMsgs == -1,
		"a day":                         got.MaxAge == 24*time.Hour,
		"64 KiB":                        got.MaxMsgSize == 64<<10,
		"2 minutes without repetitions": got.Duplicates == 2*time.Minute,
		"nobody deletes":                got.DenyDelete,
		"nothing that weakens it":       !got.AllowAtomicPublish && !got.AllowMsgSchedules && got.PersistMode == jetstream.DefaultPersistMode && !got.NoAck,
	} {
		if !ok {
			t.Errorf("the stream does not have: %s (%+v)", name, got)
		}
	}
	for service, filters := range events.Subscriptions {
		c := made[string(service)].(jetstream.ConsumerConfig)
		if c.Durable != string(service) || c.AckPolicy != jetstream.AckExplicitPolicy || c.DeliverPolicy != jetstream.DeliverAllPolicy ||
			c.AckWait != 5*time.Second || c.MaxAckPending != 1024 || c.MaxDeliver != -1 || len(c.BackOff) != 0 || len(c.FilterSubjects) != len(filters) {
			t.Errorf("consumer %s has %+v", service, c)
		}
	}

	provision()
	if second := w.state(); !reflect.DeepEqual(second, made) {
		t.Errorf("provisioning a second time has changed something:\n%+v\n%+v", made, second)
	}

	// Whatever is missing or was changed is repaired, and nothing else is touched.
	w.configure(func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour; c.Duplicates = time.Minute })
	changed := made["payment"].(jetstream.ConsumerConfig)
	changed.AckWait = time.Minute
	if _, err := w.admin.UpdateConsumer(t.Context(), events.Stream, changed); err != nil {
		t.Fatal(err)
	}
	if err := w.admin.DeleteConsumer(t.Context(), events.Stream, "order"); err != nil {
		t.Fatal(err)
	}
	provision()
	repaired := w.state()
	delete(repaired, "order created")
	delete(made, "order created")
	if !reflect.DeepEqual(repaired, made) {
		t.Errorf("provisioning has not repaired it:\n%+v\n%+v", made, repaired)
	}

	// Room that an operator has added stays.
	w.configure(func(c *jetstream.StreamConfig) { c.MaxBytes = 3 << 30 })
	provision()
	if got := w.state()["stream"].(jetstream.StreamConfig).MaxBytes; got != 3<<30 {
		t.Errorf("the stream that was enlarged has %d bytes", got)
	}
}

// What is translated is delivered to the translator and to no service. When the services know the version
// it is the other way round, from then on.
func TestProvision_WhatIsTranslatedIsDeliveredToNoService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	provisioner := jetStream(t, w.connect(natsadmin.Provisioner))
	second := events.OrderCreatedV2{}.Type()
	filters := func(name string) []string {
		t.Helper()
		consumer, err := w.admin.Consumer(t.Context(), events.Stream, name)
		if err != nil {
			t.Fatal(err)
		}
		return consumer.CachedInfo().Config.FilterSubjects
	}
	if got := filters("inventory"); !slices.Contains(got, second.Filter()) {
		t.Errorf("where nothing is translated inventory gets %v", got)
	}
	if _, err := w.admin.Consumer(t.Context(), events.Stream, natsadmin.Translator); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("where nothing is translated there is a consumer for it: %v", err)
	}
	if err := natsadmin.Provision(t.Context(), provisioner, second); err != nil {
		t.Fatal(err)
	}
	if got := filters("inventory"); slices.Contains(got, second.Filter()) || !slices.Contains(got, events.OrderCreated{}.Type().Filter()) {
		t.Errorf("inventory gets %v", got)
	}
	if got := filters(natsadmin.Translator); !slices.Equal(got, []string{second.Filter()}) {
		t.Errorf("the translator gets %v", got)
	}
	if err := natsadmin.Provision(t.Context(), provisioner); err != nil {
		t.Fatal(err)
	}
	if got := filters("inventory"); !slices.Contains(got, second.Filter()) {
		t.Errorf("when nothing is translated any more inventory gets %v", got)
	}
}

// Why every consumer is deployed with a version before any publisher emits it: a filter that is made wider does not go back.
func TestProvision_AVersionThatIsPublishedTooEarlyIsDeliveredToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := events.OrderCreated{}.Type(), events.OrderCreatedV2{}.Type()
	provisioner := jetStream(t, w.connect(natsadmin.Provisioner))
	if err := natsadmin.Provision(t.Context(), provisioner, second); err != nil {
		t.Fatal(err)
	}
	given := func(subject string) {
		t.Helper()
		if _, err := w.admin.Publish(t.Context(), subject, nil); err != nil {
			t.Fatal(err)
		}
		consumer, err := w.admin.Consumer(t.Context(), events.Stream, "inventory")
		if err != nil {
			t.Fatal(err)
		}
		msg, err := consumer.Next(jetstream.FetchMaxWait(within))
		if err != nil || msg.Subject() != subject {
			t.Fatalf("inventory is given %v, %v, want %s", msg, err, subject)
		}
		if err := msg.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.admin.Publish(t.Context(), second.SubjectOf(uuid.NewString()), nil); err != nil {
		t.Fatal(err)
	}
	given(first.SubjectOf(uuid.NewString()))
	if err := natsadmin.Provision(t.Context(), provisioner); err != nil {
		t.Fatal(err)
	}
	given(second.SubjectOf(uuid.NewString())) // and not the one that was published before
}

// Every login can do what its process needs; that is what all the other tests show. Here is what it cannot.
func TestPermissions_RefuseWhatALoginDoesNotNeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, service := range events.Consumers {
		user := string(service)
		other := events.Consumers[(slices.Index(events.Consumers, service)+1)%len(events.Consumers)]
		w.refusesPublish(user, "another service's event", "saga."+string(other)+".Anything.v1."+uuid.NewString())
		w.refusesSubscribe(user, "all events", "saga.>")
		w.refusesSubscribe(user, "another's answers", natsadmin.InboxPrefix(string(other))+".>")
		w.refusesManaging(user)
		w.refusesPublish(user, "asking for another's messages", "$JS.API.CONSUMER.MSG.NEXT.SAGA."+string(other))
		w.refusesPublish(user, "acknowledging for another", "$JS.ACK.SAGA."+string(other)+".1.1.1.1.1")
		w.refusesPublish(user, "pausing another", "$JS.API.CONSUMER.PAUSE.SAGA."+string(other))
		w.refusesPublish(user, "reading the stream", "$JS.API.STREAM.MSG.GET.SAGA")
	}
	w.refusesPublish(string(events.Notification), "an event: it only listens", "saga.notification.Anything.v1."+uuid.NewString())
	// The translator cannot publish what it consumes, so it never consumes its own events.
	w.refusesPublish(natsadmin.Translator, "the version that it consumes", events.OrderCreatedV2{}.Type().SubjectOf(uuid.NewString()))
	w.refusesPublish(natsadmin.Translator, "any other event", events.OrderCancelled{}.Type().SubjectOf(uuid.NewString()))
	w.refusesPublish(natsadmin.Translator, "taking a service's messages", "$JS.API.CONSUMER.MSG.NEXT.SAGA.inventory")
	w.refusesPublish(natsadmin.Translator, "acknowledging for a service", "$JS.ACK.SAGA.inventory.1.1.1.1.1")
	w.refusesPublish(natsadmin.Translator, "reading the stream", "$JS.API.STREAM.MSG.GET.SAGA")
	w.refusesSubscribe(natsadmin.Translator, "all events", "saga.>")
	w.refusesManaging(natsadmin.Translator)
	w.refusesPublish(natsadmin.Translator, "pausing itself", "$JS.API.CONSUMER.PAUSE.SAGA.translator")
	w.refusesManaging(natsadmin.Observer)
	w.refusesPublish(natsadmin.Observer, "pausing a service", "$JS.API.CONSUMER.PAUSE.SAGA.order")
	w.refusesPublish(natsadmin.Observer, "an event", "saga.order.OrderConfirmed.v1."+uuid.NewString())
	w.refusesPublish(natsadmin.Observer, "taking a service's messages", "$JS.API.CONSUMER.MSG.NEXT.SAGA.order")
	w.refusesSubscribe(natsadmin.Observer, "the services' acknowledgements", "$JS.ACK.>")
	w.refusesPublish(natsadmin.Observer, "the schemas' bucket", "$JS.API.STREAM.MSG.GET.KV_schemas")
	w.refusesPublish(natsadmin.Console, "listing what it does not show", "$JS.API.STREAM.LIST")
	w.refusesPublish(natsadmin.Provisioner, "an event", "saga.order.OrderConfirmed.v1."+uuid.NewString())
	w.refusesPublish(natsadmin.Provisioner, "deleting the stream", "$JS.API.STREAM.DELETE.SAGA")
	w.refusesSubscribe(natsadmin.Provisioner, "all events", "saga.>")
	// Without this one all of it could be refused for a reason that has nothing to do with permissions.
	if err := w.refusal("order", func(nc *nats.Conn) error { return nc.Publish("saga.order.OrderConfirmed.v1."+uuid.NewString(), nil) }); err != nil {
		t.Errorf("order may not publish its own event: %v", err)
	}
	for _, user := range []string{"", "stranger"} {
		if nc, err := nats.Connect(w.broker.URL(user, "secret-"+user)); err == nil {
			nc.Close()
			t.Errorf("user %q is let in", user)
		}
	}
}

// refusal is what the broker answers to something that a user does, or nothing.
func (w *world) refusal(user string, do func(nc *nats.Conn) error) error {
	w.t.Helper()
	refused := make(chan error, 1)
	nc := w.connect(user)
	defer nc.Close()
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err })
	if err := do(nc); err != nil {
		w.t.Fatal(err)
	}
	if err := nc.FlushTimeout(within); err != nil {
		w.t.Fatal(err)
	}
	// The error handler runs on a goroutine of its own; one more round trip does not wait for it.
	select {
	case err := <-refused:
		return err
	case <-time.After(time.Second):
		return nil
	}
}

func (w *world) refusesPublish(user, what, subject string) {
	w.t.Helper()
	if err := w.refusal(user, func(nc *nats.Conn) error { return nc.Publish(subject, nil) }); err == nil {
		w.t.Errorf("%s may publish to %s: %s", user, subject, what)
	}
}

func (w *world) refusesSubscribe(user, what, subject string) {
	w.t.Helper()
	err := w.refusal(user, func(nc *nats.Conn) error {
		_, err := nc.Subscribe(subject, func(*nats.Msg) {})
		return err
	})
	if err == nil {
		w.t.Errorf("%s may subscribe to %s: %s", user, subject, what)
	}
}

func (w *world) refusesManaging(user string) {
	w.t.Helper()
	for _, api := range []string{"STREAM.CREATE.SAGA", "STREAM.UPDATE.SAGA", "STREAM.DELETE.SAGA", "STREAM.PURGE.SAGA", "STREAM.MSG.DELETE.SAGA",
		"CONSUMER.CREATE.SAGA.own", "CONSUMER.DELETE.SAGA." + user} {
		w.refusesPublish(user, "managing the stream", "$JS.API."+api)
	}
}

// The observer sees the stream and the consumers, which is what checkers and consoles are made of.
func TestPermissions_TheObserverReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const message = "an event"
	w.publish(uuid.NewString(), message)
	nc := w.connect(natsadmin.Observer)
	stream, err := jetStream(t, nc).Stream(t.Context(), events.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := stream.GetMsg(t.Context(), 1); err != nil || string(msg.Data) != message {
		t.Errorf("read %v (%v)", msg, err)
	}
	if _, err := stream.Consumer(t.Context(), "shipping"); err != nil {
		t.Error(err)
	}
	streams := jetStream(t, nc).ListStreams(t.Context())
	names := []string{}
	for info := range streams.Info() {
		names = append(names, info.Config.Name)
	}
	consumers := stream.ConsumerNames(t.Context())
	for name := range consumers.Name() {
		names = append(names, name)
	}
	if streams.Err() != nil || consumers.Err() != nil || !slices.Contains(names, events.Stream) || !slices.Contains(names, "shipping") {
		t.Errorf("it lists %v: %v, %v", names, streams.Err(), consumers.Err())
	}
	if _, err := jetStream(t, nc).AccountInfo(t.Context()); err != nil {
		t.Error(err)
	}
	seen := make(chan struct{}, 1)
	if _, err := nc.Subscribe(events.StreamSubjects, func(*nats.Msg) { seen <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(within); err != nil {
		t.Fatal(err)
	}
	w.publish(uuid.NewString(), message)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	select {
	case <-seen:
	case <-ctx.Done():
		t.Error("the observer sees no events")
	}
}

// The bucket of an earlier version could be read from any replica.
func TestProvision_SchemasAreReadFromTheLeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const bucket = "KV_" + natsadmin.Schemas
	stream, err := w.admin.Stream(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	earlier := stream.CachedInfo().Config
	earlier.AllowDirect = true
	if _, err := w.admin.UpdateStream(t.Context(), earlier); err != nil {
		t.Fatal(err)
	}
	if err := natsadmin.Provision(t.Context(), jetStream(t, w.connect(natsadmin.Provisioner))); err != nil {
		t.Fatal(err)
	}
	if info, err := stream.Info(t.Context()); err != nil || info.Config.AllowDirect {
		t.Errorf("a replica may answer: %+v, %v", info, err)
	}
}
