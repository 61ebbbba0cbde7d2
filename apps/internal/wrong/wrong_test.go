package wrong

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../.."

func ways(t *testing.T) []Way {
	t.Helper()
	all, err := Ways(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d wrong ways were found", len(all))
	}
	return all
}

// A diff that does not apply any more is found here, within a second, and not by a build.
func TestWays_TheDiffsApplyToTheSourceAsItIs(t *testing.T) {
	t.Parallel()
	for _, w := range ways(t) {
		dir := t.TempDir()
		if _, err := w.overlay(t.Context(), root, dir); err != nil {
			t.Error(err)
			continue
		}
		files, err := w.files(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			before, beforeErr := os.ReadFile(filepath.Join(root, file))
			after, afterErr := os.ReadFile(filepath.Join(dir, file))
			if beforeErr != nil || afterErr != nil || string(before) == string(after) {
				t.Errorf("%s changes nothing in %s: %v, %v", w.Page, file, beforeErr, afterErr)
			}
		}
	}
}

func TestWays_ADiffThatDoesNotApplyIsNamed(t *testing.T) {
	t.Parallel()
	for what, diff := range map[string]string{
		"another line":    "--- a/go.work\n+++ b/go.work\n@@ -1,2 +1,1 @@\n-go 0.1\n \n",
		"no such file":    "--- a/go.walk\n+++ b/go.walk\n@@ -1,2 +1,1 @@\n-go 1.26.0\n \n",
		"nothing":         "",
		"no diff at all":  "go 1.26.0\n",
		"outside of here": "--- a/../go.work\n+++ b/../go.work\n@@ -1,2 +1,1 @@\n-go 1.26.0\n \n",
	} {
		w := Way{Page: "docs/wrong/x.md", Diff: diff}
		if _, err := w.overlay(t.Context(), root, t.TempDir()); err == nil || !strings.Contains(err.Error(), w.Page) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestReadme_ListsTheWays compares the table with the pages.
func TestReadme_ListsTheWays(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, Folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "|---|---|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var want []string
	for _, w := range ways(t) {
		harm := strings.Replace(w.Shows.String(), `(?P<n>\d+)`, w.Wrong.String(), 1)
		want = append(want, fmt.Sprintf("| [%s](%s.md) | %s | %s | %s |", w.Title, w.Name, w.Service, strings.Join(w.Red, ", "), harm))
	}
	if want := strings.Join(want, "\n"); table != want {
		t.Errorf("the table of %s/README.md has\n%s\nand is to have\n%s", Folder, table, want)
	}
}

// A page ends with what cures it: the code that does, and the decision that explains it.
func TestWays_NameTheCureAndTheDecision(t *testing.T) {
	t.Parallel()
	for _, w := range ways(t) {
		source, err := os.ReadFile(filepath.Join(root, w.Page))
		if err != nil {
			t.Fatal(err)
		}
		text := string(source)
		for _, part := range []string{"**Why it is tempting.** ", "**The trigger.** ", "**What it costs.** ", "**What cures it.** "} {
			before, after, found := strings.Cut(text, "\n"+part)
			if text = after; !found {
				t.Fatalf("%s: %q does not follow after %q", w.Page, part, before)
			}
		}
		if !strings.Contains(text, ".go#") || !strings.Contains(text, "](../adr/") {
			t.Errorf("%s: the cure has no link to a symbol, or none to a decision: %s", w.Page, text)
		}
		for _, id := range w.Red {
			if !strings.Contains(string(source), "**"+id+"**") {
				t.Errorf("%s does not explain why %s is red", w.Page, id)
			}
		}
	}
}

func TestSecret_SelectsAWayThatIsRecognisedAndNotNamed(t *testing.T) {
	t.Parallel()
	all := ways(t)
	different := map[string]bool{}
	for n := range 100 {
		w, dir := Secret(all, n), t.TempDir()
		if err := w.Seal(dir); err != nil {
			t.Fatal(err)
		}
		seal, err := os.ReadFile(filepath.Join(dir, sealed))
		if err != nil || strings.Contains(string(seal), w.Name) {
			t.Errorf("the secret is %q, %v", seal, err)
		}
		found, err := Unseal(all, dir)
		if err != nil || found.Name != w.Name || Secret(all, n).Name != w.Name {
			t.Errorf("%d is %s, and is recognised as %s, %v", n, w.Name, found.Name, err)
		}
		different[w.Name] = true
	}
	if len(different) != len(all) {
		t.Errorf("of %d ways 100 numbers select %d", len(all), len(different))
	}
	if _, err := Unseal(all, t.TempDir()); !errors.Is(err, ErrNotSealed) {
		t.Errorf("nothing is sealed: %v", err)
	}
}

// What is added later leaves most numbers as they are.
func TestSecret_StaysWhereAnotherWayIsAdded(t *testing.T) {
	t.Parallel()
	all := ways(t)
	more := append([]Way{{Name: "one-more"}}, all...)
	for n := range 100 {
		if before, after := Secret(all, n).Name, Secret(more, n).Name; after != before && after != "one-more" {
			t.Errorf("%d was %s and is %s", n, before, after)
		}
	}
}

const (
	diff    = "# No lock\n\n```diff wrong in=order\n--- a/x\n```\n"
	trigger = "```sh run trigger\ntrue\n```\n\n```expect red=I7,I13\n```\n"
	harm    = "```sh run harm\necho 1\n```\n\n```expect regex wrong=>0 right=0\n(?P<n>.)\n```\n"
)

func TestParse_ReadsAPage(t *testing.T) {
	t.Parallel()
	w, err := Parse("docs/wrong/no-lock.md", []byte(diff+trigger+harm))
	if err != nil {
		t.Fatal(err)
	}
	if w.Name != "no-lock" || w.Title != "No lock" || w.Service != "order" || w.Diff != "--- a/x\n" || w.Trigger != "true\n" ||
		strings.Join(w.Red, " ") != "I7 I13" || w.Harm != "echo 1\n" || w.Wrong.String() != ">0" || w.Right.String() != "0" {
		t.Errorf("%+v", w)
	}
}

func TestParse_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]string{
		trigger + harm:               "docs/wrong/x.md:1: a wrong way has one block of diff",
		diff + diff + trigger + harm: "one block of diff",
		diff + harm:                  "one block of sh with the flag \"trigger\"",
		strings.Replace(diff, "order", "gateway", 1) + trigger + harm:                ":3: the diff is in=gateway",
		strings.Replace(diff, "in=order", "in=order replicas=x", 1) + trigger + harm: "replicas=x",
		strings.Replace(diff, "--- a/x\n", strings.Repeat("+\n", 41), 1):             "41 lines",
		diff + strings.Replace(trigger, "expect red", "expect contains", 1) + harm:   "expect red=I6",
		diff + strings.Replace(trigger, "I7,I13", "I13,I7", 1) + harm:                "red=I13,I7 are not invariants in their order",
		diff + strings.Replace(trigger, "I7", "I99", 1) + harm:                       "I99",
		diff + trigger + strings.Replace(harm, "regex ", "", 1):                      "expect",
		diff + trigger + strings.Replace(harm, "?P<n>", "", 1):                       "(?P<n>…)",
		diff + trigger + strings.Replace(harm, "wrong=>0", "wrong=many", 1):          `"many" is no number`,
		diff + trigger + strings.Replace(harm, "right=0", "", 1):                     `"" is no number`,
	} {
		if _, err := Parse("docs/wrong/x.md", []byte(page)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestBound_IsANumberOrMore(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][3]bool{"0": {true, false, false}, "2": {false, false, true}, ">0": {false, true, true}} {
		b, err := parseBound(text)
		if err != nil {
			t.Fatal(err)
		}
		for n, holds := range want {
			if b.Holds(n) != holds {
				t.Errorf("%d is %v for %s", n, !holds, text)
			}
		}
	}
}
