package natsadmin_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// next takes one message for shipping, if there is one within the given time.
func (w *world) next(js jetstream.JetStream, wait time.Duration) bool {
	w.t.Helper()
	consumer, err := js.Consumer(w.t.Context(), events.Stream, "shipping")
	if err != nil {
		w.t.Fatal(err)
	}
	msg, err := consumer.Next(jetstream.FetchMaxWait(wait))
	return err == nil && msg.DoubleAck(w.t.Context()) == nil
}

func TestConsumer_GetsNothingWhileItIsPaused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shipping := jetStream(t, w.connect("shipping")) // the login may pause its own consumer
	status := func() natsadmin.ConsumerStatus {
		t.Helper()
		status, err := natsadmin.Status(t.Context(), shipping, events.Shipping)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if err := natsadmin.Pause(t.Context(), shipping, events.Shipping, time.Minute); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.publish(uuid.NewString(), "")
	}
	testkit.Eventually(t, within, "three events to wait", func() bool { return status().Pending == 3 })
	if err := natsadmin.Provision(t.Context(), w.admin); err != nil { // leaves a pause alone
		t.Fatal(err)
	}
	if left := status().PausedFor; left <= 0 || left > time.Minute {
		t.Errorf("it is paused for %v", left)
	}
	if w.next(shipping, time.Second) {
		t.Error("an event was delivered during the pause")
	}
	if err := natsadmin.Resume(t.Context(), shipping, events.Shipping); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if !w.next(shipping, within) {
			t.Errorf("event %d was not delivered after the pause", i+1)
		}
	}
	if now := status(); now != (natsadmin.ConsumerStatus{}) {
		t.Errorf("after the pause: %+v", now)
	}
}

func TestConsumer_APauseEndsByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shipping := jetStream(t, w.connect("shipping"))
	if err := natsadmin.Pause(t.Context(), shipping, events.Shipping, time.Second); err != nil {
		t.Fatal(err)
	}
	w.publish(uuid.NewString(), "")
	if !w.next(shipping, within) {
		t.Error("nothing was delivered after the pause")
	}
}
