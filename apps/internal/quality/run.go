package quality

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Result is what came of a scenario's command.
type Result struct {
	ID      string    `json:"id"`
	Commit  string    `json:"commit"`
	Time    time.Time `json:"time"`
	Value   *float64  `json:"value"` // null: there is none
	Verdict State     `json:"verdict"`
	Why     string    `json:"why,omitempty"`
	Seconds float64   `json:"seconds"`
	CPU     float64   `json:"cpu_seconds"` // which a busy machine changes less

	Output string `json:"-"` // all that the command printed
}

// Tail is the end of what the command printed.
func (r Result) Tail() string {
	lines := strings.Split(strings.TrimSpace(r.Output), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// limit is how long a command may take that names no limit.
const limit = 3 * time.Minute

// Run runs the scenario's command in the repository's root, and judges the number that it prints.
func (s Scenario) Run(ctx context.Context, root string) Result {
	began := time.Now()
	result := Result{ID: s.ID, Commit: commit(ctx, root), Time: began.UTC().Truncate(time.Second)}
	if s.Evidence.Needs != "" {
		if _, _, err := shell(ctx, root, s.Evidence.Needs, time.Minute); err != nil {
			result.Verdict, result.Why = CannotRun, "it needs: "+s.Evidence.Needs
			return result
		}
	}
	output, cpu, err := shell(ctx, root, s.Evidence.Command, cmp.Or(s.Evidence.Limit, limit))
	result.Output, result.Seconds, result.CPU = output, tenths(time.Since(began)), tenths(cpu)
	value, unread := s.read(output)
	if unread == nil {
		result.Value = &value
	}
	if err := cmp.Or(err, unread, s.judge(value)); err != nil {
		result.Verdict, result.Why = Failed, err.Error()
		return result
	}
	result.Verdict = Passed
	return result
}

// shell runs a command and all that it starts, for as long as it may take. It fails with the first part that fails, in
// a pipe, too.
func shell(
	ctx context.Context, root, command string, limit time.Duration,
) (printed string, cpu time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	run := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", command)
	run.Dir = root
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGKILL) }
	run.WaitDelay = time.Second // somebody who left the group may hold the pipe
	output, err := run.CombinedOutput()
	if run.ProcessState != nil {
		cpu = run.ProcessState.UserTime() + run.ProcessState.SystemTime()
		_ = syscall.Kill(-run.Process.Pid, syscall.SIGKILL) // what it has left behind, if anything
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("it had not ended after %v", limit)
	case err != nil:
		err = fmt.Errorf("the command failed: %w", err)
	}
	return string(output), cpu, err
}

func tenths(d time.Duration) float64 { return math.Round(d.Seconds()*10) / 10 }

// read finds the number in what the command printed; the last one, when there are several.
func (s Scenario) read(output string) (float64, error) {
	reads := regexp.MustCompile(s.Evidence.Reads)
	all := reads.FindAllStringSubmatch(output, -1)
	if len(all) == 0 {
		return 0, fmt.Errorf("it printed nothing like %s", s.Evidence.Reads)
	}
	text := all[len(all)-1][reads.SubexpIndex("value")]
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(value, 0) || math.IsNaN(value) {
		return 0, fmt.Errorf("it printed %q, which is no number", text)
	}
	return value, nil
}

// judge compares the number with the bound, and with a bound that nothing can keep: a verdict that passes there, too,
// is no verdict.
func (s Scenario) judge(value float64) error {
	switch {
	case s.Measure.Bound.Impossible().Holds(value):
		return errors.New("the verdict would pass whatever the number is")
	case !s.Measure.Bound.Holds(value):
		return fmt.Errorf("%s %s, and must be %s", number(value), s.Measure.Unit, s.Measure.Bound)
	}
	return nil
}

func number(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }

// commit is what is checked out.
func commit(ctx context.Context, root string) string {
	name := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
	name.Dir = root
	output, err := name.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(output))
}
