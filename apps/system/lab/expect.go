package lab

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// expect is the kind of a block that says what the output of the block before it must be.
const expect = "expect"

// How an expectation compares.
const (
	contains = "contains" // each line occurs in the output, in this order
	pattern  = "regex"    // the text is a regular expression that matches somewhere in the output
	elided   = "elided"   // line for line
)

// ellipsis stands for any characters within a line, and alone for any lines of an elided output.
const ellipsis = "…"

// Expect is what the output and the exit code of a block must be.
type Expect struct {
	Mode  string // contains, regex or elided; empty: the exit code alone is looked at
	Text  string
	Name  string
	Until time.Duration // the block is run again until it holds, at most so long
	Exit  int
	Line  int

	regex *regexp.Regexp
}

func newExpect(b Block) (e *Expect, err error) {
	e = &Expect{Text: b.Text, Name: b.Flags["name"], Line: b.Line}
	for _, mode := range []string{contains, pattern, elided} {
		if b.Is(mode) {
			if e.Mode != "" {
				return nil, fmt.Errorf("an expectation is %s or %s, not both", e.Mode, mode)
			}
			e.Mode = mode
		}
	}
	if b.Is("until") {
		if e.Until, err = time.ParseDuration(b.Flags["until"]); err != nil || e.Until <= 0 {
			return nil, fmt.Errorf("until=%s is no time, as until=30s is", b.Flags["until"])
		}
	}
	if b.Is("exit") {
		if e.Exit, err = strconv.Atoi(b.Flags["exit"]); err != nil || e.Exit < 0 || e.Exit > 255 {
			return nil, fmt.Errorf("exit=%s is no exit code, as exit=1 is", b.Flags["exit"])
		}
	}
	if e.regex, err = e.compile(); err != nil {
		return nil, fmt.Errorf("the expectation is no regular expression: %w", err)
	}
	return e, nil
}

func (e *Expect) compile() (*regexp.Regexp, error) {
	switch e.Mode {
	case pattern:
		return regexp.Compile("(?s)" + strings.TrimSpace(e.Text))
	case elided:
		var all strings.Builder
		for _, line := range linesOf(e.Text) {
			if line == ellipsis {
				all.WriteString(`(?:.*\n)*?`)
			} else {
				all.WriteString(wild(line) + `\n`)
			}
		}
		return regexp.Compile(`\A` + all.String() + `\z`)
	}
	return nil, nil //nolint:nilnil // nothing is to be compiled
}

// wild is the expression for a line in which an ellipsis stands for any characters, also for the blanks that a line
// begins with.
func wild(line string) string {
	rest, begins := strings.CutPrefix(line, ellipsis+" ")
	expression := strings.ReplaceAll(regexp.QuoteMeta(rest), ellipsis, ".*")
	if begins {
		return "(?:.* )?" + expression
	}
	return expression
}

// linesOf are the lines of a text, without the empty ones at its end. Blanks are compared as one: how wide a table's
// columns are depends on what stands in them.
func linesOf(text string) []string {
	lines := strings.Split(strings.TrimRight(text, " \n"), "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	if len(lines) == 1 && lines[0] == "" {
		return nil
	}
	return lines
}

// Check is what an output misses; nil: nothing.
func (e *Expect) Check(output string, exit int) error {
	if exit != e.Exit {
		return fmt.Errorf("the exit code is %d, not %d", exit, e.Exit)
	}
	switch e.Mode {
	case contains:
		return e.contained(linesOf(output))
	case pattern:
		if !e.regex.MatchString(strings.TrimSpace(output)) {
			return errors.New("the output does not match the regular expression")
		}
	case elided:
		if lines := linesOf(output); !e.regex.MatchString(strings.Join(append(lines, ""), "\n")) {
			return errors.New("the output is another one")
		}
	}
	return nil
}

// contained looks for each expected line behind the one before it.
func (e *Expect) contained(lines []string) error {
	for _, want := range linesOf(e.Text) {
		is := regexp.MustCompile(wild(want)) // quoted
		for len(lines) > 0 && !is.MatchString(lines[0]) {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return fmt.Errorf("no line of the output has %q, in this order", want)
		}
		lines = lines[1:]
	}
	return nil
}

// rewrite gives the expectation the text of an output; false: it is compared in a way that only a person can write.
func (e *Expect) rewrite(output, dir string) bool {
	if e == nil || e.Mode != contains && e.Mode != elided {
		return false
	}
	output = strings.ReplaceAll(strings.TrimRight(output, " \n")+"\n", dir, ellipsis)
	e.Text = uuids.ReplaceAllString(output, ellipsis)
	e.regex, _ = e.compile() // what is quoted can be compiled
	return true
}

// uuids are other ones in each run.
var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
