package quality_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/internal/quality"
)

const root = "../../.."

// valid is a scenario that nothing is wrong with.
const valid = `
- id: it-counts
  quality: Testability
  concern: Numbers
  source: A test
  stimulus: counts
  artefact: a shell
  environment: anywhere
  response: A number is printed.
  measure: {what: what is printed, unit: things, bound: at most 3}
  importance: H
  difficulty: L
  adrs: [1]
  point: {kind: none}
  evidence: {command: echo 3 things, reads: '(?P<value>\S+) things', cadence: every commit, days: 7}
`

func read(t *testing.T, source string) quality.Scenario {
	t.Helper()
	all, err := quality.Read([]byte(source))
	if err != nil || len(all) != 1 {
		t.Fatalf("%d scenarios, %v", len(all), err)
	}
	return all[0]
}

func TestRead_NamesTheWrongFieldInOneLine(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		"quality: Testability => quality:":                            "scenario it-counts: quality is missing",
		"importance: H => importance: high":                           `scenario it-counts: importance must be H, M, L, and is "high"`,
		"difficulty: L => difficulty: ''":                             "scenario it-counts: difficulty must be",
		"unit: things, => ":                                           "scenario it-counts: measure.unit is missing",
		"bound: at most 3 => bound: fewer than 3":                     "measure.bound must be like",
		"bound: at most 3 => bound: at most NaN":                      "measure.bound must be like",
		", bound: at most 3 => ":                                      "scenario it-counts: measure.bound is missing",
		"adrs: [1] => adrs: []":                                       "scenario it-counts: adrs is missing",
		"adrs: [1] => adrs: [one]":                                    "(near: adrs: [one])",
		"point: {kind: none} => point: {kind: weak}":                  "scenario it-counts: point.kind must be none, sensitivity, trade-off",
		"kind: none => kind: sensitivity":                             "scenario it-counts: point.of is missing",
		"kind: none => kind: trade-off, of: x":                        "scenario it-counts: point.against must be another scenario's id",
		"kind: none => kind: trade-off, of: x, against: it-counts":    "scenario it-counts: point.against must be another scenario's id",
		`(?P<value>\S+) => (\S+)`:                                     "scenario it-counts: evidence.reads has no group (?P<value>…)",
		`(?P<value>\S+) => (?P<value>`:                                "scenario it-counts: evidence.reads: error parsing regexp",
		"cadence: every commit => cadence: yearly":                    "scenario it-counts: evidence.cadence must be every commit, nightly, by hand",
		"days: 7 => days: soon":                                       "days: soon",
		"days: 7 => days: 0":                                          "scenario it-counts: evidence.days must be",
		"command: echo 3 things, => ":                                 "scenario it-counts: evidence.command is missing",
		"id: it-counts => id: ''":                                     "scenario number 1: id is missing",
		"artefact: a shell => artifact: a shell":                      "field artifact not found",
		"adrs: [1] => accepted_risk: {until: soon, why: x}":           "scenario it-counts: accepted_risk.until must be a day",
		"adrs: [1] => accepted_risk: {until: 2026-12-31}":             "scenario it-counts: accepted_risk.why is missing",
		"quality: Testability => quality: [":                          "did not find expected",
		"point: {kind: none} => point: {kind: none}\n- id: it-counts": "id it-counts is there twice",
	} {
		from, to, _ := strings.Cut(change, " => ")
		source := strings.Replace(valid, from, to, 1)
		if source == valid {
			t.Fatalf("%q changes nothing", change)
		}
		_, err := quality.Read([]byte(source))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error is %q, want one line with %q", change, err, want)
		}
	}
}

