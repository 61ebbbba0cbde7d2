package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const (
	one     = "0193a000-0000-7000-8000-000000000001"
	another = "0193a000-0000-7000-8000-000000000002"
)

func open(t *testing.T) (*eventlog.Stream, *testkit.NATS) {
	t.Helper()
	broker := testkit.Broker(t)
	stream, err := eventlog.Open(broker.URL(natsadmin.Observer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Close)
	return stream, broker
}

// publish publishes an event, under the given id.
func publish(t *testing.T, broker *testkit.NATS, id string, event events.Event) {
	t.Helper()
	message, err := events.Encode(id, time.Now(), events.Cause{}, event)
	if err != nil {
		t.Fatal(err)
	}
	js, err := broker.Connect(t, event.Type().Service).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(event.Type().SubjectOf(event.Order()), message, nats.MsgId(uuid.NewString())); err != nil {
		t.Fatal(err)
	}
}

func cancelled(order, reason string) events.Event {
	return events.OrderCancelled{Subject: events.Subject{OrderID: order}, Reason: reason}
}

func TestEventlog_HistoryIsReadInOrderAndForOneOrderAlone(t *testing.T) {
	t.Parallel()
	stream, broker := open(t)
	js, err := broker.Connect(t, events.Order).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	const many = 1234 // more than two batches
	for n := range many {
		event := cancelled([]string{one, another}[n%2], fmt.Sprint(n))
		message, err := events.Encode(uuid.NewString(), time.Now(), events.Cause{}, event)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.PublishAsync(event.Type().SubjectOf(event.Order()), message); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	for order, want := range map[string]int{"": many, one: many / 2, "0193a000-0000-7000-8000-000000000009": 0} {
		last, found := uint64(0), 0
		err := stream.History(t.Context(), order, func(seen eventlog.Seen) error {
			if seen.Sequence <= last || order != "" && seen.Envelope.Subject != order || seen.Problem != nil {
				t.Errorf("after %d came %+v", last, seen)
			}
			last = seen.Sequence
			found++
			return nil
		})
		if err != nil || found != want {
			t.Errorf("%d events about %q, want %d; %v", found, order, want, err)
		}
	}
}

func TestEventlog_FollowingShowsThePastAndThenWhatComesEachOnce(t *testing.T) {
	t.Parallel()
	stream, broker := open(t)
	known := uuid.NewString()
	publish(t, broker, known, cancelled(one, "past"))
	publish(t, broker, uuid.NewString(), cancelled(another, "not asked for"))
	var reasons []string
	enough := errors.New("enough")
	err := stream.Follow(t.Context(), one, true, func(seen eventlog.Seen) error {
		reasons = append(reasons, seen.Event.(events.OrderCancelled).Reason)
		switch len(reasons) {
		case 1: // delivered again, and then something new
			publish(t, broker, known, cancelled(one, "past"))
			publish(t, broker, uuid.NewString(), cancelled(one, "new"))
		case 2:
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || fmt.Sprint(reasons) != "[past new]" {
		t.Errorf("seen %v, %v", reasons, err)
	}
}

func TestEventlog_AMessageThatIsNoEventIsSeenWithItsProblem(t *testing.T) {
	t.Parallel()
	stream, broker := open(t)
	live, err := stream.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	js, err := broker.Connect(t, events.Order).JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish("saga.order.Odd.v1."+one, []byte("?")); err != nil {
		t.Fatal(err)
	}
	seen, err := live.Next(t.Context())
	if err != nil || seen.Problem == nil || seen.Subject != "saga.order.Odd.v1."+one {
		t.Errorf("seen %+v, %v", seen, err)
	}
}

func TestEventlog_TheBacklogOfAService(t *testing.T) {
	t.Parallel()
	stream, broker := open(t)
	publish(t, broker, uuid.NewString(), events.OrderCreated{Snapshot: events.Snapshot{OrderID: one}})
	// A consumer is told of a message a moment after its publisher is.
	testkit.Eventually(t, 20*time.Second, "inventory to have one pending", func() bool {
		inventory, err := stream.Backlog(t.Context(), events.Inventory)
		return err == nil && inventory.Pending == 1
	})
	shipping, err := stream.Backlog(t.Context(), events.Shipping)
	if err != nil || shipping.Pending != 0 {
		t.Errorf("shipping has %+v, %v", shipping, err)
	}
	info, err := stream.Info(t.Context())
	if err != nil || info != (eventlog.Info{First: 1, Last: 1, Messages: 1}) {
		t.Errorf("the stream has %+v, %v", info, err)
	}
}

func TestEventlog_WithoutABrokerItFailsAtOnce(t *testing.T) {
	t.Parallel()
	if _, err := eventlog.Open("nats://observer:x@127.0.0.1:1"); err == nil {
		t.Error("it connected")
	}
}

func TestEventlog_WhoListensToSubjectsStopsWithTheContext(t *testing.T) {
	t.Parallel()
	stream, broker := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	received := make(chan string, 10)
	if err := stream.Subjects(ctx, events.OrderCancelled{}.Type().Filter(), func(subject string) { received <- subject }); err != nil {
		t.Fatal(err)
	}
	publish(t, broker, uuid.NewString(), cancelled(one, ""))
	if got, want := <-received, (events.OrderCancelled{}).Type().SubjectOf(one); got != want {
		t.Errorf("received %s, want %s", got, want)
	}
	cancel()
	testkit.Eventually(t, 5*time.Second, "nothing is received any more", func() bool {
		for len(received) > 0 {
			<-received
		}
		publish(t, broker, uuid.NewString(), cancelled(another, ""))
		// What the broker answers on the same connection comes after what it had delivered there before.
		if _, err := stream.Info(t.Context()); err != nil {
			t.Error(err)
		}
		return len(received) == 0
	})
}
