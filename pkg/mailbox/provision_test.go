package mailbox_test

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

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
)

// state is what the broker has, settings and all.
func (w *world) state() map[string]any {
	w.t.Helper()
	stream, err := w.admin.Stream(w.t.Context(), events.Stream)
	if err != nil {
		w.t.Fatal(err)
	}
	state := map[string]any{"stream": stream.CachedInfo().Config, "created": stream.CachedInfo().Created}
	for _, service := range events.Services {
		consumer, err := stream.Consumer(w.t.Context(), string(service))
		if err != nil {
			w.t.Fatal(err)
		}
		state[string(service)] = consumer.CachedInfo().Config
		state[string(service)+" created"] = consumer.CachedInfo().Created
	}
	return state
}

func TestProvision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	provisioner := jetStream(t, w.connect(mailbox.Provisioner))
	provision := func() {
		t.Helper()
		if err := mailbox.Provision(t.Context(), provisioner); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.admin.DeleteStream(t.Context(), events.Stream); err != nil {
		t.Fatal(err)
	}
	provision()
	made := w.state()
	got := made["stream"].(jetstream.StreamConfig)
	for name, ok := range map[string]bool{
		"every event of the saga":    slices.Equal(got.Subjects, []string{"saga.>"}),
		"file storage":               got.Storage == jetstream.FileStorage,
		"limits retention":           got.Retention == jetstream.LimitsPolicy,
		"refusing when full":         got.Discard == jetstream.DiscardNew && got.MaxBytes == 2<<30 && got.MaxMsgs == -1,
		"a day":                      got.MaxAge == 24*time.Hour,
		"64 KiB":                     got.MaxMsgSize == 64<<10,
		"an hour without duplicates": got.Duplicates == time.Hour,
		"nobody deletes":             got.DenyDelete,
		"nothing that weakens it":    !got.AllowAtomicPublish && !got.AllowMsgSchedules && got.PersistMode == jetstream.DefaultPersistMode && !got.NoAck,
	} {
		if !ok {
			t.Errorf("the stream does not have: %s (%+v)", name, got)
		}
	}
	for service, heard := range events.Subscriptions {
		c := made[string(service)].(jetstream.ConsumerConfig)
		if c.Durable != string(service) || c.AckPolicy != jetstream.AckExplicitPolicy || c.DeliverPolicy != jetstream.DeliverAllPolicy ||
			c.AckWait != 5*time.Second || c.MaxAckPending != 1024 || c.MaxDeliver != -1 || len(c.BackOff) != 0 || len(c.FilterSubjects) != len(heard) {
			t.Errorf("consumer %s has %+v", service, c)
		}
	}

	provision()
	if again := w.state(); !reflect.DeepEqual(again, made) {
		t.Errorf("provisioning again has changed something:\n%+v\n%+v", made, again)
	}

	// Whatever is missing or was changed is mended, and nothing else is touched.
	w.stream(func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour; c.Duplicates = time.Minute })
	changed := made["payment"].(jetstream.ConsumerConfig)
	changed.AckWait = time.Minute
	if _, err := w.admin.UpdateConsumer(t.Context(), events.Stream, changed); err != nil {
		t.Fatal(err)
	}
	if err := w.admin.DeleteConsumer(t.Context(), events.Stream, "order"); err != nil {
		t.Fatal(err)
	}
	provision()
	mended := w.state()
	delete(mended, "order created")
	delete(made, "order created")
	if !reflect.DeepEqual(mended, made) {
		t.Errorf("provisioning has not mended it:\n%+v\n%+v", made, mended)
	}

	// Room that an operator has added stays.
	w.stream(func(c *jetstream.StreamConfig) { c.MaxBytes = 3 << 30 })
	provision()
	if got := w.state()["stream"].(jetstream.StreamConfig).MaxBytes; got != 3<<30 {
		t.Errorf("the stream that was enlarged has %d bytes", got)
	}
}

// What is translated is given to the translator and to no service. When the services have learned the version
// it is the other way round, from then on.
func TestWhatIsTranslatedIsGivenToNoService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	provisioner := jetStream(t, w.connect(mailbox.Provisioner))
	second := events.OrderCreatedV2{}.Type()
	heard := func(name string) []string {
		t.Helper()
		consumer, err := w.admin.Consumer(t.Context(), events.Stream, name)
		if err != nil {
			t.Fatal(err)
		}
		return consumer.CachedInfo().Config.FilterSubjects
	}
	if got := heard("inventory"); !slices.Contains(got, second.Filter()) {
		t.Errorf("where nothing is translated inventory hears %v", got)
	}
	if _, err := w.admin.Consumer(t.Context(), events.Stream, mailbox.Translator); !errors.Is(err, jetstream.ErrConsumerNotFound) {
		t.Errorf("where nothing is translated there is a consumer for it: %v", err)
	}
	if err := mailbox.Provision(t.Context(), provisioner, second); err != nil {
		t.Fatal(err)
	}
	if got := heard("inventory"); slices.Contains(got, second.Filter()) || !slices.Contains(got, events.OrderCreated{}.Type().Filter()) {
		t.Errorf("inventory hears %v", got)
	}
	if got := heard(mailbox.Translator); !slices.Equal(got, []string{second.Filter()}) {
		t.Errorf("the translator hears %v", got)
	}
	if err := mailbox.Provision(t.Context(), provisioner); err != nil {
		t.Fatal(err)
	}
	if got := heard("inventory"); !slices.Contains(got, second.Filter()) {
		t.Errorf("when nothing is translated any more inventory hears %v", got)
	}
}

