package charge

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics count what happened. The rare paths are counted one by one, so that a test can see that they
// were taken.
type metrics struct {
	calls     *prometheus.HistogramVec
	takenOver prometheus.Counter
	dropped   prometheus.Counter
	resolved  *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	add := promauto.With(registerer)
	return &metrics{
		calls: add.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "payment", Name: "gateway_call_seconds",
			Help:    "Attempts at the gateway, by what was wanted and what came of it.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 13), // 2 ms to 8 s, beyond the timeout
		}, []string{"state", "verdict"}),
		takenOver: add.NewCounter(prometheus.CounterOpts{
			Namespace: "payment", Name: "leases_taken_over_total", Help: "Payments claimed whose last worker never finished.",
		}),
		dropped: add.NewCounter(prometheus.CounterOpts{
			Namespace: "payment", Name: "answers_dropped_total",
			Help: "Answers dropped because another worker went on in the meantime.",
		}),
		resolved: add.NewCounterVec(prometheus.CounterOpts{
			Namespace: "payment", Name: "unknown_resolved_total",
			Help: "Charges that were unknown and became definite, by the way it was found out.",
		}, []string{"by"}),
	}
}
