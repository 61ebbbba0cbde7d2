package lab

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"example.com/ordersaga/pkg/events"
)

// sections are those that every page has, in this order.
var sections = []string{
	"Question", "Predict", "Run", "Break", "See", "Explain", "Repair", "A number to reach", "Clean",
}

// toBeRead are the sections in which a block may be there to be read alone: everything else on a page is tested.
var toBeRead = []string{"Predict", "Explain"}

// What a block is, by its kind and its flags in alphabetical order.
const (
	run        = "run"
	start      = "run start"
	background = "background run"
	broken     = "break red"
	cleanup    = "cleanup"
	query      = "run service"
)

var forms = map[string][]string{"sh": {run, start, background, broken, cleanup}, "sql": {query}}

// form is what a block is, of those above; empty: it is to be read.
func (b *Block) form() string {
	if b.Kind == expect {
		return ""
	}
	flags := make([]string, 0, len(b.Flags))
	for flag := range b.Flags {
		flags = append(flags, flag)
	}
	slices.Sort(flags)
	return strings.Join(flags, " ")
}

// Parse reads a page of docs/labs and checks what can be checked without a system. Each problem is a line of the error,
// with file and line.
func Parse(path string, source []byte) (*Page, error) {
	p, err := Read(path, source)
	if err != nil {
		return nil, err
	}
	problems := []error{p.checkTitle()}
	if !slices.Equal(p.Sections, sections) {
		problems = append(problems, fmt.Errorf("%s:1: the sections are %s, not %s", path,
			strings.Join(sections, " · "), strings.Join(p.Sections, " · ")))
	}
	for i := range p.Blocks {
		if err := p.checkBlock(i); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", path, p.Blocks[i].Line, err))
		}
	}
	problems = append(problems, p.checkBreak())
	return p, errors.Join(problems...)
}

// checkTitle looks for the number in the title, which is the file's.
func (p *Page) checkTitle() error {
	number, _, _ := strings.Cut(filepath.Base(p.Path), "-")
	n, err := strconv.Atoi(number)
	if want := fmt.Sprintf("%d. ", n); err == nil && !strings.HasPrefix(p.Title, want) {
		return fmt.Errorf("%s:1: the title begins with %q, not %q", p.Path, want, p.Title)
	}
	return nil
}

func (p *Page) checkBlock(i int) error {
	b := &p.Blocks[i]
	switch form := b.form(); {
	case b.Kind == expect:
		return p.checkExpect(i)
	case form == "" && slices.Contains(toBeRead, b.Section):
		return nil
	case form == "":
		in := strings.Join(toBeRead, " or ")
		return fmt.Errorf("nothing tests the block %q: what is only read stands in %s", b.Kind, in)
	case !slices.Contains(forms[b.Kind], form):
		return fmt.Errorf("there is no block %q with the flags %q; sh has %q, sql %q",
			b.Kind, form, forms["sh"], forms["sql"])
	default:
		return b.check(form)
	}
}

// check looks at a block that is run.
func (b *Block) check(form string) error {
	service := events.Service(b.Flags["service"])
	switch {
	case strings.TrimSpace(b.Text) == "":
		return errors.New("the block is empty")
	case slices.Contains(strings.Fields(b.Text), "sleep"):
		return errors.New("a block does not sleep: its expectation has until=30s")
	case form == start && !isStart(b.Text):
		return fmt.Errorf("a start block is one command that begins with `%s`", strings.Join(starts, "` or `"))
	case form == query && !slices.Contains(events.Consumers, service):
		return fmt.Errorf("there is no service %q; there are %v", service, events.Consumers)
	case form == broken && b.Section != "Break", form == cleanup && b.Section != "Clean":
		return fmt.Errorf("the block does not belong to the section %q", b.Section)
	case b.Expect == nil && b.isExpected():
		return errors.New("no expectation follows the block")
	case form == background && b.Expect.Until == 0:
		return errors.New("what goes on in the background is expected with until=30s")
	}
	return nil
}

// starts are how the command begins that starts a page's system.
var starts = []string{"bin/sagactl demo ", "bin/sagactl wrong start "}

func isStart(text string) bool {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\\\n", " ")
	return slices.ContainsFunc(starts, func(begin string) bool { return strings.HasPrefix(text, begin) }) &&
		!strings.ContainsAny(text, "\n;&|")
}

// expectFlags are what an expectation may have.
var expectFlags = []string{contains, pattern, elided, "until", "exit", "name"}

func (p *Page) checkExpect(i int) error {
	b := &p.Blocks[i]
	for flag := range b.Flags {
		if !slices.Contains(expectFlags, flag) {
			return fmt.Errorf("an expectation has no flag %q; there are %v", flag, expectFlags)
		}
	}
	named := func(other Block) bool {
		return other.Line < b.Line && other.Kind == expect && other.Expect.Name == b.Expect.Name
	}
	switch {
	case i == 0 || p.Blocks[i-1].Kind == expect || !p.Blocks[i-1].isExpected():
		return errors.New("the expectation follows no block that is run")
	case b.Expect.Mode == "" && strings.TrimSpace(b.Text) != "":
		return fmt.Errorf("an expectation with a text is %s, %s or %s", contains, pattern, elided)
	case b.Expect.Mode != elided && strings.TrimSpace(b.Text) == "" && !b.Is("exit"):
		return errors.New("the expectation expects nothing")
	case b.Expect.Name != "" && slices.ContainsFunc(p.Blocks, named):
		return fmt.Errorf("another expectation is called %q, too", b.Expect.Name)
	}
	return nil
}

// isExpected is whether an expectation can follow the block.
func (b *Block) isExpected() bool { return b.form() != "" && b.form() != start && b.form() != cleanup }

// Break is the block that makes the page's point; nil: there is none.
func (p *Page) Break() *Block { return p.first(broken) }

// first is the first block of a form.
func (p *Page) first(form string) *Block {
	for i := range p.Blocks {
		if p.Blocks[i].form() == form && p.Blocks[i].Kind == "sh" {
			return &p.Blocks[i]
		}
	}
	return nil
}

// checkBreak looks at the one break block and the expectation that it names, and at the one that starts the system.
func (p *Page) checkBreak() error {
	red := false
	count := map[string]int{}
	for i := range p.Blocks {
		b := &p.Blocks[i]
		count[b.form()]++
		red = red || count[broken] == 1 && b.form() != broken && b.form() != "" && b.Expect != nil &&
			b.Expect.Name != "" && b.Expect.Name == p.Break().Flags["red"]
		if b.form() == start && count[start] > 1 || b.form() == start && i != p.firstRun() {
			return fmt.Errorf("%s:%d: the block that starts the system is the first that is run", p.Path, b.Line)
		}
	}
	switch {
	case count[broken] != 1:
		return fmt.Errorf("%s:1: a page has one block `sh break red=NAME`, not %d", p.Path, count[broken])
	case !red:
		b := p.Break()
		return fmt.Errorf("%s:%d: no expectation after the break is called %q", p.Path, b.Line, b.Flags["red"])
	}
	return nil
}

// firstRun is the first block that is run.
func (p *Page) firstRun() int {
	return slices.IndexFunc(p.Blocks, func(b Block) bool { return b.form() != "" })
}