func TestRun_ACommandIsJudgedByTheNumberThatItPrints(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]struct {
		verdict quality.State
		why     string
	}{
		"echo 3 things":                          {quality.Passed, ""},
		"echo 9 things; echo 2.5 things":         {quality.Passed, ""}, // the last one counts
		"echo 4 things":                          {quality.Failed, "4 things, and must be at most 3"},
		"echo 3 things; exit 1":                  {quality.Failed, "the command failed: exit status 1"},
		"(echo 3 things; false) | cat":           {quality.Failed, "the command failed: exit status 1"},
		"no-such-command; echo 3 things":         {quality.Failed, "the command failed: exit status 127"},
		"echo nothing":                           {quality.Failed, "it printed nothing like"},
		"echo many things":                       {quality.Failed, `it printed "many", which is no number`},
		"echo NaN things":                        {quality.Failed, `it printed "NaN", which is no number`},
		"echo -Inf things":                       {quality.Failed, `it printed "-Inf", which is no number`},
		"echo 3 things >&2":                      {quality.Passed, ""},
		"test -e go.work && echo 1 things":       {quality.Passed, ""}, // the repository's root
		"sleep 100 & echo 3 things; wait":        {quality.Failed, "it had not ended after 1s"},
		"trap '' TERM; sleep 100; echo 1 things": {quality.Failed, "it had not ended after 1s"},
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s := read(t, valid)
			s.Evidence.Command, s.Evidence.Limit = command, time.Second
			if !strings.Contains(want.why, "ended") {
				s.Evidence.Limit = time.Minute
			}
			got := s.Run(t.Context(), root)
			if got.Verdict != want.verdict || !strings.Contains(got.Why, want.why) || (got.Why == "") != (want.why == "") {
				t.Errorf("%s: %s, want %s: %s", got.Verdict, got.Why, want.verdict, want.why)
			}
			if got.Seconds > 30 {
				t.Errorf("it took %.0f s", got.Seconds)
			}
		})
	}
}

func TestRun_WithoutWhatItNeedsItCannotRun(t *testing.T) {
	t.Parallel()
	s := read(t, valid)
	s.Evidence.Needs = "command -v no-such-program"
	if got := s.Run(t.Context(), root); got.Verdict != quality.CannotRun || got.Value != nil || !strings.Contains(got.Why, "no-such-program") {
		t.Errorf("%+v", got)
	}
	s.Evidence.Needs = "command -v bash"
	if got := s.Run(t.Context(), root); got.Verdict != quality.Passed || *got.Value != 3 || got.Commit == "unknown" {
		t.Errorf("%+v", got)
	}
}

// The verdict that nothing can reach: where it passes, the others mean nothing.
func TestRun_NoNumberPassesTheImpossibleBound(t *testing.T) {
	t.Parallel()
	for _, bound := range []string{"at most 3", "at least 3", "exactly 3", "at most 1e308", "at least -1e308"} {
		s := read(t, strings.Replace(valid, "at most 3", bound, 1))
		if got := s.Run(t.Context(), root); got.Verdict != quality.Passed {
			t.Errorf("%s: %+v", bound, got)
		}
		impossible := s
		impossible.Measure.Bound = s.Measure.Bound.Impossible()
		if got := impossible.Run(t.Context(), root); got.Verdict != quality.Failed {
			t.Errorf("%s passes where nothing can: %+v", bound, got)
		}
	}
}