// Why consumers learn a version before anybody says it: a filter that is made wider does not go back.
func TestAVersionThatIsSaidTooEarlyIsGivenToNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, second := events.OrderCreated{}.Type(), events.OrderCreatedV2{}.Type()
	provisioner := jetStream(t, w.connect(mailbox.Provisioner))
	if err := mailbox.Provision(t.Context(), provisioner, second); err != nil {
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
	if err := mailbox.Provision(t.Context(), provisioner); err != nil {
		t.Fatal(err)
	}
	given(second.SubjectOf(uuid.NewString())) // and not the one that was said before
}

// Every login can do what its process needs; that is what all the other tests show. Here is what it cannot.
func TestPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, service := range events.Services {
		user := string(service)
		other := events.Services[(slices.Index(events.Services, service)+1)%len(events.Services)]
		w.refusesPublish(user, "another service's event", "saga."+string(other)+".Anything.v1."+uuid.NewString())
		w.refusesSubscribe(user, "all events", "saga.>")
		w.refusesSubscribe(user, "another's answers", mailbox.InboxPrefix(string(other))+".>")
		w.refusesManaging(user)
		w.refusesPublish(user, "asking for another's messages", "$JS.API.CONSUMER.MSG.NEXT.SAGA."+string(other))
		w.refusesPublish(user, "acknowledging for another", "$JS.ACK.SAGA."+string(other)+".1.1.1.1.1")
		w.refusesPublish(user, "pausing another", "$JS.API.CONSUMER.PAUSE.SAGA."+string(other))
		w.refusesPublish(user, "reading the stream", "$JS.API.STREAM.MSG.GET.SAGA")
	}
	// The translator cannot say what it hears, so it never hears itself.
	w.refusesPublish(mailbox.Translator, "the version that it hears", events.OrderCreatedV2{}.Type().SubjectOf(uuid.NewString()))
	w.refusesPublish(mailbox.Translator, "any other event", events.OrderCancelled{}.Type().SubjectOf(uuid.NewString()))
	w.refusesPublish(mailbox.Translator, "taking a service's messages", "$JS.API.CONSUMER.MSG.NEXT.SAGA.inventory")
	w.refusesPublish(mailbox.Translator, "acknowledging for a service", "$JS.ACK.SAGA.inventory.1.1.1.1.1")
	w.refusesPublish(mailbox.Translator, "reading the stream", "$JS.API.STREAM.MSG.GET.SAGA")
	w.refusesSubscribe(mailbox.Translator, "all events", "saga.>")
	w.refusesManaging(mailbox.Translator)
	w.refusesPublish(mailbox.Translator, "pausing itself", "$JS.API.CONSUMER.PAUSE.SAGA.translator")
	w.refusesManaging(mailbox.Observer)
	w.refusesPublish(mailbox.Observer, "pausing a service", "$JS.API.CONSUMER.PAUSE.SAGA.order")
	w.refusesPublish(mailbox.Observer, "an event", "saga.order.OrderConfirmed.v1."+uuid.NewString())
	w.refusesPublish(mailbox.Observer, "taking a service's messages", "$JS.API.CONSUMER.MSG.NEXT.SAGA.order")
	w.refusesSubscribe(mailbox.Observer, "the services' acknowledgements", "$JS.ACK.>")
	w.refusesPublish(mailbox.Provisioner, "an event", "saga.order.OrderConfirmed.v1."+uuid.NewString())
	w.refusesPublish(mailbox.Provisioner, "deleting the stream", "$JS.API.STREAM.DELETE.SAGA")
	w.refusesSubscribe(mailbox.Provisioner, "all events", "saga.>")
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

// refusal is what the broker says to something that a user does, or nothing.
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
		w.t.Errorf("%s may listen to %s: %s", user, subject, what)
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
func TestTheObserverReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, order, message := request(t)
	w.deliver(order, message)
	nc := w.connect(mailbox.Observer)
	stream, err := jetStream(t, nc).Stream(t.Context(), events.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := stream.GetMsg(t.Context(), 1); err != nil || string(msg.Data) != string(message) {
		t.Errorf("read %v (%v)", msg, err)
	}
	if _, err := stream.Consumer(t.Context(), "shipping"); err != nil {
		t.Error(err)
	}
	seen := make(chan struct{}, 1)
	if _, err := nc.Subscribe(events.StreamSubjects, func(*nats.Msg) { seen <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(within); err != nil {
		t.Fatal(err)
	}
	w.send(1)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	select {
	case <-seen:
	case <-ctx.Done():
		t.Error("the observer sees no events")
	}
}
