// Package vocabulary keeps the repository in the field's words: publish, consume, retry, dead letter.
//
//	go test -run TestVocabulary -v ./vocabulary                        counts the old words of each folder
//	go test -run TestVocabulary -v ./vocabulary -args -in apps/system  shows those below a folder
package vocabulary

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var in = flag.String("in", "", "show each old word below this folder, those in comments among them")

const root = "../.."

const page = "docs/glossary.md"

func TestVocabulary(t *testing.T) {
	t.Parallel()
	instead := glossary(t)
	t.Run("no name and no page has an old word", func(t *testing.T) {
		t.Parallel()
		survey(t).refuse(t, instead)
	})
	t.Run("the glossary has what to write instead", func(t *testing.T) {
		t.Parallel()
		for _, term := range terms {
			if instead[term.forms[0]] == "" {
				t.Errorf("%s has no replacement for %q", page, term.forms[0])
			}
		}
	})
}

// glossary is what stands in the glossary's table of old words: what to write instead of each.
func glossary(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	instead := map[string]string{}
	_, table, _ := strings.Cut(string(text), oldWords)
	for _, row := range regexp.MustCompile(`(?m)^\| (.+) \| (.+) \|$`).FindAllStringSubmatch(table, -1) {
		for old := range strings.SplitSeq(row[1], ",") {
			old, _, _ = strings.Cut(old, "(")
			instead[strings.TrimSpace(old)] = row[2]
		}
	}
	return instead
}

// oldWords is the heading of the only part of a page that may have them.
const oldWords = "\n## Old words\n"

// offence is an old word at its place.
type offence struct{ folder, kind, where, text, word string }

// offences are all that were found.
type offences []offence

// kinds are the columns of the report. Comments are counted, since a reader meets them, but not refused: a word
// that is wrong as a name may be right in a sentence.
var kinds = []string{"names", "files", "pages", "comments"}

func (o offences) refuse(t *testing.T, instead map[string]string) {
	t.Helper()
	counts := map[string]map[string]int{}
	for _, one := range o {
		if counts[one.folder] == nil {
			counts[one.folder] = map[string]int{}
		}
		counts[one.folder][one.kind]++
		if one.kind != "comments" && !slices.Contains(notYet, one.folder) {
			t.Errorf("%s: %q: instead of %q write %s", one.where, one.text, one.word, instead[one.word])
		}
		if *in != "" && strings.HasPrefix(one.where, *in) {
			t.Logf("%-8s %s: %q", one.kind, one.where, one.text)
		}
	}
	if !testing.Verbose() {
		return
	}
	t.Logf("%-32s %8s %8s %8s %8s", "folder", kinds[0], kinds[1], kinds[2], kinds[3])
	for _, folder := range slices.Sorted(maps.Keys(counts)) {
		n := counts[folder]
		t.Logf("%-32s %8d %8d %8d %8d", folder, n[kinds[0]], n[kinds[1]], n[kinds[2]], n[kinds[3]])
	}
	for _, folder := range notYet {
		if n := counts[folder]; n["names"]+n["files"]+n["pages"] == 0 {
			t.Logf("%s is clean: take it from the list notYet", folder)
		}
	}
}

// survey reads the whole repository but what was built, generated or released.
func survey(t *testing.T) (found offences) {
	t.Helper()
	left := []string{".git", ".bin", "bin", "artifacts", ".ordersaga", "node_modules", "testdata", "released"}
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || slices.Contains(left, entry.Name()) {
			return orSkip(err, entry)
		}
		found.name(file, entry.Name())
		if entry.IsDir() {
			return nil
		}
		return found.content(file)
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func orSkip(err error, entry fs.DirEntry) error {
	if err == nil && entry.IsDir() {
		return fs.SkipDir
	}
	return err
}

func (o *offences) content(file string) error {
	switch path.Ext(file) {
	case ".go":
		return o.code(file)
	case ".md", ".html", ".js":
		text, err := os.ReadFile(path.Join(root, file))
		text, _, _ = bytes.Cut(text, []byte(oldWords))
		for i, line := range strings.Split(string(text), "\n") {
			o.text("pages", file, i+1, line, path.Ext(file) == ".js")
		}
		return err
	}
	return nil
}

// code looks at each name where it is declared, and at the comments.
func (o *offences) code(file string) error {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, path.Join(root, file), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil || ast.IsGenerated(parsed) {
		return err
	}
	declare := func(kind string, names ...*ast.Ident) {
		for _, name := range names {
			o.text("names", file, set.Position(name.Pos()).Line, name.Name, true)
			if slices.Contains(whole[kind], strings.ToLower(name.Name)) {
				o.add("names", file, set.Position(name.Pos()).Line, name.Name, "again")
			}
		}
	}
	declare("package", parsed.Name)
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			declare("func", n.Name)
		case *ast.TypeSpec:
			declare("type", n.Name)
		case *ast.StructType:
			for _, field := range n.Fields.List {
				declare("field", field.Names...)
			}
			return true
		case *ast.FuncType:
			for _, field := range n.Params.List {
				declare("parameter", field.Names...)
			}
		case *ast.InterfaceType:
			for _, method := range n.Methods.List {
				declare("func", method.Names...)
			}
		case *ast.ValueSpec:
			declare("value", n.Names...)
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if name, is := left.(*ast.Ident); is && n.Tok == token.DEFINE {
					declare("variable", name)
				}
			}
		}
		return true
	})
	for _, group := range parsed.Comments {
		for _, comment := range group.List {
			o.text("comments", file, set.Position(comment.Pos()).Line, comment.Text, false)
		}
	}
	return nil
}

// name looks at the name of a file or folder.
func (o *offences) name(file, name string) {
	o.text("files", file, 0, name, true)
	if bare, _, _ := strings.Cut(name, "."); slices.Contains(whole["file"], strings.TrimSuffix(bare, "_test")) {
		o.add("files", file, 0, name, "again")
	}
}

var word = regexp.MustCompile(`[A-Z]+[a-z]*|[a-z]+`)

// text looks at each word of a text, and of the names in it. In names all terms are refused, in sentences those that
// are not plain English.
func (o *offences) text(kind, file string, line int, text string, isName bool) {
	words := word.FindAllString(text, -1)
	for i := range words {
		words[i] = strings.ToLower(words[i])
	}
	for _, term := range terms {
		if term.in == names && !isName {
			continue
		}
		for i := range words {
			if slices.Contains(term.forms, words[i]) || i > 0 && slices.Contains(term.forms, words[i-1]+" "+words[i]) {
				o.add(kind, file, line, strings.TrimSpace(text), term.forms[0])
				break
			}
		}
	}
}

func (o *offences) add(kind, file string, line int, text, word string) {
	for _, known := range allowed[file] {
		if strings.Contains(text, known) {
			return
		}
	}
	if len(text) > 100 {
		text = text[:100] + "…"
	}
	*o = append(*o, offence{folder(file), kind, fmt.Sprintf("%s:%d", file, line), text, word})
}

// folder is the part of the tree that a file is counted in: two levels of it, below apps three.
func folder(file string) string {
	parts := strings.Split(path.Dir(file), "/")
	depth := 2
	if parts[0] == "apps" {
		depth = 3
	}
	return path.Join(parts[:min(depth, len(parts))]...)
}
