package docs

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
)

const (
	usual   = 25 // words of a sentence, on average over a page
	longest = 40
)

func TestSentences_AreShort(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t, taught) {
		for _, complaint := range p.long() {
			t.Error(complaint)
		}
	}
}

func TestSentences_ThatAreLongAreFound(t *testing.T) {
	t.Parallel()
	words := func(n int) string { return strings.TrimSpace(strings.Repeat("word ", n)) }
	for source, want := range map[string]int{
		words(40) + ". " + "One two.":                           0,
		words(41) + ". " + "One two. One two.":                  1,
		words(30) + " e.g. " + words(11) + ". One. Two.":        1, // an abbreviation ends no sentence
		"- " + words(26) + ".":                                  1, // on average
		words(26) + ". One.":                                    0,
		"# " + words(60):                                        0,
		"```\n" + words(60) + "\n```":                           0,
		"`" + words(60) + "` is one word.":                      0,
		"| a |\n|---|\n| " + words(41) + " |":                   1,
		words(25) + "\n" + words(25) + "!":                      2, // over two lines
		"[" + words(20) + "](x) *" + words(20) + "* – · → one.": 2,
	} {
		if got := parse("page.md", []byte(source)).long(); len(got) != want {
			t.Errorf("%.60q…: %q, want %d", source, got, want)
		}
	}
}

// long is what is too long on a page. Cells of tables are looked at, and do not make the average smaller.
func (p page) long() (complaints []string) {
	words, sentences := 0, 0
	p.each(func(n ast.Node) bool {
		_, isCell := n.(*extast.TableCell)
		isText := n.Kind() == ast.KindParagraph || n.Kind() == ast.KindTextBlock
		if !isCell && !isText {
			return true
		}
		for _, sentence := range split(p.prose(n)) {
			if len(sentence) > longest {
				complaints = append(complaints, p.line(begins(n))+": a sentence of "+strconv.Itoa(len(sentence))+" words"+
					": "+strings.Join(sentence[:8], " ")+" …")
			}
			if isText {
				words, sentences = words+len(sentence), sentences+1
			}
		}
		return false
	})
	if words > usual*sentences {
		complaints = append(complaints, p.path+": sentences have on average "+strconv.Itoa((words+sentences-1)/sentences)+" words")
	}
	return complaints
}

var end = regexp.MustCompile(`[.!?][)"'”’*]*$`)

// split are the words of each sentence.
func split(prose string) (sentences [][]string) {
	var sentence []string
	fields := strings.Fields(prose)
	for i, field := range fields {
		if strings.ContainsFunc(field, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			sentence = append(sentence, field)
		}
		isLast := i == len(fields)-1
		if isLast || end.MatchString(field) && !unicode.IsLower([]rune(fields[i+1])[0]) {
			sentences, sentence = append(sentences, sentence), nil
		}
	}
	return sentences
}
