package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"example.com/ordersaga/pkg/loop"
)

const (
	// blockLimit is how long a block may take.
	blockLimit = 90 * time.Second
	// pace is how often something is looked at that is waited for.
	pace = 200 * time.Millisecond
)

// Options say how a page is run.
type Options struct {
	// Root is the repository's: blocks run there.
	Root string
	// Shared is where the page is run; nil: in a directory and a system of its own, which are there as long as the run.
	Shared *System
	// WithoutBreak leaves the break block out.
	WithoutBreak bool
	// Shorten is how long the expectation is waited for at most that the break names, if the break is left out.
	Shorten time.Duration
	// Limit is how long a block may take; zero: 90 seconds.
	Limit time.Duration
	// Write makes expectations that do not hold those that do. A regular expression stays as it is.
	Write bool
	// Environ is more environment for the blocks.
	Environ []string
	// Log gets a line for each block; nil: none.
	Log io.Writer
}

// Result is what became of a block.
type Result struct {
	Block   *Block
	Output  string
	Missing string // what its expectation misses; empty: it holds
	Took    time.Duration

	code int
}

// Report is what became of a page.
type Report struct {
	Page    *Page
	Results []Result
	Took    time.Duration
}

// Failed is the block whose expectation did not hold; nil: all did.
func (r Report) Failed() *Result {
	for i := range r.Results {
		if r.Results[i].Missing != "" {
			return &r.Results[i]
		}
	}
	return nil
}

// Run runs a page's blocks until an expectation does not hold, and then its cleanup. The error is one of the run
// itself.
func Run(ctx context.Context, p *Page, o Options) (report Report, err error) {
	began := time.Now()
	if o.Shared == nil {
		if o.Shared, err = NewSystem(ctx, o.Root); err != nil {
			return Report{}, err
		}
		defer func() { err = errors.Join(err, o.Shared.Close(context.WithoutCancel(ctx))) }()
	}
	r, err := Open(p, o)
	if err != nil {
		return Report{}, err
	}
	defer func() { r.Close() }() // of the last shell
	report = Report{Page: p}
	report.Results, err = r.steps(ctx)
	if cleaning := r.cleanUp(context.WithoutCancel(ctx), &report); err == nil {
		err = cleaning
	}
	report.Took = time.Since(began)
	return report, err
}

// Runner runs the blocks of a page in one shell.
type Runner struct {
	page    *Page
	options Options
	shell   *shell
}

// Open starts the shell for a page, in the options' system.
func Open(p *Page, o Options) (*Runner, error) {
	r := &Runner{page: p, options: o}
	return r, r.open()
}

func (r *Runner) open() (err error) {
	s := r.options.Shared
	if r.shell, err = newShell(s.home, s.root, append(s.environ(), r.options.Environ...)); err == nil {
		s.groups = append(s.groups, r.shell.pid)
	}
	return err
}

// Close ends the shell and all that its blocks have started.
func (r *Runner) Close() { r.shell.close() }

// steps runs all blocks but the cleanup, until an expectation does not hold.
func (r *Runner) steps(ctx context.Context) (results []Result, err error) {
	for i := range r.page.Blocks {
		b := &r.page.Blocks[i]
		switch form := b.form(); {
		case form == "" || form == cleanup, form == broken && r.options.WithoutBreak, !isRun(b):
			continue
		case form == start && r.options.Shared.exited != nil: // by the pass before
			continue
		}
		result, err := r.Step(ctx, b)
		if err != nil {
			return results, fmt.Errorf("%s:%d: %w%s", r.page.Path, b.Line, err, indented(result.Output))
		}
		results = append(results, result)
		if r.note(result); result.Missing != "" {
			return results, nil
		}
	}
	return results, nil
}

func isRun(b *Block) bool { return len(forms[b.Kind]) > 0 }

func (r *Runner) note(result Result) {
	if r.options.Log == nil {
		return
	}
	verdict := cmp.Or(result.Missing, "holds")
	fmt.Fprintf(r.options.Log, "%s:%d: `%s %s` %s after %.1f s\n", r.page.Path, result.Block.Line, result.Block.Kind,
		result.Block.form(), verdict, result.Took.Seconds())
}

// Step runs a block, and again until its expectation holds, as long as that may take.
func (r *Runner) Step(ctx context.Context, b *Block) (result Result, err error) {
	began := time.Now()
	result.Block = b
	if b.form() == start {
		err = r.options.Shared.Start(ctx, b.Text)
		result.Took = time.Since(began)
		return result, err
	}
	look, err := r.looker(ctx, b)
	for until := began.Add(r.until(b.Expect)); err == nil; {
		if result.Output, result.code, err = look(); err != nil {
			break
		}
		if result.Missing = result.check(); result.Missing == "" || !time.Now().Before(until) {
			break
		}
		loop.Rest(ctx, pace, nil)
	}
	if result.Missing != "" && r.options.Write && b.Expect.rewrite(result.Output, r.options.Shared.Dir) {
		result.Missing = result.check()
	}
	result.Took = time.Since(began)
	return result, err
}

// looker is what is done each time that the expectation is looked at: what goes on in the background is started once.
func (r *Runner) looker(ctx context.Context, b *Block) (look func() (string, int, error), err error) {
	if b.form() != background {
		return func() (string, int, error) {
			return r.shell.run(ctx, b.command(), cmp.Or(r.options.Limit, blockLimit))
		}, nil
	}
	printed, err := r.shell.background(b.Text)
	return func() (string, int, error) {
		text, err := read(printed)
		return text, b.Expect.Exit, errors.Join(err, ctx.Err())
	}, err
}

// command is what the shell is given for a block.
func (b *Block) command() string {
	if b.Kind == "sql" {
		return "bin/sagactl sql " + b.Flags["service"] + " " + quote(strings.TrimSpace(b.Text))
	}
	return b.Text
}

// until is how long an expectation is waited for.
func (r *Runner) until(e *Expect) time.Duration {
	switch {
	case e == nil:
		return 0
	case r.options.WithoutBreak && r.options.Shorten > 0 && e.Name != "" && e.Name == r.page.Break().Flags["red"]:
		return min(e.Until, r.options.Shorten)
	}
	return e.Until
}

func (r Result) check() (missing string) {
	e := r.Block.Expect
	if e == nil {
		e = &Expect{} // the exit code alone
	}
	if err := e.Check(r.Output, r.code); err != nil {
		return err.Error()
	}
	return ""
}

// cleanUp runs the cleanup blocks, in another shell if a block has hung in this one. Without the break there may be
// nothing that they could clean.
func (r *Runner) cleanUp(ctx context.Context, report *Report) error {
	for i := range r.page.Blocks {
		b := &r.page.Blocks[i]
		if b.form() != cleanup || !isRun(b) {
			continue
		}
		if r.shell.busy {
			r.shell.close()
			if err := r.open(); err != nil {
				return err
			}
		}
		result, err := r.Step(ctx, b)
		if err != nil {
			return fmt.Errorf("%s:%d: %w%s", r.page.Path, b.Line, err, indented(result.Output))
		}
		r.note(result)
		if !r.options.WithoutBreak {
			report.Results = append(report.Results, result)
		}
	}
	return nil
}

// indented is an output as it stands below an error.
func indented(output string) string {
	return strings.ReplaceAll("\n"+strings.TrimRight(output, "\n"), "\n", "\n\t")
}
