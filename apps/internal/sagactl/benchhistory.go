package sagactl

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"example.com/ordersaga/apps/internal/bench"
)

// runHistory measures the system with orders behind it; ratios compare with the first history.
func (p *program) runHistory(ctx context.Context, o bench.Options, sizes []int) error {
	for _, size := range sizes {
		if size < 10 {
			return &Failure{usage, fmt.Errorf("--history must be at least 10, not %d", size), "sagactl bench --help"}
		}
	}
	all, err := bench.RunHistory(ctx, o, sizes)
	switch { // what was measured is shown even when a later system failed
	case len(all) == 0:
	case p.output == "json":
		if err := p.json(all); err != nil {
			return err
		}
	default:
		p.showHistory(all)
	}
	if err != nil {
		return &Failure{failed, err, "tail " + filepath.Join(o.Dir, "history-*", "logs", "*.log")}
	}
	return nil
}

func (p *program) showHistory(all []bench.Growth) {
	loads := [][]string{{"LOAD", "HISTORY#", "ORDERS/S#", "COMPLETED P50#", "P99#", "CPU MS: SERVICES#", "GATEWAY#",
		"POSTGRES#", "NATS#", "TOGETHER#", "RATIO#"}}
	for i, first := range all[0].Loads {
		for _, g := range all {
			r := g.Loads[i]
			loads = append(loads, []string{r.Load, strconv.Itoa(g.Orders), strconv.Itoa(int(r.PerSecond + 0.5)),
				milliseconds(r.Completed.P50), milliseconds(r.Completed.P99), decimals(r.Cost.CPU["services"]),
				decimals(r.Cost.CPU["gateway"]), decimals(r.Cost.CPU["postgres"]), decimals(r.Cost.CPU["nats"]),
				decimals(r.Cost.Total()), decimals(r.Cost.Total() / first.Cost.Total())})
		}
	}
	table(p.out, p.width(), loads)
	fmt.Fprintln(p.out)
	reads := [][]string{{"ONE AFTER THE OTHER", "HISTORY#", "P50#", "P99#"}}
	for i := range all[0].Reads {
		for _, g := range all {
			r := g.Reads[i]
			reads = append(reads, []string{r.What, strconv.Itoa(g.Orders), milliseconds(r.P50), milliseconds(r.P99)})
		}
	}
	table(p.out, p.width(), reads)
	fmt.Fprintln(p.out)
	rows := [][]string{{"HISTORY#", "VERIFY S#", "MIB#"}}
	starts := slices.Sorted(maps.Keys(all[0].Starts))
	for _, name := range starts {
		rows[0] = append(rows[0], "START OF "+name+" S#")
	}
	for _, g := range all {
		row := []string{strconv.Itoa(g.Orders), decimals(g.Verify.Took.Seconds()),
			decimals(float64(g.Verify.Peak) / (1 << 20))}
		for _, name := range starts {
			row = append(row, decimals(g.Starts[name].Seconds()))
		}
		rows = append(rows, row)
	}
	table(p.out, p.width(), rows)
}
