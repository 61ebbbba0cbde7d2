package sagactl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/internal/conformance"
	"example.com/ordersaga/pkg/events"
)

func (p *program) conformance() *cobra.Command {
	var o conformance.Options
	d := play{scenes: "none"}
	c := &cobra.Command{
		Use:   "conformance SERVICE",
		Short: "Checks a program that takes the place of a service: inventory, payment, shipping or notification.",
		Long: `Checks a program that takes the place of a service, as a black box. The servers are started and none of the
services; the suite publishes the events of all others, and compares what the program publishes with the contracts and
with the saga's table. A line for each check; a check that fails is exit code 1.

The program is started by --start, with the environment of the place. Without it what the program needs is printed,
and it is waited for.`,
		Args: cobra.ExactArgs(1),
		RunE: runs(func(c *cobra.Command, args []string) error {
			o.Service = events.Service(args[0])
			if !slices.Contains(conformance.Roles, o.Service) {
				return &Failure{usage, fmt.Errorf("there is no suite for %q; there is one for inventory, payment, shipping"+
					" and notification", args[0]), "sagactl conformance shipping --start bin/shipping"}
			}
			return p.conform(c.Context(), &d, o)
		}),
	}
	f := c.Flags()
	f.StringVar(&o.Start, "start", "", "the shell command that starts the program; it is killed and started again, too")
	f.StringVar(&o.Crash, "crash-cmd", "", "the shell command that kills the program and starts it again")
	f.StringVar(&o.URL, "url", "", "where the program answers; without: at the HTTP_ADDR of the place")
	f.DurationVar(&o.Within, "within", 30*time.Second, "how long the program may take to answer, and to start")
	f.StringSliceVar(&o.Only, "only", nil, "the names of the checks that are made; without: all")
	f.StringVar(&d.system.Dir, "dir", "", "keeps data and logs; a folder in .ordersaga without")
	f.StringVar(&d.system.Bin, "bin", "", "holds the programs; without: where sagactl stands, or bin/ of the repository")
	f.StringSliceVar(&d.ports, "port", nil, "a port instead of a free one, as shipping=8084")
	return c
}

// conform starts the servers, has the program checked, and ends them.
func (p *program) conform(ctx context.Context, d *play, o conformance.Options) error {
	if err := d.complete(); err != nil {
		return err
	}
	d.system = conformance.Alone(d.system)
	d.system.Prefer = nil // nobody looks at the console
	s, err := p.startSystem(ctx, d)
	if err != nil {
		return err
	}
	defer s.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // the verdict is about the program
	log, err := os.Create(filepath.Join(s.Describe().Logs, "candidate.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	if o.Log = log; o.Start == "" {
		if err := p.showPlace(s, o.Service); err != nil {
			return err
		}
	}
	o.Show = func(r conformance.Result) {
		if p.output != "json" {
			p.showResult(r)
		}
	}
	results, err := conformance.Run(ctx, s, o)
	if err != nil {
		return err
	}
	if p.output == "json" {
		if err := p.json(map[string]any{"checks": results, "next": nil}); err != nil {
			return err
		}
	}
	var wrong []string
	for _, r := range results {
		if !r.Passed && !r.LeftOut {
			wrong = append(wrong, r.Check)
		}
	}
	if len(wrong) > 0 {
		return &Failure{failed, errors.New("does not conform: " + strings.Join(wrong, ", ")), "tail " + log.Name()}
	}
	return nil
}

func (p *program) showResult(r conformance.Result) {
	mark := good.Render("ok  ")
	switch {
	case r.LeftOut:
		mark = faint.Render("--  ")
	case !r.Passed:
		mark = bad.Render("FAIL")
	}
	fmt.Fprintf(p.out, "%s  %-14s %s\n", mark, r.Check, r.Sentence)
	if r.Seen != "" {
		fmt.Fprintf(p.out, "      %-14s %s\n", "", strings.ReplaceAll(r.Seen, "\n", "; "))
	}
}
