package sagactl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/internal/quality"
)

func (p *program) quality() *cobra.Command {
	var cadence, results string
	run := &cobra.Command{
		Use:   "run [SCENARIO…]",
		Short: "Measures scenarios, and writes the results and their page.",
		Long: `Measures scenarios: runs the command of each in the repository, reads the number that it prints, and judges it.
A scenario that has failed is exit code 1. Without names all are run.

The results are written to docs/quality, with the page, and to the console's copy; with --results to that file alone.`,
		Example: "  sagactl quality run no-double-charge\n" +
			"  sagactl quality run --cadence every-commit --results artifacts/quality.json",
		RunE: runs(func(c *cobra.Command, ids []string) error {
			return p.measure(c.Context(), ids, strings.ReplaceAll(cadence, "-", " "), results)
		}),
	}
	run.Flags().StringVar(&cadence, "cadence", "", "only those that are due every-commit, nightly or by-hand")
	run.Flags().StringVar(&results, "results", "", "the file for the results, instead of docs/quality")
	show := command("show", "Shows how the scenarios stand; exit code 1 when one has failed or is stale for too long.",
		cobra.NoArgs, func(context.Context, []string) error {
			book, err := p.scenarios()
			if err != nil {
				return err
			}
			leaves := quality.Judge(book.Scenarios, book.Results, time.Now())
			return cmp.Or(p.showScenarios(leaves), refused(leaves))
		})
	return group("quality", "Measures the quality scenarios of docs/quality.", run, show)
}

// scenarios are those of the checkout in which the command is called.
func (p *program) scenarios() (*quality.Book, error) {
	book, err := quality.Open()
	if err != nil {
		return nil, &Failure{usage, err, "sagactl quality show   (in a checkout of ordersaga)"}
	}
	return book, nil
}

// measure runs scenarios, one after the other: they share the machine's processors.
func (p *program) measure(ctx context.Context, ids []string, cadence, results string) error {
	book, err := p.scenarios()
	if err != nil {
		return err
	}
	chosen, err := book.Choose(ids, cadence)
	if err != nil {
		return &Failure{usage, err, "sagactl quality show"}
	}
	var measured []quality.Result
	for _, s := range chosen {
		fmt.Fprintf(p.progress(), "%s …\n", s.ID)
		result := s.Run(ctx, book.Root)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if result.Verdict == quality.Failed {
			fmt.Fprintln(p.progress(), result.Tail())
		}
		measured = append(measured, result)
	}
	if results != "" {
		err = book.WriteTo(results, measured)
	} else {
		err = book.Write(measured)
	}
	if err != nil {
		return err
	}
	leaves := quality.Judge(chosen, measured, time.Now())
	return cmp.Or(p.showScenarios(leaves), refused(leaves))
}

func (p *program) showScenarios(leaves []quality.Leaf) error {
	return showList(p, "scenarios", "SCENARIO,H/M/L,STATE,MEASURED,SECONDS#", leaves, nil, func(l quality.Leaf) []string {
		state, seconds := good, ""
		if l.State != quality.Passed {
			state = bad
		}
		if l.Result != nil {
			seconds = fmt.Sprintf("%.1f", l.Result.Seconds)
		}
		return []string{
			l.ID, l.Importance + "/" + l.Difficulty, state.Render(l.Mark() + " " + string(l.State)), l.Measured(), seconds,
		}
	})
}

// refused is the gate's no, with what it is about.
func refused(leaves []quality.Leaf) error {
	var red []string
	for _, l := range leaves {
		if l.Red {
			red = append(red, l.ID+": "+l.Standing())
		}
	}
	if len(red) == 0 {
		return nil
	}
	next := "sagactl quality run " + strings.Split(red[0], ":")[0]
	return &Failure{failed, errors.New(strings.Join(slices.Sorted(slices.Values(red)), "; ")), next}
}
