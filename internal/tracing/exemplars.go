package tracing

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Exemplar names the trace of a traceparent, for a measurement that is an example of many. It is nil for a trace that
// this process does not record.
func Exemplar(traceparent string) prometheus.Labels {
	if !Sampled(traceparent) {
		return nil
	}
	return prometheus.Labels{"trace_id": Parse(traceparent).TraceID().String()}
}

// Observe adds a duration, in seconds, to a histogram, with the trace as the exemplar if it is recorded.
func Observe(histogram prometheus.Observer, took time.Duration, traceparent string) {
	with, can := histogram.(prometheus.ExemplarObserver)
	if labels := Exemplar(traceparent); can && labels != nil {
		with.ObserveWithExemplar(took.Seconds(), labels)
		return
	}
	histogram.Observe(took.Seconds())
}
