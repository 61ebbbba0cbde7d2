package outbox_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/testkit"
)

// BenchmarkInbox is one inbox under load, with a step that writes one row and answers: its throughput is
// what the batches make of it. The database does not fsync here, so it is about everything else.
func BenchmarkInbox(b *testing.B) {
	w := newWorld(b)
	for i := range b.N {
		_, key, message := request(b)
		subject := subjectOf(key)
		if _, err := w.admin.PublishAsync(subject, message, jetstream.WithMsgID(uuid.NewString())); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 999 {
			<-w.admin.PublishAsyncComplete()
		}
	}
	<-w.admin.PublishAsyncComplete()
	b.ResetTimer()
	w.start()
	testkit.Eventually(b, 10*within, "all to be handled", func() bool { return int(w.counted(outbox.EventsHandled)) == b.N })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.N)/w.counted(outbox.BatchEvents), "events/batch")
	b.StopTimer()
}

// BenchmarkRelay is one relay with everything in its outbox already.
func BenchmarkRelay(b *testing.B) {
	w := newWorld(b)
	m, err := outbox.New(w.config)
	if err != nil {
		b.Fatal(err)
	}
	for left := b.N; left > 0; left -= 500 {
		w.publish(m, min(left, 500))
	}
	b.ResetTimer()
	w.start()
	testkit.Eventually(b, 10*within, "all to be marked", func() bool { return w.count(unpublished) == 0 })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.StopTimer()
}
