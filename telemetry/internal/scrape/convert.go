package scrape

import (
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// add adds a family of Prometheus' as a metric of the collector's, as it was at a time. Names stay as they are.
func add(metrics pmetric.MetricSlice, family *dto.MetricFamily, at time.Time) {
	metric := metrics.AppendEmpty()
	metric.SetName(family.GetName())
	metric.SetDescription(family.GetHelp())
	now := pcommon.NewTimestampFromTime(at)
	switch family.GetType() {
	case dto.MetricType_COUNTER:
		sum := metric.SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for _, m := range family.GetMetric() {
			addNumber(sum.DataPoints(), m, m.GetCounter().GetValue(), now)
		}
	case dto.MetricType_HISTOGRAM:
		histogram := metric.SetEmptyHistogram()
		histogram.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for _, m := range family.GetMetric() {
			addHistogram(histogram.DataPoints().AppendEmpty(), m, now)
		}
	case dto.MetricType_SUMMARY:
		summary := metric.SetEmptySummary()
		for _, m := range family.GetMetric() {
			addSummary(summary.DataPoints().AppendEmpty(), m, now)
		}
	default: // a gauge, or a metric of which the service gives no type
		gauge := metric.SetEmptyGauge()
		for _, m := range family.GetMetric() {
			value := m.GetGauge().GetValue()
			if m.GetUntyped() != nil {
				value = m.GetUntyped().GetValue()
			}
			addNumber(gauge.DataPoints(), m, value, now)
		}
	}
}

func addNumber(points pmetric.NumberDataPointSlice, m *dto.Metric, value float64, now pcommon.Timestamp) {
	point := points.AppendEmpty()
	point.SetTimestamp(now)
	point.SetDoubleValue(value)
	addLabels(point.Attributes(), m)
}

// addHistogram turns the buckets, of which each counts those below it too, into buckets that count their own.
func addHistogram(point pmetric.HistogramDataPoint, m *dto.Metric, now pcommon.Timestamp) {
	h := m.GetHistogram()
	point.SetTimestamp(now)
	point.SetCount(h.GetSampleCount())
	point.SetSum(h.GetSampleSum())
	var below uint64
	for _, bucket := range h.GetBucket() {
		if math.IsInf(bucket.GetUpperBound(), 1) {
			break // the collector's last bucket has no bound
		}
		point.ExplicitBounds().Append(bucket.GetUpperBound())
		point.BucketCounts().Append(bucket.GetCumulativeCount() - below)
		below = bucket.GetCumulativeCount()
	}
	point.BucketCounts().Append(h.GetSampleCount() - below)
	addLabels(point.Attributes(), m)
}

func addSummary(point pmetric.SummaryDataPoint, m *dto.Metric, now pcommon.Timestamp) {
	point.SetTimestamp(now)
	point.SetCount(m.GetSummary().GetSampleCount())
	point.SetSum(m.GetSummary().GetSampleSum())
	for _, quantile := range m.GetSummary().GetQuantile() {
		value := point.QuantileValues().AppendEmpty()
		value.SetQuantile(quantile.GetQuantile())
		value.SetValue(quantile.GetValue())
	}
	addLabels(point.Attributes(), m)
}

func addLabels(attributes pcommon.Map, m *dto.Metric) {
	for _, label := range m.GetLabel() {
		attributes.PutStr(label.GetName(), label.GetValue())
	}
}
