package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// shortened is how long the expectation that the break names is waited for without the break.
const shortened = 5 * time.Second

// Prove runs a page twice in one system: without its break block, where the expectation that the break names must be
// the first that does not hold, and as it is written, where all must hold.
func Prove(ctx context.Context, p *Page, o Options) (err error) {
	if o.Shared, err = NewSystem(ctx, o.Root); err != nil {
		return err
	}
	defer func() {
		if closing := o.Shared.Close(context.WithoutCancel(ctx)); closing != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", p.Path, closing))
		}
	}()
	without := o
	without.WithoutBreak, without.Shorten = true, shortened
	report, err := Run(ctx, p, without)
	if err == nil {
		err = report.isRed()
	}
	if err != nil {
		return fmt.Errorf("without its break: %w", err)
	}
	if report, err = Run(ctx, p, o); err != nil {
		return err
	}
	if failed := report.Failed(); failed != nil {
		return fmt.Errorf("as it is written: %s", failed.describe(p))
	}
	return nil
}

// isRed is an error unless the expectation that the break names is the one that did not hold.
func (r Report) isRed() error {
	b := r.Page.Break()
	switch failed := r.Failed(); {
	case failed == nil:
		return fmt.Errorf("%s:%d: the page stays green: %q holds, too", r.Page.Path, b.Line, b.Flags["red"])
	case failed.Block.Expect == nil || failed.Block.Expect.Name != b.Flags["red"]:
		return fmt.Errorf("%q was to be red, and not this: %s", b.Flags["red"], failed.describe(r.Page))
	}
	return nil
}

// describe is what did not hold: what was run, what came, and what was expected.
func (r Result) describe(p *Page) string {
	text := fmt.Sprintf("%s:%d: %s\nrun:%s\ngot:%s", p.Path, r.Block.Line, r.Missing, indented(r.Block.Text),
		indented(r.Output))
	if e := r.Block.Expect; e != nil {
		text += fmt.Sprintf("\nwant (%s):%s", e.Mode, indented(e.Text))
	}
	return text
}
