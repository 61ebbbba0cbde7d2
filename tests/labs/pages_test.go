// Package labs runs the pages of docs/labs, with the tag labs: `make labs`. What needs no system is tested without it.
package labs

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/lab"
)

const root, folder = "../..", "docs/labs"

// names are the paths of all pages, below the root.
func names(t *testing.T) (all []string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, folder, "[0-9][0-9]-*.md"))
	if err != nil || len(found) == 0 {
		t.Fatalf("there are no pages: %v", err)
	}
	for _, file := range found {
		all = append(all, filepath.Join(folder, filepath.Base(file)))
	}
	return all
}

func page(t *testing.T, path string) *lab.Page {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	p, err := lab.Parse(path, source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPages_AreWrittenAsTheRunnerReadsThem(t *testing.T) {
	t.Parallel()
	for _, path := range names(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			p := page(t, path)
			if lines := strings.Count(string(p.Source()), "\n"); lines > 200 {
				t.Errorf("%s has %d lines; a page has at most 200", path, lines)
			}
		})
	}
}

// TestReadme_ListsThePages compares the table with the pages, in both directions.
func TestReadme_ListsThePages(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.SplitSeq(string(readme), "\n") {
		if strings.HasPrefix(line, "| [") {
			row, _, _ := strings.Cut(line, ") |")
			rows = append(rows, row+") |")
		}
	}
	var want []string
	for _, path := range names(t) {
		want = append(want, fmt.Sprintf("| [%s](%s) |", page(t, path).Title, filepath.Base(path)))
	}
	if got, want := strings.Join(rows, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("the table of %s/README.md begins its rows with\n%s\nnot with\n%s", folder, got, want)
	}
}

// patterns are the pages of docs/patterns, by their paths below the root.
func patterns(t *testing.T) iter.Seq2[string, *lab.Page] {
	t.Helper()
	const folder = "docs/patterns"
	found, err := filepath.Glob(filepath.Join(root, folder, "*.md"))
	if err != nil || len(found) < 15 {
		t.Fatalf("there are %d patterns: %v", len(found), err)
	}
	return func(yield func(string, *lab.Page) bool) {
		for _, file := range found {
			path := filepath.Join(folder, filepath.Base(file))
			if filepath.Base(file) == "README.md" {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := lab.ParsePattern(path, source)
			if err != nil {
				t.Error(err)
				continue
			}
			if !yield(path, p) {
				return
			}
		}
	}
}

func TestPatterns_AreWrittenAsTheRunnerReadsThem(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "docs/patterns/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for path, p := range patterns(t) {
		if row := fmt.Sprintf("| [%s](%s) |", p.Title, filepath.Base(path)); !strings.Contains(string(readme), row) {
			t.Errorf("docs/patterns/README.md has no row %s", row)
		}
	}
}
