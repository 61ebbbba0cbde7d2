package expose

import (
	"fmt"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// identity is what every metric gets from its resource.
func identity(resource pcommon.Map) []*dto.LabelPair {
	var labels []*dto.LabelPair
	for name, attribute := range map[string]string{"service": "service.name", "instance": "service.instance.id"} {
		if value, has := resource.Get(attribute); has {
			labels = append(labels, &dto.LabelPair{Name: new(name), Value: new(value.AsString())})
		}
	}
	return labels
}

// convert makes a family of Prometheus' of a metric. A counter's name ends in _total, whoever has given it.
func convert(metric pmetric.Metric, labels []*dto.LabelPair) (*dto.MetricFamily, error) {
	f := &dto.MetricFamily{Name: new(legal(metric.Name())), Help: new(metric.Description())}
	switch metric.Type() {
	case pmetric.MetricTypeGauge:
		f.Type = dto.MetricType_GAUGE.Enum()
		for _, point := range metric.Gauge().DataPoints().All() {
			f.Metric = append(f.Metric, &dto.Metric{Label: with(labels, point.Attributes()),
				Gauge: &dto.Gauge{Value: new(number(point))}})
		}
	case pmetric.MetricTypeSum:
		counts(f, metric.Sum(), labels)
	case pmetric.MetricTypeHistogram:
		f.Type = dto.MetricType_HISTOGRAM.Enum()
		for _, point := range metric.Histogram().DataPoints().All() {
			f.Metric = append(f.Metric, &dto.Metric{Label: with(labels, point.Attributes()), Histogram: histogram(point)})
		}
	case pmetric.MetricTypeSummary:
		f.Type = dto.MetricType_SUMMARY.Enum()
		for _, point := range metric.Summary().DataPoints().All() {
			f.Metric = append(f.Metric, &dto.Metric{Label: with(labels, point.Attributes()), Summary: summary(point)})
		}
	default:
		return nil, fmt.Errorf("the metric %s is a %s, which is not shown", metric.Name(), metric.Type())
	}
	return f, nil
}

func counts(f *dto.MetricFamily, sum pmetric.Sum, labels []*dto.LabelPair) {
	f.Type = dto.MetricType_GAUGE.Enum()
	if sum.IsMonotonic() {
		f.Type = dto.MetricType_COUNTER.Enum()
		f.Name = new(strings.TrimSuffix(f.GetName(), "_total") + "_total")
	}
	for _, point := range sum.DataPoints().All() {
		m := &dto.Metric{Label: with(labels, point.Attributes())}
		if sum.IsMonotonic() {
			m.Counter = &dto.Counter{Value: new(number(point))}
		} else {
			m.Gauge = &dto.Gauge{Value: new(number(point))}
		}
		f.Metric = append(f.Metric, m)
	}
}

func number(point pmetric.NumberDataPoint) float64 {
	if point.ValueType() == pmetric.NumberDataPointValueTypeInt {
		return float64(point.IntValue())
	}
	return point.DoubleValue()
}

// histogram turns the buckets back into those that count what is below them, too.
func histogram(point pmetric.HistogramDataPoint) *dto.Histogram {
	h := &dto.Histogram{SampleCount: new(point.Count()), SampleSum: new(point.Sum())}
	var below uint64
	for i, bound := range point.ExplicitBounds().All() {
		below += point.BucketCounts().At(i)
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: new(bound), CumulativeCount: new(below)})
	}
	return h
}

func summary(point pmetric.SummaryDataPoint) *dto.Summary {
	s := &dto.Summary{SampleCount: new(point.Count()), SampleSum: new(point.Sum())}
	for _, q := range point.QuantileValues().All() {
		s.Quantile = append(s.Quantile, &dto.Quantile{Quantile: new(q.Quantile()), Value: new(q.Value())})
	}
	return s
}

// with are a point's own labels and those of its resource, sorted; the resource's win.
func with(labels []*dto.LabelPair, attributes pcommon.Map) []*dto.LabelPair {
	all := slices.Clone(labels)
	for name, value := range attributes.All() {
		name = legal(name)
		if !slices.ContainsFunc(labels, func(l *dto.LabelPair) bool { return l.GetName() == name }) {
			all = append(all, &dto.LabelPair{Name: new(name), Value: new(value.AsString())})
		}
	}
	slices.SortFunc(all, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return all
}

// legal is the name in the letters that Prometheus' own names have.
func legal(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == ':' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' {
			return r
		}
		return '_'
	}, name)
}
