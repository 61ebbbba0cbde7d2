package mailbox

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics count what happened. The rare paths are counted one by one, so that a test can see that they
// were taken.
type metrics struct {
	handled     *prometheus.CounterVec
	duplicates  prometheus.Counter
	redelivered prometheus.Counter
	postponed   prometheus.Counter
	parked      prometheus.Counter
	batches     prometheus.Histogram
	split       prometheus.Counter
	opened      prometheus.Counter

	published         prometheus.Counter
	publishErrors     prometheus.Counter
	publishDuplicates prometheus.Counter
	replayed          *prometheus.CounterVec
	unpublished       prometheus.Gauge
	swept             *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	make := promauto.With(registerer)
	counter := func(name, help string) prometheus.Counter {
		return make.NewCounter(prometheus.CounterOpts{Namespace: "mailbox", Name: name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return make.NewCounterVec(prometheus.CounterOpts{Namespace: "mailbox", Name: name, Help: help}, []string{label})
	}
	return &metrics{
		handled:     vector("events_handled_total", "Events whose step was committed.", "event"),
		duplicates:  counter("duplicates_absorbed_total", "Deliveries of events that had taken effect already."),
		redelivered: counter("redeliveries_total", "Deliveries that were not the first of their message."),
		postponed:   counter("postponed_total", "Deliveries that were put off because something failed."),
		parked:      counter("dead_letters_total", "Messages that were parked because they can never be handled."),
		split:       counter("batches_split_total", "Batches that failed and whose events were tried one by one."),
		opened:      counter("consumer_opened_total", "Times that the durable consumer was opened."),
		batches: make.NewHistogram(prometheus.HistogramOpts{
			Namespace: "mailbox", Name: "batch_events", Help: "Events per committed batch.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9), // 1 to 256, the largest batch
		}),
		published:         counter("published_total", "Events that the broker acknowledged."),
		publishErrors:     counter("publish_errors_total", "Publications that failed; the rows are kept."),
		publishDuplicates: counter("publish_duplicates_total", "Acknowledgements of messages that the stream had already."),
		replayed:          vector("replayed_total", "Published events that were put back because the broker may have lost them.", "why"),
		swept:             vector("swept_total", "Rows deleted because they are older than they are needed.", "table"),
		unpublished: make.NewGauge(prometheus.GaugeOpts{
			Namespace: "mailbox", Name: "outbox_unpublished", Help: "Rows of the outbox that are not known to be published.",
		}),
	}
}

// gaugeStruggling has strugglers counted when somebody asks, instead of with every event.
func gaugeStruggling(registerer prometheus.Registerer, count func() int) {
	promauto.With(registerer).NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "mailbox", Name: "struggling_events", Help: "Events that have failed again and again and are still tried.",
	}, func() float64 { return float64(count()) })
}
