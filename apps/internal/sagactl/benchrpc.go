package sagactl

import (
	"fmt"
	"path/filepath"
	"strconv"
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
		Long: `Starts a system of its own and reads the same over gRPC and over REST: one order, and the whole stock. Both take
turns in every round, so that a slow minute of the machine hits both. The last line of each work is what REST
needed of what gRPC needed.`,
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

func (p *program) showRPC(results []bench.RPCResult) {
	rows := [][]string{{"WORK", "SIDE", "CALLS/S#", "P50#", "P99#", "BYTES SENT#", "RECEIVED#", "CPU µS: SERVER#", "CLIENT#"}}
	for i, r := range results {
		rows = append(rows, []string{
			r.Work, r.Side, strconv.Itoa(int(r.PerSecond + 0.5)), milliseconds(r.P50), milliseconds(r.P99),
			fmt.Sprintf("%.0f", r.Sent), fmt.Sprintf("%.0f", r.Received), fmt.Sprintf("%.0f", r.ServerCPU), fmt.Sprintf("%.0f", r.ClientCPU),
		})
		if i%2 == 1 {
			rest := results[i-1]
			rows = append(rows, []string{
				r.Work, "REST / gRPC", ratio(rest.PerSecond, r.PerSecond), ratio(float64(rest.P50), float64(r.P50)), ratio(float64(rest.P99), float64(r.P99)),
				ratio(rest.Sent, r.Sent), ratio(rest.Received, r.Received), ratio(rest.ServerCPU, r.ServerCPU), ratio(rest.ClientCPU, r.ClientCPU),
			})
		}
	}
	table(p.out, p.width(), rows)
}

func ratio(a, b float64) string { return fmt.Sprintf("%.2f", a/b) }
