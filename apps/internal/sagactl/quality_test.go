package sagactl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkout is a folder with two scenarios: what prints passes, what is wrong fails. The test runs in it.
func checkout(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	scenario := func(id, command, cadence string) string {
		return "- {id: " + id + ", quality: q, concern: c, source: s, stimulus: s, artefact: a, environment: e, response: r, importance: H, " +
			"difficulty: H, adrs: [1], point: {kind: none}, measure: {what: w, unit: things, bound: exactly 1},\n" +
			"   evidence: {command: " + command + ", reads: '(?P<value>\\d+)', cadence: " + cadence + ", days: 9}}\n"
	}
	for name, content := range map[string]string{
		"docs/quality/scenarios.yaml": scenario("prints", "echo 1", "every commit") + scenario("wrong", "echo 2", "by hand"),
		"docs/adr/0001-first.md":      "# 1", "docs/glossary.md": "#", "apps/internal/console/quality/page.html": "",
	} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestQuality_TheExitCodeIsTheVerdict(t *testing.T) { // not parallel: it changes the working directory
	checkout(t)
	for _, c := range []struct {
		args  string
		code  int
		shows string
	}{
		{"show", 0, "never run"},
		{"run nothing", 2, `there is no scenario "nothing"`},
		{"run --cadence yearly", 2, "--cadence must be every commit, nightly, by hand"},
		{"run --cadence every-commit --results artifacts/q.json", 0, "✓ passed"},
		{"show", 0, "never run"}, // the results went elsewhere
		{"run prints", 0, "1 things (exactly 1)"},
		{"show", 0, "✓ passed"},
		{"run", 1, "wrong: failed: 2 things, and must be exactly 1\ntry: sagactl quality run wrong"},
		{"show", 1, "wrong: failed"},
		{"show -o json", 1, `"state": "failed"`},
	} {
		got := run(t, nil, append([]string{"quality"}, strings.Fields(c.args)...)...)
		if got.code != c.code || !strings.Contains(got.out+got.err, c.shows) {
			t.Errorf("quality %s: exit code %d, want %d with %q:\n%s%s", c.args, got.code, c.code, c.shows, got.out, got.err)
		}
	}
	page, err := os.ReadFile("docs/quality/README.md")
	if err != nil || !strings.Contains(string(page), "H/H [wrong](#wrong): ✗ failed: 2 things, and must be exactly 1") {
		t.Errorf("%v: %s", err, page)
	}
	if err := os.Remove("docs/quality/scenarios.yaml"); err != nil {
		t.Fatal(err)
	}
	if got := run(t, nil, "quality", "show"); got.code != 2 || strings.Count(got.err, "\n") != 2 {
		t.Errorf("without scenarios: %d %s", got.code, got.err)
	}
}
