package docs

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
)

var (
	write = flag.Bool("write", false, "link each term where a page uses it first")
	in    = flag.String("in", "docs", "only the pages below this folder")
)

// A reader who meets a term for the first time is one click from what it means.
func TestTerms_AreLinkedWhereAPageUsesThemFirst(t *testing.T) {
	t.Parallel()
	terms := linked(open(t, glossary))
	if len(terms) < 30 {
		t.Fatalf("%s has only %d terms with an id", glossary, len(terms))
	}
	for _, p := range pages(t, explains) {
		missing := p.unlinked(terms)
		if *write {
			p.link(t, missing)
			continue
		}
		for _, m := range missing {
			t.Errorf("%s: %q is used for the first time and has no link to %s#%s; cd tests && go test ./docs -args -write -in %s",
				p.line(m.from), p.source[m.from:m.to], p.glossary(), m.anchor, p.path)
		}
	}
}

// explains are the pages that link terms: tables of reference and decisions are for those who know them.
func explains(name string) bool {
	return name != glossary && strings.HasPrefix(name, "docs/") && strings.HasPrefix(name, strings.TrimSuffix(*in, "/")) &&
		path.Dir(name) != "docs/reference" && path.Dir(name) != "docs/adr"
}

func TestTerms_AreFoundInSentencesAlone(t *testing.T) {
	t.Parallel()
	terms := linked(parse(glossary, []byte("| Term | Meaning |\n|---|---|\n| <a id=\"lease\"></a>lease, <a id=\"lease-token\"></a>lease token | x |\n| key | y |\n")))
	for source, want := range map[string]string{
		"A lease. A lease.":                             "A [lease](../glossary.md#lease). A lease.",
		"# Lease\n\n`lease` *Leases* end.":              "# Lease\n\n`lease` *[Leases](../glossary.md#lease)* end.",
		"```\nlease\n```\n[the lease](x) is a lease":    "```\nlease\n```\n[the lease](x) is a [lease](../glossary.md#lease)",
		"The lease\ntoken of the lease":                 "The [lease\ntoken](../glossary.md#lease-token) of the [lease](../glossary.md#lease)",
		"> - a lease\n>   token":                        "> - a [lease](../glossary.md#lease)\n>   token", // a link over two lines of a quote is hard to read
		"A [lease](../glossary.md#lease) is a lease.":   "A [lease](../glossary.md#lease) is a lease.",
		"A lease is a [lease](../glossary.md#lease).":   "A [lease](../glossary.md#lease) is a [lease](../glossary.md#lease).",
		"sub-lease, release, lease.go, keys":            "sub-lease, release, lease.go, keys",
		"| lease |\n|---|\n| a lease |":                 "| [lease](../glossary.md#lease) |\n|---|\n| a lease |",
		"<details>\n\nlease\n\n</details>":              "<details>\n\n[lease](../glossary.md#lease)\n\n</details>",
		"<details><summary>lease</summary>\n</details>": "<details><summary>lease</summary>\n</details>",
	} {
		p := parse("docs/labs/page.md", []byte(source))
		if got := string(p.insert(p.unlinked(terms))); got != want {
			t.Errorf("%q becomes\n%q, want\n%q", source, got, want)
		}
		linked := parse(p.path, []byte(want))
		if more := linked.unlinked(terms); len(more) != 0 {
			t.Errorf("%q: %+v should be linked in what was written", source, more)
		}
	}
}

// term is one that pages link: those to which the glossary gives an id. What is plain English, too, has none.
type term struct {
	anchor string
	use    *regexp.Regexp
}

// linked are the terms that pages link, long ones first, since "lease token" is no use of "lease".
func linked(glossary page) (terms []term) {
	for anchor := range glossary.anchors() {
		spelled := strings.ReplaceAll(anchor, "-", " ")
		if slices.ContainsFunc(glossary.terms(), func(term string) bool { return strings.EqualFold(term, spelled) }) {
			terms = append(terms, term{anchor, regexp.MustCompile(`(?i)\b` + plural(strings.ReplaceAll(spelled, " ", `\s`)) + `\b`)})
		}
	}
	slices.SortFunc(terms, func(a, b term) int {
		return 2*(len(b.anchor)-len(a.anchor)) + strings.Compare(a.anchor, b.anchor)
	})
	return terms
}

// plural matches a term and more than one of them.
func plural(term string) string {
	if stem, ok := strings.CutSuffix(term, "y"); ok && !strings.HasSuffix(term, "ey") {
		return stem + "(?:y|ies)"
	}
	return term + "(?:e?s)?"
}

// terms are what the tables of the glossary explain.
func (p page) terms() (terms []string) {
	p.each(func(n ast.Node) bool {
		if header, is := n.(*extast.TableHeader); is && p.prose(header.FirstChild()) != "Term" {
			return false
		}
		row, is := n.(*extast.TableRow)
		if is {
			cell, _, _ := strings.Cut(p.prose(row.FirstChild()), "(")
			for term := range strings.SplitSeq(cell, ",") {
				terms = append(terms, strings.TrimSpace(term))
			}
		}
		return !is
	})
	return terms
}

// use is a place where a page uses a term.
type use struct {
	anchor   string
	from, to int
}

// unlinked are the first uses of terms that should be links, in the order of the page.
func (p page) unlinked(terms []term) (missing []use) {
	plain := p.plain()
	first := map[string]int{} // the first link to each term
	for _, link := range p.links() {
		if file, anchor := p.target(link.to); file == glossary {
			if _, is := first[anchor]; !is {
				first[anchor] = link.at
			}
		}
	}
	for _, term := range terms {
		isFirst := true
		for _, at := range term.use.FindAllIndex(plain, -1) {
			if p.partOfAName(at) {
				continue
			}
			if link, is := first[term.anchor]; isFirst && (!is || link > at[0]) {
				missing = append(missing, use{term.anchor, at[0], at[1]})
			}
			isFirst = false
			clear(plain[at[0]:at[1]])
		}
	}
	slices.SortFunc(missing, func(a, b use) int { return a.from - b.from })
	return missing
}

