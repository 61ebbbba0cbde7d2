package bench

import (
	"time"

	"example.com/ordersaga/apps/system/slo"
)

// promises are those of the order contract that a run measures, each beside the loads that it was given for. An
// order that is refused or goes wrong ends the run, so where there are results there were no errors.
func promises(given []slo.Promise, results []Result) (all []slo.Kept) {
	for _, p := range given {
		for _, r := range results {
			if r.Side != "saga" || r.Load != p.While {
				continue
			}
			switch p.Measure {
			case slo.AcceptedP99:
				all = append(all, p.Beside(inMilliseconds(r.Accepted.P99)))
			case slo.CompletedP99:
				all = append(all, p.Beside(inMilliseconds(r.Completed.P99)))
			case slo.ErrorRate:
				all = append(all, p.Beside(0))
			}
		}
	}
	return all
}

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// readPromises are those of both contracts about reading, each beside what REST needed for it at the load that it was
// given for.
func readPromises(results []RPCResult, inFlight int) (all []slo.Kept, err error) {
	orders, err := slo.OfOrders()
	if err != nil {
		return nil, err
	}
	stock, err := slo.OfStock()
	if err != nil {
		return nil, err
	}
	for _, p := range append(orders, stock...) {
		for _, r := range results {
			if p.Measure == slo.AnsweredP99 && p.While == (load{inFlight: inFlight}).String() && r.Side == rest && r.Operation == p.Operation {
				all = append(all, p.Beside(inMilliseconds(r.P99)))
			}
		}
	}
	return all, nil
}
