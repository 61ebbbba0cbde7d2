package failpoint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/ordersaga/internal/failpoint"
)

func TestParse(t *testing.T) {
	t.Parallel()
	crash := failpoint.Fault{Point: failpoint.InboxBeforeCommit, Kind: failpoint.Crash, Times: 1}
	for name, test := range map[string]struct {
		text string
		want []failpoint.Fault
		err  string // a part of it; empty: none
	}{
		"nothing is armed by nothing":             {text: ""},
		"nothing between commas is nothing":       {text: " , ", want: nil},
		"a fault fires once by default":           {text: "inbox.before_commit=crash", want: []failpoint.Fault{crash}},
		"a list keeps its order":                  {text: "inbox.before_commit=crash, relay.marked=error", want: []failpoint.Fault{crash, {Point: failpoint.RelayMarked, Kind: failpoint.Error, Times: 1}}},
		"an error has a text":                     {text: "relay.marked=error:disk full", want: []failpoint.Fault{{Point: failpoint.RelayMarked, Kind: failpoint.Error, Text: "disk full", Times: 1}}},
		"a delay has a duration":                  {text: "relay.marked=delay:200ms", want: []failpoint.Fault{{Point: failpoint.RelayMarked, Kind: failpoint.Delay, Delay: 200 * time.Millisecond, Times: 1}}},
		"all options":                             {text: "relay.marked=hold;order=o1;times=0;percent=10;for=1m", want: []failpoint.Fault{{Point: failpoint.RelayMarked, Kind: failpoint.Hold, Order: "o1", Percent: 10, For: time.Minute}}},
		"a point alone is refused":                {text: "inbox.before_commit", err: "point=kind"},
		"an unknown point is refused":             {text: "inbox.nowhere=crash", err: `no point "inbox.nowhere"`},
		"an unknown kind is refused":              {text: "relay.marked=explode", err: `no kind "explode"`},
		"a delay without a duration is refused":   {text: "relay.marked=delay", err: "needs a duration"},
		"a delay of nothing is refused":           {text: "relay.marked=delay:0s", err: "needs a duration"},
		"an argument that means nothing":          {text: "relay.marked=crash:loudly", err: "takes no argument"},
		"an unknown option is refused":            {text: "relay.marked=crash;often=2", err: `unknown option "often"`},
		"a number that is none is refused":        {text: "relay.marked=crash;times=two", err: "times=two is not understood"},
		"more than every case is refused":         {text: "relay.marked=crash;percent=101", err: "percent"},
		"a negative number is refused":            {text: "relay.marked=crash;times=-1", err: "negative"},
		"the error names the fault it belongs to": {text: "relay.marked=crash,relay.taken=explode", err: `fault "relay.taken=explode"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := failpoint.Parse(test.text)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one about %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(test.want) {
				t.Fatalf("got %v, want %v", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("got %+v, want %+v", got[i], test.want[i])
				}
			}
		})
	}
}

func TestParse_ReadsWhatStringWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := failpoint.Fault{
			Point:   rapid.SampledFrom(failpoint.Points()).Draw(t, "point").Point,
			Kind:    rapid.SampledFrom([]failpoint.Kind{failpoint.Crash, failpoint.Error, failpoint.Delay, failpoint.Duplicate, failpoint.Hold}).Draw(t, "kind"),
			Order:   rapid.StringMatching(`[a-f0-9-]{0,36}`).Draw(t, "order"),
			Times:   rapid.IntRange(0, 9).Draw(t, "times"),
			Percent: rapid.IntRange(1, 99).Draw(t, "percent"),
			For:     time.Duration(rapid.IntRange(0, 9).Draw(t, "for")) * time.Second,
		}
		switch f.Kind {
		case failpoint.Delay:
			f.Delay = time.Duration(rapid.IntRange(1, 1e6).Draw(t, "delay")) * time.Microsecond
		case failpoint.Error:
			f.Text = rapid.StringMatching(`[a-z :=]{0,20}[a-z]`).Draw(t, "text")
		default:
		}
		got, err := failpoint.Parse(f.String())
		if err != nil || len(got) != 1 || got[0] != f {
			t.Fatalf("%q is read as %+v (%v), not as %+v", f, got, err, f)
		}
	})
}

// The list that people see is made from the comments of the table, so all constants must be found in it.
func TestPoints_EachHasASentence(t *testing.T) {
	t.Parallel()
	listed := map[string]string{}
	for _, p := range failpoint.Points() {
		if listed[string(p.Point)] != "" {
			t.Errorf("%s is listed twice", p.Point)
		}
		if len(p.Sentence) < 20 {
			t.Errorf("%s has no sentence but %q", p.Point, p.Sentence)
		}
		listed[string(p.Point)] = p.Sentence
	}
	declared := 0
	file, err := parser.ParseFile(token.NewFileSet(), "points.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		declared++
		if listed[value] == "" {
			t.Errorf("%s is declared and not listed", value)
		}
		return true
	})
	if declared != len(listed) || declared < 40 {
		t.Errorf("%d points are declared and %d listed; at least 40 are promised", declared, len(listed))
	}
}
