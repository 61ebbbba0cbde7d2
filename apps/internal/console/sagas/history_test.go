package sagas_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// history publishes so many sagas that succeeded, as the services would have: 5 messages each, wave by wave.
func history(tb testing.TB, broker *testkit.NATS, orders int) {
	tb.Helper()
	const wave = 10_000
	template := uuid.NewString()
	snapshot := created(template).(events.OrderCreated).Snapshot
	for begun := 0; begun < orders; begun += wave {
		ids := make([]string, min(wave, orders-begun))
		for i := range ids {
			ids[i] = uuid.Must(uuid.NewV7()).String()
		}
		for _, event := range []events.Event{
			events.OrderCreated{Snapshot: snapshot}, events.InventoryReserved{Snapshot: snapshot},
			events.PaymentProcessed{Snapshot: snapshot, ChargeID: "ch_1"}, events.ShipmentCreated{Snapshot: snapshot, ShipmentID: "sh_1"},
			events.OrderConfirmed{Subject: events.Subject{OrderID: template}},
		} {
			publishAll(tb, broker, template, ids, event)
		}
	}
}

// publishAll publishes an event about each order. The one about the template is encoded, and the ids are replaced.
func publishAll(tb testing.TB, broker *testkit.NATS, template string, orders []string, event events.Event) {
	tb.Helper()
	id := uuid.NewString()
	message, err := events.Encode(id, time.Now(), events.Cause{}, event)
	if err != nil {
		tb.Fatal(err)
	}
	js, err := jetstream.New(broker.Connect(tb, event.Type().Service), jetstream.WithPublishAsyncMaxPending(5000))
	if err != nil {
		tb.Fatal(err)
	}
	for _, order := range orders {
		own := uuid.Must(uuid.NewV7()).String()
		about := bytes.ReplaceAll(bytes.ReplaceAll(message, []byte(template), []byte(order)), []byte(id), []byte(own))
		m := &nats.Msg{Subject: event.Type().SubjectOf(order), Data: about, Header: nats.Header{"Nats-Msg-Id": {own}}}
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			tb.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

// BenchmarkBoard_Completes is the time from a console's start until a page has its list, over 120,000
// sagas: 600,000 messages.
func BenchmarkBoard_Completes(b *testing.B) {
	broker := testkit.Broker(b)
	history(b, broker, 120_000)
	for b.Loop() {
		at, end := serveUntil(b, broker)
		p := openPage(b, at+"watch", "")
		shown := 0
		for p.lines.Scan() && !strings.Contains(p.lines.Text(), `"current":true,"more":false`) {
			shown += strings.Count(p.lines.Text(), `"order":`)
		}
		if shown < 18_000 {
			b.Errorf("it shows %d sagas, and at most 1000 more: %v", shown, p.lines.Err())
		}
		end()
	}
}
