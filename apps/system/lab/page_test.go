package lab_test

import (
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/lab"
)

// written is a page with all sections, of which some have the blocks that are given. In them ”' stands for a fence.
func written(parts map[string]string) string {
	text := "# 1. A page\n"
	for _, section := range []string{"Question", "Predict", "Run", "Break", "See", "Explain", "Repair", "A number to reach", "Clean"} {
		text += "\n## " + section + "\n\nProse of " + section + ".\n\n" + parts[section] + "\n"
	}
	return strings.ReplaceAll(text, "'''", "```")
}

// small are the parts of a page that is right.
func small() map[string]string {
	return map[string]string{
		"Run":   "'''sh run\nX=$(echo 1); echo $X\n'''\n\n'''expect elided\n1\n'''",
		"Break": "'''sh break red=gone\nX=2; echo broken\n'''\n'''expect contains\nbroken\n'''",
		"See":   "Look:\n\n'''sh run\necho x=$X\n'''\n'''expect contains name=gone\nx=2\n'''",
		"Clean": "'''sh cleanup\ntrue\n'''",
	}
}

func TestParse_AnswersWithTheBlocksAndTheirExpectations(t *testing.T) {
	t.Parallel()
	parts := small()
	parts["Repair"] = "'''sql run service=payment\nSELECT 1\n'''\n\n'''expect regex until=30s exit=1 name=one\n^1$\n'''"
	p, err := lab.Parse("docs/labs/01-a-page.md", []byte(written(parts)))
	if err != nil {
		t.Fatal(err)
	}
	if p.Title != "1. A page" || len(p.Sections) != 9 || len(p.Blocks) != 9 {
		t.Errorf("%q, %d sections, %d blocks", p.Title, len(p.Sections), len(p.Blocks))
	}
	b := p.Blocks[4]
	if b.Section != "See" || b.Kind != "sh" || !b.Is("run") || b.Text != "echo x=$X\n" || b.Before != "Prose of See.\n\nLook:" {
		t.Errorf("%+v", b)
	}
	if line := strings.Split(written(parts), "\n")[b.Line-1]; line != "```sh run" {
		t.Errorf("the block begins in line %d: %q", b.Line, line)
	}
	if b.Expect == nil || b.Expect.Name != "gone" || b.Expect.Text != "x=2\n" || p.Break().Flags["red"] != "gone" {
		t.Errorf("%+v", b.Expect)
	}
	e := p.Blocks[6].Expect
	if p.Blocks[6].Flags["service"] != "payment" || e.Until != 30*time.Second || e.Exit != 1 || e.Name != "one" || e.Mode != "regex" {
		t.Errorf("%+v", e)
	}
	if prose := p.Prose("See"); prose != "Prose of See.\n\nLook:" {
		t.Errorf("the prose of See is %q", prose)
	}
	if prose := p.Prose("Question"); prose != "Prose of Question." {
		t.Errorf("the question is %q", prose)
	}
}

func TestParse_RefusesWhatNoRunWouldTest(t *testing.T) {
	t.Parallel()
	const path = "docs/labs/01-a-page.md"
	for what, test := range map[string]struct{ section, text, want string }{
		"no expectation":         {"Run", "'''sh run\ntrue\n'''", ":19: no expectation follows the block"},
		"an unknown flag":        {"Run", "'''sh run loud\ntrue\n'''", "there is no block \"sh\" with the flags \"loud run\""},
		"an unknown expectation": {"Run", "'''sh run\ntrue\n'''\n'''expect equal\n1\n'''", `an expectation has no flag "equal"`},
		"two ways to compare":    {"Run", "'''sh run\ntrue\n'''\n'''expect regex elided\n1\n'''", "is regex or elided, not both"},
		"nothing to compare":     {"Run", "'''sh run\ntrue\n'''\n'''expect contains\n'''", "expects nothing"},
		"text without a mode":    {"Run", "'''sh run\ntrue\n'''\n'''expect exit=1\nx\n'''", "an expectation with a text is contains, regex or elided"},
		"a regex that is none":   {"Run", "'''sh run\ntrue\n'''\n'''expect regex\n(\n'''", "no regular expression"},
		"a time that is none":    {"Run", "'''sh run\ntrue\n'''\n'''expect contains until=soon\n1\n'''", "until=soon is no time"},
		"a code that is none":    {"Run", "'''sh run\ntrue\n'''\n'''expect exit=x\n'''", "exit=x is no exit code"},
		"a flag twice":           {"Run", "'''sh run\ntrue\n'''\n'''expect exit=1 exit=2\n'''", `the flag "exit" once`},
		"an untested block":      {"Run", "'''text\nhello\n'''", `nothing tests the block "text"`},
		"an untested command":    {"See", "'''sh\ntrue\n'''\n" + small()["See"], `nothing tests the block "sh"`},
		"an empty block":         {"Run", "'''sh run\n'''\n'''expect elided\n'''", "the block is empty"},
		"a sleep":                {"Run", "'''sh run\nsleep 1\n'''\n'''expect elided\n'''", "does not sleep"},
		"no such service":        {"Run", "'''sql run service=shop\nSELECT 1\n'''\n'''expect elided\n'''", `there is no service "shop"`},
		"another start":          {"Run", "'''sh run start\nmake demo\n'''", "begins with `bin/sagactl demo `"},
		"a start and more":       {"Run", "'''sh run start\nbin/sagactl demo --scenes none; true\n'''", "is one command"},
		"a late start":           {"See", small()["See"] + "\n'''sh run start\nbin/sagactl demo --scenes none\n'''", "is the first that is run"},
		"no time to wait":        {"Run", "'''sh run background\ntrue\n'''\n'''expect contains\nx\n'''", "is expected with until=30s"},
		"an expectation alone":   {"Explain", "'''text\nx\n'''\n'''expect contains\nx\n'''", "follows no block that is run"},
		"two expectations":       {"Run", "'''sh run\ntrue\n'''\n'''expect exit=1\n'''\n'''expect exit=2\n'''", "follows no block that is run"},
		"two of one name":        {"Run", "'''sh run\ntrue\n'''\n'''expect exit=1 name=gone\n'''", `another expectation is called "gone"`},
		"no break":               {"Break", "", "has one block `sh break red=NAME`, not 0"},
		"two breaks":             {"Break", small()["Break"] + "\n" + small()["Break"], "has one block `sh break red=NAME`, not 2"},
		"a break elsewhere":      {"Run", small()["Break"], `does not belong to the section "Run"`},
		"a break that is silent": {"Break", "'''sh break red=other\ntrue\n'''\n'''expect exit=1\n'''", `no expectation after the break is called "other"`},
		"red at itself":          {"Break", "'''sh break red=self\ntrue\n'''\n'''expect exit=1 name=self\n'''", `no expectation after the break is called "self"`},
		"an unknown section":     {"See", small()["See"] + "\n\n## Moral\n", "the sections are Question · Predict"},
	} {
		parts := small()
		parts[test.section] = test.text
		_, err := lab.Parse(path, []byte(written(parts)))
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), path+":") {
			t.Errorf("%s: %v, want %q", what, err, test.want)
		}
	}
	if _, err := lab.Parse("docs/labs/02-a-page.md", []byte(written(small()))); err == nil || !strings.Contains(err.Error(), `the title begins with "2. "`) {
		t.Errorf("another page's number: %v", err)
	}
	if _, err := lab.Parse(path, []byte(written(small()))); err != nil {
		t.Errorf("a page that is right: %v", err)
	}
}

