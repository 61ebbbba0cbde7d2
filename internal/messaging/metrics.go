package messaging

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/outbox"
)

// help explains what is counted, by its name for Prometheus. The rare paths are counted one by one, so that a test can
// see that they were taken.
var help = map[outbox.Metric]struct{ namespace, label, help string }{
	outbox.EventsHandled:     {"inbox", "event", "Events whose step was committed."},
	outbox.Duplicates:        {"inbox", "", "Deliveries of events that had taken effect before."},
	outbox.Redeliveries:      {"inbox", "", "Deliveries that were not the first of their message."},
	outbox.Retries:           {"inbox", "", "Deliveries that failed and are retried."},
	outbox.DeadLetters:       {"inbox", "", "Messages that were dead-lettered because they cannot be handled."},
	outbox.BatchesSplit:      {"inbox", "", "Batches that failed and whose events were handled one by one."},
	outbox.ConsumerOpened:    {"inbox", "", "Openings of the durable consumer."},
	outbox.Published:         {"outbox", "", "Events that the broker acknowledged."},
	outbox.PublishErrors:     {"outbox", "", "Rounds of the relay that failed; the rows are kept."},
	outbox.PublishDuplicates: {"outbox", "", "Acknowledgements of messages that the stream had before."},
	outbox.Republished:       {"outbox", "why", "Events that are republished because the broker may have lost them."},
	outbox.Swept:             {"outbox", "table", "Old rows that were deleted."},
}

// observer registers all metrics, and returns the hook that feeds them. The events that are being retried are counted
// when somebody asks, instead of with every event.
func observer(registerer prometheus.Registerer, retrying func() int) func(outbox.Metric, string, float64) {
	if registerer == nil {
		return nil
	}
	registry := promauto.With(registerer)
	counters := make(map[outbox.Metric]*prometheus.CounterVec, len(help))
	for metric, m := range help {
		var labels []string
		if m.label != "" {
			labels = []string{m.label}
		}
		options := prometheus.CounterOpts{Namespace: m.namespace, Name: string(metric), Help: m.help}
		counters[metric] = registry.NewCounterVec(options, labels)
		if m.label == "" {
			counters[metric].WithLabelValues() // is shown before it counts anything
		}
	}
	batches := registry.NewHistogram(prometheus.HistogramOpts{
		Namespace: "inbox", Name: string(outbox.BatchEvents), Help: "Events per committed batch.",
		Buckets: prometheus.ExponentialBuckets(1, 2, 9), // 1 to 256, the largest batch
	})
	backlog := registry.NewGauge(prometheus.GaugeOpts{
		Namespace: "outbox", Name: string(outbox.Backlog), Help: "Rows of the outbox that are not known to be published.",
	})
	registry.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "inbox", Name: "retrying_events", Help: "Events that have failed repeatedly and are still retried.",
	}, func() float64 { return float64(retrying()) })
	return func(metric outbox.Metric, label string, value float64) {
		switch metric {
		case outbox.BatchEvents:
			batches.Observe(value)
		case outbox.Backlog:
			backlog.Set(value)
		default:
			if help[metric].label == "" {
				counters[metric].WithLabelValues().Add(value)
				return
			}
			name, _, _ := strings.Cut(label, " ") // of an event without its version
			counters[metric].WithLabelValues(name).Add(value)
		}
	}
}

// steps registers how long steps take, and returns the hook that measures them. The clocks are the broker's and our
// own.
func steps(registerer prometheus.Registerer) func(outbox.Delivery) {
	if registerer == nil {
		return nil
	}
	seconds := promauto.With(registerer).NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "inbox", Name: "step_duration_seconds",
		Help:    "From an event's arrival in the stream until its step was committed.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), // 1 ms to 8 s
	}, []string{"event"})
	return func(d outbox.Delivery) {
		name, _, _ := strings.Cut(d.Type, " ")
		tracing.Observe(seconds.WithLabelValues(name), time.Since(d.Since), d.TraceParent)
	}
}
