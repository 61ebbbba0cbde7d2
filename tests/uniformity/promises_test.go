package uniformity

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPromises_AreProvenByATestThatThereIs reads every page. A row of a table of promises names a test, and stands in the
// folder that the row or the table's heading names, if one does; nowhere is a test named that is none.
func TestPromises_AreProvenByATestThatThereIs(t *testing.T) {
	t.Parallel()
	there := tests(t)
	promises := 0
	for _, page := range listed(t, "*.md") {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		n, wrong := broken(string(text), there)
		promises += n
		for _, w := range wrong {
			t.Errorf("%s: %s", page, w)
		}
	}
	if promises < 150 {
		t.Errorf("only %d promises were found", promises)
	}
}

// A page that names what is not there is found, wherever it stands.
func TestPromises_WithoutATestAreFound(t *testing.T) {
	t.Parallel()
	there := map[string][]string{`"it keeps all"`: {"pkg/outbox"}, "TestInbox_Keeps": {"pkg/outbox"}, "TestRelay_Sends": {"pkg/outbox"}, "TestPay_Once": {"services/payment"}}
	const table, folders = "| Promise | Test |\n|---|---|\n", "| Promise | Test in `pkg/outbox` |\n|---|---|\n"
	for page, want := range map[string]int{
		table + "| it keeps | `TestInbox_Keeps` |\n":                                               0,
		table + "| it keeps | `TestInbox_Keeps`, `TestPay_Once` in `services/payment` |\n":         1, // the first one is elsewhere
		table + "| it keeps | `TestInbox_Keeps` in `pkg/outbox`, `TestPay_Once` |\n":               0,
		table + "| it keeps | `TestInbox_Loses` |\n":                                               1,
		table + "| it keeps | `TestInbox` |\n":                                                     1, // no test of its own
		table + "| it keeps | `TestInbox_Keeps/it keeps all` in `pkg/outbox` |\n":                  0,
		table + "| it keeps | `TestPay_Once/it keeps all` |\n":                                     1, // a subtest of another folder
		table + "| it keeps | every time |\n":                                                      1,
		table + "| it keeps | |\n| it sends | `TestRelay_Sends` |\n":                               1,
		folders + "| it keeps | `TestInbox_Keeps` |\n| it pays | `TestPay_Once` |\n":               1,
		"| Promise | Measured | Test |\n|---|---|---|\n| it is fast | 1 s | `TestInbox_Keeps` |\n": 0,
		"| Promise | Measured | Test |\n|---|---|---|\n| it is fast | `TestInbox_Keeps` | no |\n":  1,
		table + "| it keeps | `TestPay_Once`; `TestInbox_Keeps` in `pkg/outbox` |\n":               0,
		"| What | How |\n|---|---|\n| no promise | no test |\n":                                    0,
		"Run `TestInbox` or `TestInbox_Keeps`, not `TestOutbox_Keeps`.":                            1,
	} {
		if _, wrong := broken(page, there); len(wrong) != want {
			t.Errorf("%s\n%q, want %d", page, wrong, want)
		}
	}
}

var (
	named    = regexp.MustCompile("`(Test[A-Za-z0-9_]+(?:/[^`]+)?)`")
	inFolder = regexp.MustCompile("in `([a-z/]+)`(?: and `([a-z/]+)`)?")
)

// broken is what is wrong with the tests that a page names, and how many promises it makes.
func broken(page string, there map[string][]string) (promises int, wrong []string) {
	var heading []string // of the table of promises that a line is in; nil: it is in none
	for line := range strings.SplitSeq(page, "\n") {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			heading = nil
		case strings.TrimSpace(cells[0]) == "Promise":
			heading = cells
			continue
		case strings.HasPrefix(line, "|---"):
			continue
		}
		if heading == nil {
			for _, name := range named.FindAllStringSubmatch(line, -1) {
				begin, _, _ := strings.Cut(name[1], "/")
				if !slices.ContainsFunc(slices.Collect(maps.Keys(there)), func(test string) bool { return strings.HasPrefix(test, begin) }) {
					wrong = append(wrong, name[1]+" is no test")
				}
			}
			continue
		}
		promises++
		wrong = append(wrong, unproven(cells, heading, there)...)
	}
	return promises, wrong
}

// unproven is what is wrong with a row.
func unproven(cells, heading []string, there map[string][]string) (wrong []string) {
	proof := cells[len(cells)-1]
	all := named.FindAllStringSubmatchIndex(proof, -1)
	if len(all) == 0 {
		return []string{fmt.Sprintf("no test proves %q", strings.TrimSpace(cells[0]))}
	}
	for _, at := range all {
		rest, _, _ := strings.Cut(proof[at[1]:], ";")
		name, folders := proof[at[2]:at[3]], inFolder.FindStringSubmatch(rest)
		if folders == nil {
			folders = inFolder.FindStringSubmatch(heading[len(heading)-1])
		}
		test, subtest, hasSubtest := strings.Cut(name, "/")
		in := there[test]
		switch {
		case in == nil, hasSubtest && !slices.ContainsFunc(in, func(folder string) bool {
			return slices.Contains(there[strconv.Quote(subtest)], folder)
		}):
			wrong = append(wrong, fmt.Sprintf("%s proves %q, and is no test", name, strings.TrimSpace(cells[0])))
		case folders != nil && !slices.ContainsFunc(in, func(folder string) bool { return slices.Contains(folders[1:], folder) }):
			wrong = append(wrong, fmt.Sprintf("%s stands in %s", name, strings.Join(in, ", ")))
		}
	}
	return wrong
}

// tests are the tests in this repository, and the quoted names of subtests, with the folders that have one of the name.
func tests(t *testing.T) map[string][]string {
	t.Helper()
	there := map[string][]string{}
	for _, file := range listed(t, "*_test.go") {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`(?m)^func (Test\w+)\(|^\t+(?:t\.Run\()?("[^"\n]+")[:,]`).FindAllSubmatch(text, -1) {
			found := string(append(name[1], name[2]...))
			there[found] = append(there[found], path.Dir(file))
		}
	}
	return there
}

// listed are the repository's files whose names match.
func listed(t *testing.T, pattern string) []string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", pattern)
	command.Dir = "../.."
	names, err := command.Output()
	if err != nil {
		t.Fatalf("list the files: %v", err)
	}
	return strings.Split(strings.TrimSuffix(string(names), "\x00"), "\x00")
}