// A page of another kind has blocks and flags of its own.
func TestRead_LeavesTheRulesToItsCaller(t *testing.T) {
	t.Parallel()
	source := "# A wrong way\n\n```diff wrong\n-a\n```\n\n```sh run harm\ntrue\n```\n\n```expect regex wrong=>0 right=0\n(?P<n>\\d+)\n```\n"
	p, err := lab.Read("docs/wrong/a.md", []byte(source))
	if err != nil || len(p.Blocks) != 3 || p.Blocks[2].Flags["wrong"] != ">0" || p.Blocks[1].Expect == nil || !p.Blocks[1].Is("harm") {
		t.Errorf("%v: %+v", err, p)
	}
}

func TestExpect_ComparesByItsMode(t *testing.T) {
	t.Parallel()
	const output = "ORDER   STATUS\n0193-a  CONFIRMED  2 × widget\n\nlooked at 1 orders in 0.6 s\n"
	for what, test := range map[string]struct {
		info, text string
		holds      bool
	}{
		"lines in order":                     {"contains", "ORDER\nlooked at 1 orders", true},
		"lines in another order":             {"contains", "looked at\nORDER", false},
		"one line twice":                     {"contains", "ORDER\nORDER", false},
		"any characters in a line":           {"contains", "0193… 2 × widget", true},
		"columns of another width":           {"contains", "ORDER STATUS", true},
		"what is not there":                  {"contains", "CANCELLED", false},
		"what only looks like it":            {"contains", "0.6.s", false},
		"line for line":                      {"elided", "ORDER STATUS\n… CONFIRMED …\n\nlooked at 1 orders in … s", true},
		"the blanks that a line begins with": {"elided", "… ORDER STATUS\n…", true},
		"any lines":                          {"elided", "ORDER STATUS\n…\nlooked at … orders in … s", true},
		"no line":                            {"elided", "ORDER STATUS\n0193-a …\n…\n\nlooked …", true},
		"a line less":                        {"elided", "ORDER STATUS\n… CONFIRMED …\n\n", false},
		"a line more":                        {"elided", "ORDER STATUS\n… CONFIRMED …\n\nlooked …\nmore", false},
		"nothing":                            {"elided", "", false},
		"an expression":                      {"regex", `^ORDER.*CONFIRMED.*in \d\.\d s$`, true},
		"an expression for something else":   {"regex", `^\d+$`, false},
		"another exit code":                  {"contains exit=3", "ORDER", false},
	} {
		parts := small()
		parts["Run"] = "'''sh run\ntrue\n'''\n'''expect " + test.info + "\n" + test.text + "\n'''"
		p, err := lab.Parse("a.md", []byte(written(parts)))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Blocks[0].Expect.Check(output, 0); (err == nil) != test.holds {
			t.Errorf("%s: %v", what, err)
		}
	}
	parts := small()
	parts["Run"] = "'''sh run\ntrue\n'''\n'''expect elided exit=1\n'''"
	p, err := lab.Parse("a.md", []byte(written(parts)))
	if err != nil || p.Blocks[0].Expect.Check(" \n", 1) != nil || p.Blocks[0].Expect.Check("x", 1) == nil {
		t.Errorf("no output and exit code 1: %v", err)
	}
}
