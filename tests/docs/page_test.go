// Package docs reads the pages as a reader gets them: parsed, not searched by patterns. Its tests hold their links, their
// sentences and their terms to what CONTRIBUTING.md promises.
//
//	go test ./docs                                checks every page
//	go test ./docs -args -write                   links each glossary term where a page uses it first
//	go test ./docs -args -write -in docs/labs     the same below one folder
package docs

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

const (
	root     = "../.."
	glossary = "docs/glossary.md"
)

// page is a page of Markdown with the tree that a reader's browser makes of it.
type page struct {
	path   string // from the repository's root
	source []byte
	tree   ast.Node
}

var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM))

func parse(name string, source []byte) page {
	return page{name, source, markdown.Parser().Parse(text.NewReader(source))}
}

// pages are the repository's pages that want selects.
func pages(t *testing.T, want func(name string) bool) (all []page) {
	t.Helper()
	listing := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md")
	listing.Dir = root
	names, err := listing.Output()
	if err != nil {
		t.Fatalf("list the pages: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if want(name) {
			all = append(all, open(t, name))
		}
	}
	return all
}

func open(t *testing.T, name string) page {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return parse(name, source)
}

// taught are the pages for learners: there, sentences are measured and terms are spelled as in the glossary.
func taught(name string) bool {
	folder := path.Dir(name)
	return folder == "docs/labs" || folder == "docs/patterns" || folder == "docs/wrong" || folder == "docs/quality"
}

// line is where a byte of the page stands, as editors count.
func (p page) line(offset int) string {
	return p.path + ":" + strconv.Itoa(1+strings.Count(string(p.source[:offset]), "\n"))
}

// each calls visit for every node; it goes below those for which visit returns true.
func (p page) each(visit func(ast.Node) bool) {
	err := ast.Walk(p.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering && !visit(n) {
			return ast.WalkSkipChildren, nil
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		panic(err) // visit returns none
	}
}

// prose is what stands in a node: a piece of code is one word, and a picture is none.
func (p page) prose(n ast.Node) string {
	var b strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		switch child := child.(type) {
		case *ast.Text:
			b.Write(child.Segment.Value(p.source))
			if child.SoftLineBreak() || child.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.CodeSpan:
			b.WriteString("`code`")
		case *ast.Image, *ast.RawHTML:
		case *ast.AutoLink:
			b.Write(child.Label(p.source))
		default:
			b.WriteString(p.prose(child))
		}
	}
	return b.String()
}

// begins is the first byte of a node's text, or -1.
func begins(n ast.Node) int {
	at := -1
	_ = ast.Walk(n, func(n ast.Node, _ bool) (ast.WalkStatus, error) {
		if leaf, is := n.(*ast.Text); is {
			at = leaf.Segment.Start
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
	return at
}

var ids = regexp.MustCompile(`\bid="([^"]+)"`)

// anchors are what a link to the page can name: its headings as GitHub writes them, and ids in HTML.
func (p page) anchors() map[string]bool {
	found := map[string]bool{}
	p.each(func(n ast.Node) bool {
		var html string
		switch n := n.(type) {
		case *ast.Heading:
			slug := slug(p.heading(n))
			for i, one := 1, slug; ; i++ {
				if !found[one] {
					found[one] = true
					break
				}
				one = slug + "-" + strconv.Itoa(i)
			}
		case *ast.RawHTML:
			html = string(n.Segments.Value(p.source))
		case *ast.HTMLBlock:
			html = string(n.Lines().Value(p.source))
		}
		for _, id := range ids.FindAllStringSubmatch(html, -1) {
			found[id[1]] = true
		}
		return true
	})
	return found
}

// heading is a heading's text, with its code, which is a part of its anchor.
func (p page) heading(n ast.Node) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if leaf, is := n.(*ast.Text); is && entering {
			b.Write(leaf.Segment.Value(p.source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// slug is the anchor that GitHub makes of a heading.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}
