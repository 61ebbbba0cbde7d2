package sagactl

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/internal/bench"
	"example.com/ordersaga/apps/system/endpoints"
)

func (p *program) benchRPC() *cobra.Command {
	o := bench.RPCOptions{Progress: p.err}
	c := &cobra.Command{
		Use:   "rpc",
		Short: "Measures gRPC against REST at the same work.",
		Long: `Starts a system of its own and reads the same over gRPC and over REST: one order, and the whole stock. Both
take turns in every round, so that a slow minute of the machine hits both. The last line of each work is what REST
needed, divided by what gRPC needed.`,
		Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			report, err := bench.RunRPC(c.Context(), o)
			if err != nil {
				return &Failure{failed, err, "tail " + filepath.Join(o.Dir, "logs", "*.log")}
			}
			if p.output == "json" {
				return p.json(report)
			}
			p.showRPC(report.Results)
			p.showObjectives(report.Objectives)
			return nil
		}),
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", filepath.Join(filepath.Dir(endpoints.DefaultFile), "bench-rpc"), "keeps data and logs")
	f.StringVar(&o.Bin, "bin", "", "holds the programs; without: where sagactl stands, or bin/ of the repository")
	f.DurationVar(&o.Duration, "duration", 2*time.Second, "of each turn, after a warm-up")
	f.IntVar(&o.Rounds, "rounds", 6, "in which both sides have a turn at each work")
	f.IntVar(&o.InFlight, "in-flight", 8, "how many calls at a time")
	return c
}

// showRPC prints both protocols of each operation, and below them what REST needed, divided by what gRPC needed.
func (p *program) showRPC(results []bench.RPCResult) {
	rows := [][]string{{
		"WORK", "SIDE", "CALLS/S#", "P50 MS#", "P99 MS#", "BYTES SENT#", "RECEIVED#", "CPU µS: SERVER#", "CLIENT#",
	}}
	var rest [7]float64
	for i, r := range results {
		numbers := [7]float64{
			r.PerSecond, milli(r.P50), milli(r.P99), r.Sent, r.Received, r.ServerCPU, r.ClientCPU,
		}
		rows = append(rows, []string{r.Work, r.Side})
		ratios := []string{r.Work, "REST / gRPC"}
		for n, number := range numbers {
			rows[len(rows)-1] = append(rows[len(rows)-1], fmt.Sprintf("%.1f", number))
			ratios = append(ratios, decimals(rest[n]/number))
		}
		if i%2 == 1 { // REST came before
			rows = append(rows, ratios)
		}
		rest = numbers
	}
	table(p.out, p.width(), rows)
}
