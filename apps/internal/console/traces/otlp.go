package traces

import (
	"encoding/json"
	"strconv"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"example.com/ordersaga/internal/tracing"
)

// Attributes that these pages know. The others are shown as they are.
const (
	orderKey   = string(tracing.OrderID)
	segmentKey = string(tracing.Segment)
	eventKey   = string(tracing.EventType)
	partialKey = string(tracing.Partial)
)

// valueOf is an attribute's value as text: a list as JSON has it.
func valueOf(value *common.AnyValue) string {
	switch v := value.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *common.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *common.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *common.AnyValue_ArrayValue:
		all := []string{}
		for _, one := range v.ArrayValue.GetValues() {
			all = append(all, valueOf(one))
		}
		text, _ := json.Marshal(all) // strings always marshal
		return string(text)
	default: // a map, or bytes: no convention that is in use has one
		return ""
	}
}

// named is the value of a resource's attribute.
func named(attributes []*common.KeyValue, key string) string {
	for _, a := range attributes {
		if a.GetKey() == key {
			return valueOf(a.GetValue())
		}
	}
	return ""
}

// spanOf is what is kept of a span; not valid: its ids, or times, are none.
func spanOf(from *otlp.Span) (trace traceID, s span, valid bool) {
	start, end := from.GetStartTimeUnixNano(), from.GetEndTimeUnixNano()
	parent := from.GetParentSpanId()
	if len(from.GetTraceId()) != len(trace) || len(from.GetSpanId()) != len(s.id) ||
		len(parent) != 0 && len(parent) != len(s.parent) || start > end || int64(end) < 0 {
		return trace, s, false
	}
	trace = traceID(from.GetTraceId())
	s = span{
		id: spanID(from.GetSpanId()), start: int64(start), duration: int64(end - start), name: from.GetName(),
		kind: from.GetKind(), status: from.GetStatus().GetCode(), problem: problemOf(from),
	}
	copy(s.parent[:], parent)
	if trace == (traceID{}) || s.id == (spanID{}) || uint(s.kind) > 255 || uint(s.status) > 255 {
		return trace, s, false
	}
	for _, a := range from.GetAttributes()[:min(len(from.GetAttributes()), maxFields)] {
		s.attributes = append(s.attributes, field{a.GetKey(), valueOf(a.GetValue())})
	}
	for _, l := range from.GetLinks()[:min(len(from.GetLinks()), maxFields)] {
		if len(l.GetTraceId()) == len(trace) && len(l.GetSpanId()) == len(s.id) {
			s.links = append(s.links, link{traceID(l.GetTraceId()), spanID(l.GetSpanId())})
		}
	}
	return trace, s, true
}

// problemOf describes a span's error: its status does, or the exception that it recorded.
func problemOf(from *otlp.Span) string {
	if from.GetStatus().GetCode() != otlp.Status_STATUS_CODE_ERROR {
		return ""
	}
	if text := from.GetStatus().GetMessage(); text != "" {
		return text
	}
	for _, event := range from.GetEvents() {
		if text := named(event.GetAttributes(), "exception.message"); text != "" {
			return text
		}
	}
	return ""
}
