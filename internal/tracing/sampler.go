package tracing

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sampler decides which traces are recorded: by what the parent's flag says, and where there is no parent by the trace
// id alone, so that every process decides alike about an order.
//
// The SDK's own sampler by ratio cannot be used: it compares the first half of the id's last eight bytes, where a UUID
// has its variant, so that it would take no order at all at a ratio below one half, and all above three quarters. The
// specification relies on the last seven bytes alone, which are random in a UUID too
// (https://www.w3.org/TR/trace-context-2/#random-trace-id-flag).
type sampler struct{ below uint64 } // of 1<<56

const allTraces = 1 << 56

// samplerOf reads OTEL_TRACES_SAMPLER and its argument. The names are OpenTelemetry's; one without "parentbased" means
// the same here, since an order is recorded in all services or in none.
func samplerOf(getenv func(string) string) (sampler, error) {
	switch name := getenv("OTEL_TRACES_SAMPLER"); name {
	case "", "always_on", "parentbased_always_on":
		return sampler{allTraces}, nil
	case "always_off", "parentbased_always_off":
		return sampler{0}, nil
	case "traceidratio", "parentbased_traceidratio":
		argument := getenv("OTEL_TRACES_SAMPLER_ARG")
		ratio, err := strconv.ParseFloat(argument, 64)
		if argument == "" {
			ratio, err = 1, nil
		}
		if err != nil || !(ratio >= 0 && ratio <= 1) {
			return sampler{}, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1, not %q", argument)
		}
		return sampler{uint64(math.Ldexp(ratio, 56))}, nil
	default:
		return sampler{}, fmt.Errorf("OTEL_TRACES_SAMPLER must be parentbased_always_on, parentbased_always_off or "+
			"parentbased_traceidratio, not %q", name)
	}
}

func (s sampler) takes(id trace.TraceID) bool {
	return binary.BigEndian.Uint64(id[8:])&(allTraces-1) < s.below
}

type lateKey struct{}

// ShouldSample is the decision about a new span.
func (s sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	take := s.takes(p.TraceID)
	if parent.IsValid() {
		take = parent.IsSampled()
	}
	if late, _ := p.ParentContext.Value(lateKey{}).(bool); late {
		take = true
	}
	result := sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: parent.TraceState()}
	if take {
		result.Decision = sdktrace.RecordAndSample
	}
	return result
}

// Description is the sampler's name.
func (s sampler) Description() string { return "order" }

// late makes the next span recorded, whatever was decided about its trace.
func late(ctx context.Context) context.Context { return context.WithValue(ctx, lateKey{}, true) }
