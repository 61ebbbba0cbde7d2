package bench

import (
	"testing"
	"time"

	"example.com/ordersaga/apps/system/slo"
)

func TestAPromiseAboutReadingStandsBesideREST(t *testing.T) {
	t.Parallel()
	kept, err := readPromises([]RPCResult{
		{Operation: "getOrder", Side: rest, P99: time.Hour}, {Operation: "getOrder", Side: calls, P99: time.Millisecond},
		{Operation: "listStock", Side: rest, P99: time.Millisecond},
	}, 8)
	if err != nil || len(kept) != 2 || kept[0].Verdict() != "broken" || kept[1].Verdict() != "kept" {
		t.Errorf("the promises of the contracts stand beside the measurement as %v, %v", kept, err)
	}
	if other, err := readPromises([]RPCResult{{Operation: "getOrder", Side: rest}}, 9); err != nil || len(other) > 0 {
		t.Errorf("at a load that nothing is promised for: %v, %v", other, err)
	}
}

func TestAPromiseStandsBesideWhatWasMeasured(t *testing.T) {
	t.Parallel()
	given, err := slo.OfOrders()
	if err != nil {
		t.Fatal(err)
	}
	result := Result{
		Side: "saga", Load: load{inFlight: 64}.String(),
		Accepted: Quantiles{P99: time.Millisecond}, Completed: Quantiles{P99: time.Hour},
	}
	other := result
	other.Side = "baseline"
	kept := promises(given, []Result{result, other})
	verdicts := map[string]string{}
	for _, k := range kept {
		verdicts[k.Measure] = k.Verdict()
	}
	if len(kept) != 3 || verdicts[slo.AcceptedP99] != "kept" || verdicts[slo.CompletedP99] != "broken" || verdicts[slo.ErrorRate] != "kept" {
		t.Errorf("the promises of the contract at %s stand beside the measurement as %v", result.Load, kept)
	}
}
