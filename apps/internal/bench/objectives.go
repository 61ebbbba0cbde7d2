package bench

import (
	"time"

	"example.com/ordersaga/apps/system/slo"
)

// outcomes are the objectives that a run measures, each beside the loads that it was given for. An order that is
// refused or goes wrong ends the run, so where there are results there were no errors.
func outcomes(objectives []slo.Objective, results []Result) (all []slo.Outcome) {
	for _, o := range objectives {
		for _, r := range results {
			if r.Side != "saga" || r.Load != o.While {
				continue
			}
			switch o.Measure {
			case slo.AcceptedP99:
				all = append(all, o.Check(inMilliseconds(r.Accepted.P99)))
			case slo.CompletedP99:
				all = append(all, o.Check(inMilliseconds(r.Completed.P99)))
			case slo.ErrorRate:
				all = append(all, o.Check(0))
			}
		}
	}
	return all
}

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// readOutcomes are the objectives of both contracts about reading, each beside what REST needed for it at the load
// that it was given for.
func readOutcomes(results []RPCResult, inFlight int) (all []slo.Outcome, err error) {
	orders, err := slo.Orders()
	if err != nil {
		return nil, err
	}
	stock, err := slo.Stock()
	if err != nil {
		return nil, err
	}
	for _, o := range append(orders, stock...) {
		for _, r := range results {
			measured := o.Measure == slo.AnsweredP99 && o.While == (workload{inFlight: inFlight}).String()
			if measured && r.Side == rest && r.Operation == o.Operation {
				all = append(all, o.Check(inMilliseconds(r.P99)))
			}
		}
	}
	return all, nil
}