func TestJudge_AScenarioStandsAsItsResult(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	passed := func(value float64, days int) *quality.Result {
		return &quality.Result{ID: "it-counts", Verdict: quality.Passed, Value: &value, Time: now.AddDate(0, 0, -days)}
	}
	failed := &quality.Result{ID: "it-counts", Verdict: quality.Failed, Why: "4 things", Time: now}
	cannot := &quality.Result{ID: "it-counts", Verdict: quality.CannotRun, Time: now}
	for name, c := range map[string]struct {
		result *quality.Result
		risk   string // until when it is accepted
		want   quality.State
		red    bool
	}{
		"nothing was run":                       {nil, "", quality.NeverRun, false},
		"it has passed":                         {passed(3, 7), "", quality.Passed, false},
		"it has failed":                         {failed, "", quality.Failed, true},
		"the bound is lower now":                {passed(4, 0), "", quality.Failed, true},
		"it was left out":                       {cannot, "", quality.CannotRun, false},
		"it is older than its cadence":          {passed(3, 8), "", quality.Stale, false},
		"and older than twice that":             {passed(3, 15), "", quality.Stale, true},
		"the risk is accepted":                  {failed, "2026-12-01", quality.Accepted, false},
		"the risk was accepted until yesterday": {failed, "2026-11-30", quality.RiskExpired, true},
		"nobody ran it, and that is accepted":   {nil, "2027-01-01", quality.Accepted, false},
		"nobody ran it, and that has expired":   {nil, "2026-11-30", quality.RiskExpired, true},
		"it passes, whatever was accepted":      {passed(3, 0), "2026-11-30", quality.Passed, false},
		"it is stale, and the risk has expired": {passed(3, 8), "2026-11-30", quality.RiskExpired, true},
	} {
		s := read(t, valid)
		var results []quality.Result
		if c.result != nil {
			results = append(results, *c.result)
		}
		if c.risk != "" {
			s.AcceptedRisk = &quality.AcceptedRisk{Until: c.risk, Why: "no time"}
		}
		leaf := quality.Judge([]quality.Scenario{s}, results, now)[0]
		if leaf.State != c.want || leaf.Red != c.red || leaf.Standing() == "" {
			t.Errorf("%s: %s, red %v, want %s, %v", name, leaf.State, leaf.Red, c.want, c.red)
		}
		if isRisk := len(quality.Risks([]quality.Leaf{leaf})) == 1; isRisk == (c.want == quality.Passed) {
			t.Errorf("%s: among the risks: %v", name, isRisk)
		}
	}
}

func TestJudge_WhatIsImportantAndDifficultComesFirst(t *testing.T) {
	t.Parallel()
	var all []quality.Scenario
	for _, row := range []string{"a B x M/M", "b A y L/L", "c B z H/M", "d A w H/H", "e B x H/L", "f A y H/H"} {
		f := strings.Fields(row)
		s := read(t, valid)
		s.ID, s.Quality, s.Concern, s.Importance, s.Difficulty = f[0], f[1], f[2], f[3][:1], f[3][2:]
		all = append(all, s)
	}
	var order []string
	for _, of := range quality.Tree(quality.Judge(all, nil, time.Now())) {
		for _, concern := range of.Branches {
			for _, leaf := range concern.Leaves {
				order = append(order, of.Name+concern.Name+leaf.ID)
			}
		}
	}
	if got, want := strings.Join(order, " "), "Ayf Ayb Awd Bzc Bxe Bxa"; got != want {
		t.Errorf("the tree is %s, want %s", got, want)
	}
}

func TestMerge_KeepsWhatWasNotRun(t *testing.T) {
	t.Parallel()
	result := func(id, commit string) quality.Result { return quality.Result{ID: id, Commit: commit} }
	got := quality.Merge([]quality.Scenario{{ID: "a"}, {ID: "b"}, {ID: "c"}},
		[]quality.Result{result("b", "old"), result("gone", "old"), result("a", "old")}, []quality.Result{result("a", "new")})
	if len(got) != 2 || got[0] != result("a", "new") || got[1] != result("b", "old") {
		t.Errorf("%+v", got)
	}
}

