package sagactl_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// called is sagactl with its arguments, as a page shows it.
var called = regexp.MustCompile("(?:bin/|`|\\s)sagactl ([a-z][^`#|\n…]*)")

// Every command and flag that a page shows is one of sagactl.
func TestPages_ShowOnlyCommandsThatThereAre(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../../docs/*.md")
	more, _ := filepath.Glob("../../../docs/reference/*.md") // the pattern is well-formed
	seen := 0
	for _, page := range append(append(pages, more...), "../../../README.md", "../../../CONTRIBUTING.md") {
		text, readErr := os.ReadFile(page)
		if err != nil || readErr != nil {
			t.Fatal(err, readErr)
		}
		for _, line := range called.FindAllStringSubmatch(string(text), -1) {
			seen++
			if wrong := noCommand(t, strings.Fields(line[1])); wrong != "" {
				t.Errorf("%s: sagactl %s: there is no %s", page, line[1], wrong)
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d commands were found", seen)
	}
}

// noCommand is the word of a command line that sagactl does not know; empty: it knows all.
func noCommand(t *testing.T, words []string) string {
	t.Helper()
	var path []string
	help := run(t, nil, "--help").out
	for _, word := range words {
		flag, _, _ := strings.Cut(strings.Trim(word, "[](),."), "=")
		switch {
		case strings.HasPrefix(flag, "-"):
			if !regexp.MustCompile(`(?m)(^ +|, )` + flag + ` `).MatchString(help) {
				return flag
			}
		case strings.Contains(help, "Available Commands:") && strings.ToUpper(flag) != flag: // DIR, 1,64: a flag's value
			if !regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(flag) + ` `).MatchString(help) {
				return word
			}
			path = append(path, flag)
			help = run(t, nil, append(path, "--help")...).out
		}
	}
	return ""
}
