package sagactl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/internal/wrong"
	"example.com/ordersaga/apps/system/endpoints"
)

func (p *program) wrong() *cobra.Command {
	g := group("wrong", "Shows what happens without a guard: wrong ways, each a small diff, built and run.",
		p.wrongList(), p.wrongRun(), p.wrongStart(), p.wrongFire(), p.wrongGuess())
	g.Long = `Shows what happens without a guard. Each wrong way is a page of docs/wrong with a small diff. With run, a
service is built with it in a temporary folder, the system is started, one trigger is fired, and verify shows which
invariants do not hold. Then the same happens with the code as it is. With start, fire and guess you find out yourself
which way it is. All of it needs a checkout, and go, git and bash.`
	return g
}

func (p *program) wrongList() *cobra.Command {
	return command("list", "Lists the wrong ways.", cobra.NoArgs, func(context.Context, []string) error {
		_, ways, err := wrongWays()
		if err != nil {
			return err
		}
		type row struct {
			Name  string   `json:"name"`
			Red   []string `json:"red"`
			Title string   `json:"title"`
			Page  string   `json:"page"`
		}
		rows := make([]row, len(ways))
		for i, w := range ways {
			rows[i] = row{w.Name, w.Red, w.Title, w.Page}
		}
		return showList(p, "ways", "NAME,BREAKS,WHAT IT IS", rows, nil, func(r row) []string {
			return []string{r.Name, strings.Join(r.Red, " "), r.Title}
		})
	})
}

func (p *program) wrongRun() *cobra.Command {
	rightOnly := false
	const short = "Builds and runs a wrong way, and then the right one, with the same trigger."
	c := command("run NAME", short, cobra.ExactArgs(1),
		func(ctx context.Context, args []string) error {
			root, ways, err := wrongWays()
			if err != nil {
				return err
			}
			way, err := findWay(ways, args[0])
			if err != nil {
				return err
			}
			return p.runWay(ctx, way, wrong.Options{Root: root, Out: p.progress(), RightOnly: rightOnly})
		})
	c.Long = `Builds a service with the diff of docs/wrong/NAME.md, starts the system with it, fires the page's trigger,
and shows what does not hold and how large the harm is; then the same with the code as it is.

The exit code is 0 when the wrong system was red for exactly the invariants that the page names, and the right one for
none; otherwise 1.`
	c.Flags().BoolVar(&rightOnly, "right", false, "run the right system alone")
	return c
}

func (p *program) runWay(ctx context.Context, way wrong.Way, o wrong.Options) error {
	verdict, err := way.Run(ctx, o)
	switch {
	case ctx.Err() != nil:
		return &Failure{Code: failed, Err: errors.New("interrupted")}
	case err != nil:
		return cannotBuild(err)
	}
	if p.output == "json" {
		err = p.json(verdict)
	}
	if err == nil && !verdict.Holds {
		return &Failure{failed, errors.New("it is not as the page has it"), "less " + way.Page}
	}
	fmt.Fprintf(p.progress(), "\nwhat cures it: %s\n", strong.Render(way.Page))
	return err
}

func (p *program) wrongStart() *cobra.Command {
	d := play{scenes: "none"}
	secret := 0
	c := command("start", "Builds and runs a system that is wrong, and does not show in which way.", cobra.NoArgs,
		func(ctx context.Context, _ []string) error {
			root, ways, err := wrongWays()
			if err != nil {
				return err
			}
			return p.startSecret(ctx, &d, root, wrong.Secret(ways, secret))
		})
	c.Long = `Builds a service with the diff of one of the pages of docs/wrong, which the number selects, and runs the
system until Ctrl-C. "sagactl wrong fire" makes the fault that it does not survive, "sagactl wrong guess" checks an
answer.`
	c.Flags().IntVar(&secret, "secret", 1, "which system: any number")
	c.Flags().StringVar(&d.system.Dir, "dir", "", "keeps data, logs and run.json; a folder in .ordersaga without")
	return c
}

// startSecret runs the system until Ctrl-C. The programs are in a folder that says nothing.
func (p *program) startSecret(ctx context.Context, d *play, root string, way wrong.Way) (err error) {
	if d.system.Dir == "" {
		d.system.Dir = filepath.Join(filepath.Dir(endpoints.DefaultFile), "wrong")
	}
	bin, err := os.MkdirTemp("", "ordersaga-wrong-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(bin)) }()
	o := way.System
	o.Dir = d.system.Dir
	if o.Bin, err = way.Build(ctx, root, bin); err != nil {
		return cannotBuild(err)
	}
	if err := way.Seal(o.Dir); err != nil {
		return err
	}
	d.system, d.many = o, o.Replicas
	return p.runDemo(ctx, d)
}

func (p *program) wrongFire() *cobra.Command {
	return command("fire", "Makes the fault that a system of wrong start does not survive.", cobra.NoArgs,
		func(ctx context.Context, _ []string) error {
			root, dir, way, err := p.secretWay()
			if err != nil {
				return err
			}
			output, err := way.Fire(ctx, root, dir)
			fmt.Fprint(p.out, output)
			return err
		})
}

func (p *program) wrongGuess() *cobra.Command {
	return command("guess NAME", "Checks which wrong way a system of wrong start is.", cobra.ExactArgs(1),
		func(_ context.Context, args []string) error {
			_, ways, err := wrongWays()
			if err != nil {
				return err
			}
			guess, err := findWay(ways, args[0])
			if err != nil {
				return err
			}
			_, _, way, err := p.secretWay()
			if err != nil {
				return err
			}
			if guess.Name != way.Name {
				return &Failure{failed, fmt.Errorf("it is not %s", guess.Name), "sagactl wrong list"}
			}
			fmt.Fprintf(p.out, "it is %s: %s has what cures it\n", way.Name, way.Page)
			return nil
		})
}

// secretWay is the way of the system that was named, or runs, and its folder.
func (p *program) secretWay() (root, dir string, way wrong.Way, err error) {
	root, ways, err := wrongWays()
	if err != nil {
		return "", "", way, err
	}
	if _, err := p.system(); err != nil {
		return "", "", way, err
	}
	if dir, err = filepath.Abs(filepath.Dir(p.file)); err == nil {
		way, err = wrong.Unseal(ways, dir)
	}
	if errors.Is(err, wrong.ErrNotSealed) {
		err = &Failure{usage, err, "sagactl wrong start --secret 1"}
	}
	return root, dir, way, err
}

// wrongWays are the wrong ways of the repository in which we are.
func wrongWays() (root string, ways []wrong.Way, err error) {
	if root, err = wrong.Checkout(); err == nil {
		ways, err = wrong.Ways(root)
	}
	return root, ways, cannotBuild(err)
}

// cannotBuild gives the error that something is missing here its exit code.
func cannotBuild(err error) error {
	if errors.Is(err, wrong.ErrCannotBuild) {
		return &Failure{Code: usage, Err: err}
	}
	return err
}

func findWay(ways []wrong.Way, name string) (wrong.Way, error) {
	names := make([]string, len(ways))
	for i, w := range ways {
		names[i] = w.Name
	}
	if at := slices.Index(names, name); at >= 0 {
		return ways[at], nil
	}
	err := fmt.Errorf("there is no wrong way %q; there are %s", name, strings.Join(names, ", "))
	return wrong.Way{}, &Failure{usage, err, "sagactl wrong list"}
}