// book is the scenarios of this repository.
func book(t *testing.T) *quality.Book {
	t.Helper()
	b, err := quality.OpenAt(root)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestScenarios_EveryDecisionHasOne(t *testing.T) {
	t.Parallel()
	judged := map[int]bool{}
	b := book(t)
	for _, s := range b.Scenarios {
		for _, n := range s.ADRs {
			judged[n] = true
		}
	}
	decisions, err := quality.Decisions(root)
	if err != nil || len(decisions) < 25 {
		t.Fatalf("%d decisions, %v", len(decisions), err)
	}
	for n, file := range decisions {
		if !judged[n] {
			t.Errorf("no scenario judges docs/adr/%s", file)
		}
		delete(judged, n)
	}
	for n := range judged {
		t.Errorf("there is no decision %d", n)
	}
	if n := len(b.Scenarios); n < 20 || n > 30 {
		t.Errorf("there are %d scenarios: 20 to 30 can be kept in mind", n)
	}
}

// Four of five have passed, and what runs at every commit stays cheap.
func TestResults_AreThereAndCheap(t *testing.T) {
	t.Parallel()
	b := book(t)
	var newest time.Time
	seconds := 0.0
	for _, r := range b.Results {
		if r.Time.After(newest) {
			newest = r.Time
		}
	}
	leaves := quality.Judge(b.Scenarios, b.Results, newest)
	for _, l := range leaves {
		if l.Result == nil || l.Evidence.Cadence != quality.Cadences[0] {
			continue
		}
		if seconds += l.Result.CPU; l.Result.CPU > 30 {
			t.Errorf("%s took %.0f s of CPU time, which is too much for every commit", l.ID, l.Result.CPU)
		}
	}
	if percent := quality.Percent(leaves); percent < 80 || seconds > 240 {
		t.Errorf("%d %% have passed, in %.0f s of CPU time", percent, seconds)
	}
}

func TestPage_IsWhatFollowsFromTheResults(t *testing.T) {
	t.Parallel()
	b := book(t)
	want, err := b.Page()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "docs/quality/README.md", want)
	for _, name := range []string{"scenarios.yaml", "results.json"} {
		original, err := os.ReadFile(filepath.Join(root, "docs/quality", name))
		if err != nil {
			t.Fatal(err)
		}
		same(t, filepath.Join("apps/internal/console/quality", name), string(original))
	}
}

func same(t *testing.T, file, want string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(root, file))
	if err != nil || string(got) != want {
		t.Errorf("%s is not what it should be (%v); bin/sagactl quality run writes it", file, err)
	}
}

func TestWrite_KeepsResultsAndWritesThePage(t *testing.T) {
	t.Parallel()
	to := t.TempDir()
	for _, folder := range []string{"docs/quality", "docs/adr", "apps/internal/console/quality"} {
		if err := os.MkdirAll(filepath.Join(to, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name, content string) {
		if err := os.WriteFile(filepath.Join(to, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("docs/quality/scenarios.yaml", valid)
	put("docs/adr/0001-first.md", "# 1. First")
	put("docs/glossary.md", `| <a id="pact"></a>pact | x |`+"\n"+`| <a id="saga"></a>saga | y |`)
	b, err := quality.OpenAt(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Write([]quality.Result{b.Scenarios[0].Run(t.Context(), to)}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(to, "docs/quality/README.md"))
	for _, want := range []string{"H/L [it-counts](#it-counts): ✓ passed on", "| Measured | ✓ 3 things (at most 3) |", "[1](../adr/0001-first.md)", "There are none."} {
		if err != nil || !strings.Contains(string(page), want) {
			t.Errorf("%v: the page lacks %q:\n%s", err, want, page)
		}
	}
	again, err := quality.OpenAt(to)
	if err != nil || len(again.Results) != 1 || again.Results[0].Verdict != quality.Passed {
		t.Errorf("%v: %+v", err, again)
	}
	if _, err := again.Choose([]string{"nothing"}, ""); err == nil || err.Error() != `there is no scenario "nothing"` {
		t.Error(err)
	}
	if _, err := again.Choose(nil, "yearly"); err == nil {
		t.Error("a cadence that is none is taken")
	}
	if chosen, err := again.Choose(nil, "by hand"); err != nil || len(chosen) != 0 {
		t.Errorf("%v: %v", err, chosen)
	}
}
