package schema_test

import (
	"strings"
	"testing"

	"example.com/ordersaga/contracts/schema"
)

func TestCheck_TransitiveModesCompareWithEveryEarlierVersion(t *testing.T) {
	t.Parallel()
	first := parse(t, `{"type": "object", "properties": {"a": {"type": "integer"}}}`)
	second := parse(t, `{"type": "object", "properties": {"b": {"type": "string"}}}`)
	third := parse(t, `{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}`)
	earlier := []*schema.Schema{first, second}
	for mode, want := range map[schema.Mode]schema.Answer{
		schema.None: schema.Compatible, schema.Backward: schema.Compatible, schema.Forward: schema.Compatible, schema.Full: schema.Compatible,
		schema.BackwardTransitive: schema.Incompatible, schema.ForwardTransitive: schema.Incompatible, schema.FullTransitive: schema.Incompatible,
	} {
		if v := schema.Check(mode, third, earlier, schema.Lenient); v.Answer != want {
			t.Errorf("%s: want %s, it is %s", mode, want, v)
		}
	}
}

func TestCheck_TheFirstVersionMayBeAnything(t *testing.T) {
	t.Parallel()
	for _, mode := range schema.Modes {
		if v := schema.Check(mode, parse(t, `{"type": "object"}`), nil, schema.Strict); v.Answer != schema.Compatible {
			t.Errorf("%s: %s", mode, v)
		}
	}
}

func TestCheck_NamesTheFieldAndWhoBreaks(t *testing.T) {
	t.Parallel()
	before := parse(t, `{"type": "object", "required": ["lines"], "properties": {"lines": {"type": "array", "items": {"type": "object", "required": ["a/b"], "properties": {"a/b": {"type": "integer"}}}}}}`)
	after := parse(t, `{"type": "object", "required": ["lines"], "properties": {"lines": {"type": "array", "items": {"type": "object", "properties": {"a/b": {"type": "integer"}}}}}}`)
	want := schema.Reason{
		Answer: schema.Incompatible, Field: "/lines/*/a~1b", What: "it may be missing",
		Breaks: "who reads with version 1 breaks at what is written with the new version",
	}
	v := schema.Check(schema.Full, after, []*schema.Schema{before}, schema.Strict)
	if len(v.Reasons) != 1 || v.Reasons[0] != want {
		t.Errorf("it is %s, want %s", v, want)
	}
	before.Name = "version 7 of saga.order.OrderCreated"
	if v = schema.Check(schema.Full, after, []*schema.Schema{before}, schema.Strict); !strings.Contains(v.String(), "who reads with version 7 of saga.order.OrderCreated breaks") {
		t.Errorf("it does not name the version: %s", v)
	}
}

func TestCheck_AnUnknownModeIsNotJudged(t *testing.T) {
	t.Parallel()
	if _, err := schema.ParseMode("SIDEWARD"); err == nil {
		t.Error("SIDEWARD is a mode")
	}
	if mode, err := schema.ParseMode("FULL_TRANSITIVE"); mode != schema.FullTransitive || err != nil {
		t.Errorf("FULL_TRANSITIVE is %s, %v", mode, err)
	}
	s := parse(t, `{}`)
	if v := schema.Check("SIDEWARD", s, []*schema.Schema{s}, schema.Lenient); v.Answer != schema.CannotJudge {
		t.Errorf("it is %s", v)
	}
}

// TestCheck_CertainReasonsComeFirst: one field is incompatible, another cannot be judged, and the verdict names both.
func TestCheck_CertainReasonsComeFirst(t *testing.T) {
	t.Parallel()
	before := parse(t, `{"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}`)
	after := parse(t, `{"properties": {"a": {"type": "integer", "multipleOf": 5}, "b": {"type": "integer"}}}`)
	v := schema.Check(schema.Backward, after, []*schema.Schema{before}, schema.Lenient)
	if v.Answer != schema.Incompatible || len(v.Reasons) != 2 || v.Reasons[0].Field != "/b" || v.Reasons[1].Answer != schema.CannotJudge {
		t.Errorf("it is %s", v)
	}
}

// TestCompare_NestedAlternativesEnd: they multiply with every depth.
func TestCompare_NestedAlternativesEnd(t *testing.T) {
	t.Parallel()
	nested := func(inner string) string {
		const around = `{"anyOf": [{"type": "array", "minItems": 1, "items": …}, {"type": "array", "items": …, "maxItems": 9}]}`
		for range 7 {
			inner = strings.ReplaceAll(around, "…", inner)
		}
		return inner
	}
	v := schema.Compare(parse(t, nested(`{"type": "integer"}`)), parse(t, nested(`{"type": "number"}`)), schema.Strict)
	if v.Answer != schema.CannotJudge {
		t.Errorf("it is %s", v.Answer)
	}
}
