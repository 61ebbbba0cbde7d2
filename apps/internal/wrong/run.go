package wrong

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"charm.land/lipgloss/v2"

	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/internal/localservers"
)

const (
	// blockLimit is how long the trigger, or the harm, may take.
	blockLimit = time.Minute
	// within is how long a system may take to come to rest. It is more than an event may wait to be published (I14).
	within = 7 * time.Second
	// patience is for a busy machine: what is not as the page has it is looked at again for so long.
	patience = 30 * time.Second
	// shown is how many offenders of an invariant are shown.
	shown = 2
)

var (
	title = lipgloss.NewStyle().Bold(true)
	faint = lipgloss.NewStyle().Faint(true)
	good  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	bad   = lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true)
)

// Verdict is what the two systems have shown.
type Verdict struct {
	Way   string   `json:"way"`
	Wrong *Outcome `json:"wrong,omitempty"` // nil: it was not asked for
	Right *Outcome `json:"right"`
	Holds bool     `json:"holds"` // it is as the page has it
}

// Outcome is what one system has shown after the trigger.
type Outcome struct {
	Red       []string `json:"red"`  // the invariants that do not hold
	Harm      string   `json:"harm"` // in words
	N         int      `json:"n"`    // the number in them
	AsThePage bool     `json:"as_the_page"`
}

// Options are how a way is run.
type Options struct {
	Root      string    // of the repository
	Out       io.Writer // gets the story
	RightOnly bool      // the wrong system is left out
}

// Run builds and runs the wrong system and then the right one, and has the same trigger fired at both. What it writes
// is in a temporary folder, which is removed.
func (w Way) Run(ctx context.Context, o Options) (v Verdict, err error) {
	dir, err := os.MkdirTemp("", "ordersaga-wrong-")
	if err != nil {
		return v, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as another user where we are root
		return v, fmt.Errorf("open the folder: %w", err)
	}
	v.Way = w.Name
	fmt.Fprintln(o.Out, title.Render(w.Title))
	if !o.RightOnly {
		wrong := story{w, o, w.Red, w.Wrong}
		bin, err := wrong.build(ctx, dir)
		if err != nil {
			return v, err
		}
		if v.Wrong, err = wrong.play(ctx, "the wrong system", bin, filepath.Join(dir, "wrong")); err != nil {
			return v, err
		}
	}
	right := story{w, o, nil, w.Right}
	v.Right, err = right.play(ctx, "the right system", filepath.Join(o.Root, "bin"), filepath.Join(dir, "right"))
	v.Holds = err == nil && v.Right.AsThePage && (v.Wrong == nil || v.Wrong.AsThePage)
	return v, err
}

// story is what happens to one of the two systems, as it is shown.
type story struct {
	Way
	Options
	want  []string // which invariants are to be red
	bound Bound    // how large the harm is to be
}

func (s story) build(ctx context.Context, dir string) (bin string, err error) {
	fmt.Fprintln(s.Out)
	for line := range strings.Lines(s.Diff) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "    ")
		switch {
		case strings.HasPrefix(line, "+"):
			line = good.Render(line)
		case strings.HasPrefix(line, "-"):
			line = bad.Render(line)
		}
		fmt.Fprintln(s.Out, "  "+line)
	}
	fmt.Fprintln(s.Out)
	began := time.Now()
	bin, err = s.Build(ctx, s.Root, dir)
	s.step(began, "builds "+s.Service+" with it")
	return bin, err
}

// step shows what was done, and how long it took.
func (s story) step(began time.Time, what string) {
	fmt.Fprintf(s.Out, "  %s %s\n", what, faint.Render(fmt.Sprintf("%.1f s", time.Since(began).Seconds())))
}