// plain is the page with zeros for all that is no plain sentence: code, headings, links, HTML, the marks of Markdown.
func (p page) plain() []byte {
	plain := make([]byte, len(p.source))
	p.each(func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Text:
			copy(plain[n.Segment.Start:], n.Segment.Value(p.source))
			next, is := n.NextSibling().(*ast.Text)
			if is && n.SoftLineBreak() && next.Segment.Start == n.Segment.Stop+1 {
				plain[n.Segment.Stop] = '\n'
			}
		case *ast.Heading, *ast.CodeSpan, *ast.Link, *ast.Image, *ast.AutoLink:
			return false
		}
		return true
	})
	return plain
}

// partOfAName says whether what is found is a part of a word with a hyphen, or of a file's name.
func (p page) partOfAName(at []int) bool {
	after := at[1] < len(p.source) && (strings.ContainsRune("-_/@", rune(p.source[at[1]])) ||
		p.source[at[1]] == '.' && at[1]+1 < len(p.source) && unicode.IsLetter(rune(p.source[at[1]+1])))
	return after || at[0] > 0 && strings.ContainsRune("-_/.@", rune(p.source[at[0]-1]))
}

// glossary is the way from the page to the glossary.
func (p page) glossary() string {
	way, err := filepath.Rel(path.Dir(p.path), glossary)
	if err != nil {
		panic(err) // both are below the root
	}
	return filepath.ToSlash(way)
}

// insert is the page with links.
func (p page) insert(links []use) []byte {
	var b bytes.Buffer
	done := 0
	for _, l := range links {
		fmt.Fprintf(&b, "%s[%s](%s#%s)", p.source[done:l.from], p.source[l.from:l.to], p.glossary(), l.anchor)
		done = l.to
	}
	b.Write(p.source[done:])
	return b.Bytes()
}

func (p page) link(t *testing.T, links []use) {
	t.Helper()
	if len(links) == 0 {
		return
	}
	if err := os.WriteFile(filepath.Join(root, p.path), p.insert(links), 0o644); err != nil { //nolint:gosec // a page is for everybody
		t.Fatal(err)
	}
	t.Logf("%s: %d terms are links now", p.path, len(links))
}

func TestTerms_AreSpelledAsInTheGlossary(t *testing.T) {
	t.Parallel()
	spelled := open(t, glossary).spelling()
	for _, p := range pages(t, taught) {
		for _, complaint := range p.misspelled(spelled) {
			t.Error(complaint)
		}
	}
}

func TestTerms_InAnotherSpellingAreFound(t *testing.T) {
	t.Parallel()
	spelled := parse(glossary, []byte("| Term | Meaning |\n|---|---|\n| <a id=\"dead-letter\"></a>dead letter | x |\n| outbox | y |\n")).spelling()
	for source, want := range map[string]int{
		"A dead letter and an outbox. Dead letters; outboxes.": 0,
		"A dead-letter, a deadletter, two out-boxes.":          3,
		"The out box":                                1,
		"A dead-lettered event":                      0,
		"`out-box`, [out-box](x) and\n\n## Out-box":  1,
		"This is one Outbox. Outbox again: Outbox":   1,
		"The pattern is called Transactional Outbox": 0,
		"**Outbox.** It is one":                      0,
	} {
		if got := parse("docs/labs/page.md", []byte(source)).misspelled(spelled); len(got) != want {
			t.Errorf("%q: %q, want %d", source, got, want)
		}
	}
}

// spelling is how each term is spelled, by its letters alone.
func (p page) spelling() map[string]string {
	spelled := map[string]string{}
	for _, term := range p.terms() {
		spelled[letters(term)] = strings.ToLower(term)
	}
	return spelled
}

func letters(s string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(s))
}

var words = regexp.MustCompile(`[\pL\pN-]+|[.!?:;]|[^\pL\pN\s]+`)

// misspelled is what is wrong with the terms on a page: a hyphen or a space where the glossary has another, or a capital in
// the middle of a sentence.
func (p page) misspelled(spelled map[string]string) (complaints []string) {
	p.each(func(n ast.Node) bool {
		if n.Kind() != ast.KindParagraph && n.Kind() != ast.KindTextBlock && n.Kind() != extast.KindTableCell {
			return true
		}
		found := words.FindAllString(p.prose(n), -1)
		for i := range found {
			for length := 1; length <= 2 && i+length <= len(found); length++ {
				if term := strings.Join(found[i:i+length], " "); wrong(term, found[:i], spelled) {
					complaints = append(complaints, p.line(begins(n))+": write "+spelled[singular(letters(term), spelled)]+" for "+term)
				}
			}
		}
		return false
	})
	return complaints
}

// wrong says whether a term is there in a spelling of its own.
func wrong(term string, before []string, spelled map[string]string) bool {
	one := singular(letters(term), spelled)
	right, is := spelled[one]
	if !is {
		return false
	}
	if !strings.HasPrefix(strings.ToLower(term), right) {
		return true
	}
	isCapital := unicode.IsUpper([]rune(term)[0])
	return isCapital && len(before) > 0 && unicode.IsLower([]rune(before[len(before)-1])[0])
}

// singular takes the plural's ending from what is no term with it.
func singular(letters string, spelled map[string]string) string {
	for _, ending := range []string{"", "s", "es"} {
		if one, ok := strings.CutSuffix(letters, ending); ok && spelled[one] != "" {
			return one
		}
	}
	return letters
}
