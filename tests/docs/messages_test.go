package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	md "github.com/yuin/goldmark/ast"
	extast "github.com/yuin/goldmark/extension/ast"
)

const troubleshooting = "docs/troubleshooting.md"

// Whoever searches the page for what a program has printed must find it: a message that changes, changes the page.
func TestTroubleshooting_EveryEntryIsAMessageThatAProgramPrints(t *testing.T) {
	t.Parallel()
	printed := literals(t)
	entries := open(t, troubleshooting).messages()
	if len(entries) < 15 || len(entries) > 25 {
		t.Errorf("%s has %d entries", troubleshooting, len(entries))
	}
	for _, message := range entries {
		if !isPrinted(message, printed) {
			t.Errorf("%s: no program prints %q", troubleshooting, message)
		}
	}
}

func TestTroubleshooting_WhatNoProgramPrintsIsFound(t *testing.T) {
	t.Parallel()
	printed := []string{"the port %d is taken: run `make`", "_FILE: ", "by another"}
	for message, want := range map[string]bool{
		"the port … is taken":         true,
		"the port … is taken: run …":  true,
		"the port … is gone":          false,
		"the port … taken by another": false, // two texts
		"…_FILE: …":                   false, // too little to be found by
		"is taken … the port … run":   false,
	} {
		if isPrinted(message, printed) != want {
			t.Errorf("%q is printed: %v", message, !want)
		}
	}
}

// messages are the first cells of the page's tables: an ellipsis stands for what differs.
func (p page) messages() (messages []string) {
	p.each(func(n md.Node) bool {
		row, is := n.(*extast.TableRow)
		if is {
			messages = append(messages, p.heading(row.FirstChild()))
		}
		return !is
	})
	return messages
}

// isPrinted says whether one text has all constant parts of a message, in this order.
func isPrinted(message string, printed []string) bool {
	parts := strings.Split(message, "…")
	longest := slices.MaxFunc(parts, func(a, b string) int { return len(a) - len(b) })
	return len(longest) >= 8 && slices.ContainsFunc(printed, func(text string) bool {
		for _, part := range parts {
			_, after, has := strings.Cut(text, strings.TrimSpace(part))
			if !has {
				return false
			}
			text = after
		}
		return true
	})
}

// literals are the texts in the production code.
func literals(t *testing.T) (found []string) {
	t.Helper()
	listing := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.go", ":!*_test.go", ":!tests")
	listing.Dir = root
	names, err := listing.Output()
	if err != nil {
		t.Fatalf("list the files: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, is := n.(*ast.BasicLit); is && literal.Kind == token.STRING {
				if text, err := strconv.Unquote(literal.Value); err == nil {
					found = append(found, text)
				}
			}
			return true
		})
	}
	return found
}