// play starts a system, and has the trigger fired and the harm counted.
func (s story) play(ctx context.Context, name, bin, dir string) (*Outcome, error) {
	began := time.Now()
	fmt.Fprintf(s.Out, "\n%s\n", title.Render(name))
	options := s.System
	options.Dir, options.Bin = dir, bin
	system, err := supervisor.Start(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer system.Stop(context.WithoutCancel(ctx)) //nolint:errcheck // the verdict is about what it has done before
	if err := system.Publish(); err != nil {
		return nil, err
	}
	s.step(began, "starts")
	began = time.Now()
	if _, err := block(ctx, s.Root, dir, s.Trigger); err != nil {
		return nil, fmt.Errorf("fire the trigger at %s: %w", name, err)
	}
	s.step(began, "the trigger:")
	for line := range strings.Lines(s.Trigger) {
		fmt.Fprintln(s.Out, faint.Render("    "+strings.TrimRight(line, "\n")))
	}
	return s.judge(ctx, system, dir)
}

// judge looks at what does not hold after the trigger, and how large the harm is.
func (s story) judge(ctx context.Context, system *supervisor.System, dir string) (*Outcome, error) {
	began := time.Now()
	report, err := s.verify(ctx, system)
	if err != nil {
		return nil, err
	}
	s.step(began, "verify --at-rest:")
	s.showRed(report)
	o := &Outcome{Red: append([]string{}, redOf(report)...)}
	if o.Harm, o.N, err = s.harm(ctx, dir); err != nil {
		return nil, err
	}
	o.AsThePage = slices.Equal(o.Red, s.want) && s.bound.Holds(o.N)
	s.showHarm(o)
	return o, nil
}

// verify checks everything, until exactly that is red which is to be, or for too long.
func (s story) verify(ctx context.Context, system *supervisor.System) (verify.Report, error) {
	for began := time.Now(); ; {
		report, err := verify.Check(ctx, system.Describe(), verify.Options{AtRest: true, Within: within})
		if err != nil || slices.Equal(redOf(report), s.want) || time.Since(began) > patience {
			return report, err
		}
	}
}

// redOf are the invariants that do not hold.
func redOf(report verify.Report) (ids []string) {
	for _, result := range report.Results {
		if !result.Holds {
			ids = append(ids, result.ID)
		}
	}
	return ids
}

func (s story) showRed(report verify.Report) {
	red := redOf(report)
	for _, result := range report.Results {
		if result.Holds {
			continue
		}
		fmt.Fprintf(s.Out, "    %s %-4s%s\n", bad.Render("✗"), result.ID, result.Sentence)
		for _, offender := range result.Offenders[:min(shown, len(result.Offenders))] {
			fmt.Fprintf(s.Out, "           %s: %s\n", offender.Key, offender.Detail)
		}
	}
	switch {
	case !slices.Equal(red, s.want):
		fmt.Fprintf(s.Out, "    %s red is [%s], and was to be [%s]\n", bad.Render("!"), strings.Join(red, " "),
			strings.Join(s.want, " "))
	case len(red) == 0:
		fmt.Fprintf(s.Out, "    %s all %d invariants\n", good.Render("✓"), len(report.Results))
	default:
		fmt.Fprintf(s.Out, "    %s the other %d invariants\n", good.Render("✓"), len(report.Results)-len(red))
	}
}

// harm runs the block that counts it, and reads the number.
func (s story) harm(ctx context.Context, dir string) (sentence string, n int, err error) {
	output, err := block(ctx, s.Root, dir, s.Harm)
	if err != nil {
		return "", 0, fmt.Errorf("count the harm: %w", err)
	}
	found := s.Shows.FindStringSubmatch(output)
	if found == nil {
		return "", 0, fmt.Errorf("count the harm: %q is not what the page expects", output)
	}
	if n, err = strconv.Atoi(found[s.Shows.SubexpIndex(number)]); err != nil {
		return "", 0, fmt.Errorf("count the harm: %w", err)
	}
	return strings.TrimSpace(found[0]), n, nil
}

func (s story) showHarm(o *Outcome) {
	style, rest := good, ""
	if o.N > 0 {
		style = bad
	}
	if !s.bound.Holds(o.N) {
		style, rest = bad, faint.Render(fmt.Sprintf(" (it was to be %s)", s.bound))
	}
	fmt.Fprintf(s.Out, "  the harm: %s%s\n", style.Render(o.Harm), rest)
}

// block runs a block of the page as a person would at the root of the repository, and returns what it prints. What it
// has started ends with it, or with us.
func block(ctx context.Context, root, dir, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, blockLimit)
	defer cancel()
	log, err := os.Create(filepath.Join(dir, "block.log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	shell, err := localservers.Start(localservers.Command{
		Path: "bash", Args: []string{"-euo", "pipefail", "-c", text}, Dir: root, Log: log,
		Env: append(environ(), "LAB="+dir, "ORDERSAGA_FILE="+filepath.Join(dir, "run.json"), "NO_COLOR=1"),
	})
	if err != nil {
		return "", err
	}
	select {
	case <-shell.Done():
	case <-ctx.Done():
	}
	_ = syscall.Kill(-shell.PID(), syscall.SIGKILL) // what it left in its group, itself among it; there may be nothing
	ended := shell.Wait()
	output, err := os.ReadFile(log.Name())
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("it has not ended: %w", context.Cause(ctx))
	case ended != nil:
		return "", fmt.Errorf("%w: %s", ended, strings.TrimSpace(string(output)))
	}
	return string(output), err
}

// environ is our environment without what would have sagactl drive another system, or print otherwise.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return strings.HasPrefix(name, "ORDERSAGA_") || name == "BASH_ENV" || name == "COLUMNS"
	})
}
