package payment

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics count what happened. The rare paths are counted one by one, so that a test can see that they
// were taken.
type metrics struct {
	calls       *prometheus.HistogramVec
	takenOver   prometheus.Counter
	dropped     prometheus.Counter
	resolved    *prometheus.CounterVec
	late        prometheus.Counter
	differences prometheus.Gauge
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
		late: add.NewCounter(prometheus.CounterOpts{
			Namespace: "payment", Name: "late_captures_total",
			Help: "Charges found in the gateway's ledger after they were said not to be made.",
		}),
		differences: add.NewGauge(prometheus.GaugeOpts{
			Namespace: "payment", Name: "ledger_differences",
			Help: "Movements that stand in one ledger and not in the other, and are not explained by work under way.",
		}),
	}
}

func (m *metrics) claimed(c Claim) {
	if c.TakenOver {
		m.takenOver.Inc()
	}
}

func (m *metrics) answered(c Claim, a Answer, took time.Duration) {
	m.calls.WithLabelValues(string(c.State), a.Verdict.String()).Observe(took.Seconds())
}
