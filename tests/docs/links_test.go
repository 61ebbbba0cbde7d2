package docs

import (
	goast "go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yuin/goldmark/ast"
)

func TestLinks_LeadToWhatThereIs(t *testing.T) {
	t.Parallel()
	known := map[string]map[string]bool{}
	for _, p := range pages(t, func(string) bool { return true }) {
		for _, complaint := range p.dead(t, known) {
			t.Error(complaint)
		}
	}
}

func TestLinks_ToWhatThereIsNotAreFound(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		"[a](glossary.md) [b](glossary.md#the-saga) [c](../README.md) [d](adr) [e](#f)\n\n# F": 0,
		"[a](nowhere.md)":             1,
		"![a](pictures/nothing.png)":  1,
		"[a](glossary.md#no-heading)": 1,
		"[a](#no-heading)":            1,
		"[a]: nowhere.md\n\n[a]":      1,
		"[a](../services/inventory/saga.go#reserve) [b](../pkg/outbox/inbox.go#inbox.apply)": 0,
		"[a](../services/inventory/saga.go#nothing)":                                         1,
		"[a](../pkg/outbox/inbox.go#apply)":                                                  1, // that of which type?
	} {
		p := parse("docs/page.md", []byte(source))
		if got := p.dead(t, map[string]map[string]bool{p.path: p.anchors()}); len(got) != want {
			t.Errorf("%q: %q, want %d", source, got, want)
		}
	}
}

// dead are the links of a page that lead nowhere. Known are the anchors of the pages that were read.
func (p page) dead(t *testing.T, known map[string]map[string]bool) (complaints []string) {
	t.Helper()
	for _, link := range p.links() {
		target, anchor := p.target(link.to)
		if target == "" {
			continue
		}
		if known[target] == nil {
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				complaints = append(complaints, p.line(link.at)+": there is no "+target)
				continue
			}
		}
		isPage := path.Ext(target) == ".md"
		if anchor == "" || !isPage && path.Ext(target) != ".go" {
			continue
		}
		if known[target] == nil && isPage {
			known[target] = open(t, target).anchors()
		} else if known[target] == nil {
			known[target] = declared(t, target)
		}
		if !known[target][anchor] {
			complaints = append(complaints, p.line(link.at)+": "+target+" has no #"+anchor)
		}
	}
	return complaints
}

func TestLinks_AreReadAsABrowserReadsThem(t *testing.T) {
	t.Parallel()
	p := parse("docs/a/page.md", []byte("# A `b.c` (d)\n\n# A `b.c` (d)\n\n| <a id=\"e\"></a>e |\n|---|\n\n"+
		"[one](../x.md#f) `[none](x)` <https://example.com> [two](#e) ![three](p%20q.png)\n\n```\n[none](y)\n```\n[four]\n\n[four]: /z\n"))
	var found []string
	for _, link := range p.links() {
		target, anchor := p.target(link.to)
		found = append(found, target+"#"+anchor)
	}
	if got, want := strings.Join(found, " "), "docs/x.md#f # docs/a/page.md#e docs/a/p q.png# z#"; got != want {
		t.Errorf("links are %q, want %q", got, want)
	}
	anchors := p.anchors()
	if len(anchors) != 3 || !anchors["a-bc-d"] || !anchors["a-bc-d-1"] || !anchors["e"] {
		t.Errorf("anchors are %v", anchors)
	}
}

// declared are the names that a link into a file of Go can lead to: functions, types, constants, variables, and methods
// behind the name of their type.
func declared(t *testing.T, file string) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, d := range parsed.Decls {
		switch d := d.(type) {
		case *goast.FuncDecl:
			names[receiver(d)+d.Name.Name] = true
		case *goast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *goast.TypeSpec:
					names[spec.Name.Name] = true
				case *goast.ValueSpec:
					for _, name := range spec.Names {
						names[name.Name] = true
					}
				}
			}
		}
	}
	return names
}

// receiver is the name of a method's type with a dot; of a function it is "".
func receiver(f *goast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	if pointer, is := of.(*goast.StarExpr); is {
		of = pointer.X
	}
	if generic, is := of.(*goast.IndexExpr); is {
		of = generic.X
	}
	if name, is := of.(*goast.Ident); is {
		return name.Name + "."
	}
	return "" // of several type parameters: no page leads there
}

// link is where a page leads, as it is written, and the byte of the page where its text begins.
type link struct {
	to string
	at int
}

func (p page) links() (found []link) {
	last := 0
	p.each(func(n ast.Node) bool {
		if at := begins(n); at >= 0 {
			last = at
		}
		switch n := n.(type) {
		case *ast.Link:
			found = append(found, link{string(n.Destination), last})
		case *ast.Image:
			found = append(found, link{string(n.Destination), last})
		case *ast.AutoLink:
			found = append(found, link{string(n.URL(p.source)), last})
		}
		return true
	})
	return found
}

// target is the file that a link leads to, from the root, and what it names there; of what is elsewhere it is "".
func (p page) target(link string) (file, anchor string) {
	to, err := url.Parse(link)
	switch {
	case err != nil:
		return link, ""
	case to.Scheme != "" || to.Host != "":
		return "", ""
	case to.Path == "":
		return p.path, to.Fragment
	case path.IsAbs(to.Path):
		return path.Clean(to.Path[1:]), to.Fragment
	}
	return path.Join(path.Dir(p.path), to.Path), to.Fragment
}
