package ambassador

import (
	"github.com/prometheus/client_golang/prometheus"
)

// state is what the admin listener tells about an endpoint.
type state struct {
	Endpoint    string  `json:"endpoint"`
	Healthy     bool    `json:"healthy"`
	Breaker     string  `json:"breaker"`      // closed, open or half-open
	Tries       uint    `json:"tries"`        // that the breaker looks at
	FailureRate float64 `json:"failure_rate"` // of them
	OpenForMS   int64   `json:"open_for_ms"`  // until a try is let through again
}

func (p *pool) states() []state {
	states := []state{}
	for _, e := range p.all() {
		m := e.breaker.Metrics()
		states = append(states, state{
			Endpoint: e.url.Host, Healthy: !e.sick.Load(), Breaker: e.breaker.State().String(),
			Tries: m.Executions(), FailureRate: m.FailureRate(), OpenForMS: e.breaker.RemainingDelay().Milliseconds(),
		})
	}
	return states
}

var (
	healthyDesc = prometheus.NewDesc("ambassador_endpoint_healthy", "1 when the endpoint passed its last health check.",
		[]string{"endpoint"}, nil)
	breakerDesc = prometheus.NewDesc("ambassador_breaker_open",
		"1 when the endpoint's breaker is open, 0.5 when it is half open.", []string{"endpoint"}, nil)
)

// Describe names the pool's metrics.
func (p *pool) Describe(descs chan<- *prometheus.Desc) {
	descs <- healthyDesc
	descs <- breakerDesc
}

// Collect tells about the endpoints that are known now; one that is gone is no longer told about.
func (p *pool) Collect(metrics chan<- prometheus.Metric) {
	for _, e := range p.all() {
		healthy, open := 1.0, 0.0
		if e.sick.Load() {
			healthy = 0
		}
		switch {
		case e.breaker.IsOpen():
			open = 1
		case e.breaker.IsHalfOpen():
			open = 0.5
		}
		metrics <- prometheus.MustNewConstMetric(healthyDesc, prometheus.GaugeValue, healthy, e.url.Host)
		metrics <- prometheus.MustNewConstMetric(breakerDesc, prometheus.GaugeValue, open, e.url.Host)
	}
}

// Describe names the transport's metrics.
func (t *transport) Describe(descs chan<- *prometheus.Desc) {
	t.tries.Describe(descs)
	t.retries.Describe(descs)
	t.exceeded.Describe(descs)
}

// Collect tells how many tries there were.
func (t *transport) Collect(metrics chan<- prometheus.Metric) {
	t.tries.Collect(metrics)
	t.retries.Collect(metrics)
	t.exceeded.Collect(metrics)
}
