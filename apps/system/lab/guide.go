package lab

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What leads a person through a page: which block is next, and which of them only look.

// Next is the first block from the given one on that a person runs; -1: there is none. The system is started and ended
// for them.
func (p *Page) Next(from int) int {
	for i := from; i < len(p.Blocks); i++ {
		if b := &p.Blocks[i]; isRun(b) && b.isExpected() {
			return i
		}
	}
	return -1
}

// Start and Cleanup are the blocks that start the system and end the page; nil: the page has none.
func (p *Page) Start() *Block { return p.first(start) }

// Cleanup is the block that ends the page; nil: there is none.
func (p *Page) Cleanup() *Block { return p.first(cleanup) }

var (
	calls = regexp.MustCompile(`bin/sagactl +([a-z-]+)(?: +([a-z-]+))?`)
	looks = []string{
		"verify", "sql", "trace", "watch", "order get", "order list", "order saga", "order mails", "stock list",
		"faults list", "faults points", "incidents list", "incidents show", "dead-letters list", "dead-letters show",
	}
	assigned = regexp.MustCompile(`(?m)^\s*([A-Za-z_][A-Za-z0-9_]*)=`)
)

// Looks is whether the block changes nothing, so that it can be run beside the person: all commands in it look.
func (b *Block) Looks() bool {
	found := calls.FindAllStringSubmatch(b.Text, -1)
	return b.Kind == "sql" || b.form() == run && len(found) > 0 && !slices.ContainsFunc(found, func(call []string) bool {
		return !slices.Contains(looks, call[1]) && !slices.Contains(looks, call[1]+" "+call[2])
	})
}

// Command is what a shell is given for the block.
func (b *Block) Command() string { return strings.TrimSpace(b.command()) }

// Variables are the names that the page's blocks assign.
func (p *Page) Variables() (names []string) {
	for i := range p.Blocks {
		if b := &p.Blocks[i]; b.Kind == "sh" {
			for _, name := range assigned.FindAllStringSubmatch(b.Text, -1) {
				names = append(names, name[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Unset are those of the page's variables that the block uses and that the environment lacks.
func (p *Page) Unset(b *Block, environ []string) []string {
	return slices.DeleteFunc(p.Variables(), func(name string) bool {
		uses := regexp.MustCompile(`\$\{?` + name + `\b`).MatchString(b.Text)
		set := func(variable string) bool { return strings.HasPrefix(variable, name+"=") }
		return !uses || slices.ContainsFunc(environ, set)
	})
}

// Values are the page's variables as they are in the runner's shell, as NAME=value.
func (r *Runner) Values(ctx context.Context) (values []string, err error) {
	names := strings.Join(r.page.Variables(), " ")
	const text = `for lab_n in %s; do [[ -n ${!lab_n+x} ]] && printf '%%s=%%s\0' "$lab_n" "${!lab_n}"; done`
	output, _, err := r.shell.run(ctx, fmt.Sprintf(text, names), time.Minute)
	return strings.FieldsFunc(output, func(r rune) bool { return r == 0 }), err
}
