package bench

import (
	"maps"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/slo"
)

func TestObjectives_AboutReadingAreCheckedAgainstREST(t *testing.T) {
	t.Parallel()
	got, err := readOutcomes([]RPCResult{
		{Operation: "getOrder", Side: rest, P99: time.Hour}, {Operation: "getOrder", Side: rpc, P99: time.Millisecond},
		{Operation: "listStock", Side: rest, P99: time.Millisecond},
	}, 8)
	if err != nil || len(got) != 2 || got[0].Verdict() != "missed" || got[1].Verdict() != "met" {
		t.Errorf("the outcomes of the objectives are %v, %v", got, err)
	}
	if other, err := readOutcomes([]RPCResult{{Operation: "getOrder", Side: rest}}, 9); err != nil || len(other) > 0 {
		t.Errorf("at a load without an objective: %v, %v", other, err)
	}
}

func TestObjectives_AreCheckedAgainstWhatWasMeasured(t *testing.T) {
	t.Parallel()
	given, err := slo.Orders()
	if err != nil {
		t.Fatal(err)
	}
	result := Result{
		Side: "saga", Load: workload{inFlight: 64}.String(),
		Accepted: Quantiles{P99: time.Millisecond}, Completed: Quantiles{P99: time.Hour},
	}
	other := result
	other.Side = "baseline"
	got := outcomes(given, []Result{result, other})
	verdicts := map[string]string{}
	for _, k := range got {
		verdicts[k.Measure] = k.Verdict()
	}
	want := map[string]string{slo.AcceptedP99: "met", slo.CompletedP99: "missed", slo.ErrorRate: "met"}
	if len(got) != 3 || !maps.Equal(verdicts, want) {
		t.Errorf("the outcomes of the objectives at %s are %v", result.Load, got)
	}
}
