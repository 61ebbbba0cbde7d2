// Package lab reads pages of Markdown whose blocks can be run, and runs them: the labs of docs/labs.
//
// A fenced block's info string says what it is (`sh run`, `sql run service=payment`, `sh break red=NAME`, …), and the
// block `expect …` behind it what its output must be. A page is run as it is written, and without its break block: then
// the expectation that the break names must fail, or the page would teach nothing.
package lab

import (
	"fmt"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// Page is a page of Markdown whose blocks can be run.
type Page struct {
	Path     string
	Title    string   // the heading of the first level
	Sections []string // the headings of the second level
	Blocks   []Block  // all fenced blocks

	source []byte
}

// Block is a fenced block.
type Block struct {
	Section string
	Kind    string            // sh, sql, expect, …: the first word of the info string
	Flags   map[string]string // the other words: run, service=payment, …
	Text    string
	Line    int     // of its first fence
	Before  string  // the prose between the block or heading before it and this one
	Expect  *Expect // what its output must be; nil where no block `expect` follows

	begin, end int // of Text, in the source
}

// Is reports whether the block has a flag.
func (b *Block) Is(flag string) bool {
	_, is := b.Flags[flag]
	return is
}

// Read reads a page whose blocks may be of any kind. The errors are those of the info strings and expectations.
func Read(path string, source []byte) (*Page, error) {
	p := &Page{Path: path, source: source}
	begun := 0 // where the prose before the next block begins
	document := goldmark.DefaultParser().Parse(text.NewReader(source))
	err := ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch node := node.(type) {
		case *ast.Heading:
			p.addHeading(node)
			begun = lineAfter(source, node.Pos())
		case *ast.FencedCodeBlock:
			if err := p.addBlock(node, begun); err != nil {
				return ast.WalkStop, err
			}
			begun = lineAfter(source, p.Blocks[len(p.Blocks)-1].end)
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		return nil, err
	}
	for i := range p.Blocks {
		if next := i + 1; next < len(p.Blocks) && p.Blocks[i].Kind != expect {
			p.Blocks[i].Expect = p.Blocks[next].Expect
		}
	}
	return p, nil
}

func (p *Page) addHeading(node *ast.Heading) {
	heading := string(node.Lines().Value(p.source))
	switch {
	case node.Level == 1 && p.Title == "":
		p.Title = heading
	case node.Level == 2:
		p.Sections = append(p.Sections, heading)
	}
}

func (p *Page) addBlock(node *ast.FencedCodeBlock, begun int) (err error) {
	fence := node.Pos()
	b := Block{
		Flags: map[string]string{}, Text: string(node.Lines().Value(p.source)), Line: p.lineOf(fence),
		begin: lineAfter(p.source, fence),
	}
	if len(p.Sections) > 0 {
		b.Section = p.Sections[len(p.Sections)-1]
	}
	b.end = b.begin
	if n := node.Lines().Len(); n > 0 {
		b.end = node.Lines().At(n - 1).Stop
	}
	b.Before = strings.TrimSpace(string(p.source[min(begun, fence):fence]))
	if err := b.readInfo(node.Info, p.source); err != nil {
		return fmt.Errorf("%s:%d: %w", p.Path, b.Line, err)
	}
	if b.Kind == expect {
		if b.Expect, err = newExpect(b); err != nil {
			return fmt.Errorf("%s:%d: %w", p.Path, b.Line, err)
		}
	}
	p.Blocks = append(p.Blocks, b)
	return nil
}

// readInfo reads the info string: a word, and flags that may have values.
func (b *Block) readInfo(info *ast.Text, source []byte) error {
	if info == nil {
		return nil
	}
	for i, word := range strings.Fields(string(info.Segment.Value(source))) {
		if i == 0 {
			b.Kind = word
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		if b.Is(name) {
			return fmt.Errorf("a block has the flag %q once, not twice", name)
		}
		b.Flags[name] = value
	}
	return nil
}

// Prose is what a section says, without the text of its blocks.
func (p *Page) Prose(section string) string {
	var parts []string
	_, rest, _ := strings.Cut(string(p.source), "\n## "+section+"\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	for i := range p.Blocks {
		if b := &p.Blocks[i]; b.Section == section {
			parts = append(parts, b.Before)
		}
	}
	if len(parts) == 0 {
		parts = append(parts, strings.TrimSpace(rest))
	}
	return strings.TrimSpace(strings.Join(parts, "\n\n"))
}

// Source is the page's text, with the expectations as they are now.
func (p *Page) Source() []byte {
	var all []byte
	copied := 0
	for _, b := range p.Blocks {
		if b.Kind == expect && b.Expect.Text != b.Text {
			all = append(append(all, p.source[copied:b.begin]...), b.Expect.Text...)
			copied = b.end
		}
	}
	return append(all, p.source[copied:]...)
}

func (p *Page) lineOf(offset int) int { return strings.Count(string(p.source[:offset]), "\n") + 1 }

// lineAfter is where the line after an offset begins.
func lineAfter(source []byte, offset int) int {
	_, rest, found := strings.Cut(string(source[offset:]), "\n")
	if !found {
		return len(source)
	}
	return len(source) - len(rest)
}
