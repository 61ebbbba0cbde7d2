package schema

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"example.com/ordersaga/contracts/validator"
)

// Compare is whether a reader that follows one schema can read everything that a writer may write who follows the
// other. Compatible is only what the rules show to be; incompatible only where there is a value that the writer's
// schema allows and the reader's does not. What is neither cannot be judged.
func Compare(reader, writer *Schema, content Content) Verdict {
	left := patience
	c := comparison{content: content, left: &left}
	c.schemas("", writer.root, reader.root)
	return verdict(c.reasons)
}

// comparison collects what a reader would stumble over.
type comparison struct {
	content Content
	reasons []Reason
	doubt   string // why a value that the writer's schema seems to allow may not be allowed after all
	left    *int   // how many pairs of schemas may still be compared
}

// patience is how many pairs of schemas are compared: alternatives inside alternatives multiply.
const patience = 20_000

func (c *comparison) breaks(at, what string, args ...any) {
	what = fmt.Sprintf(what, args...)
	if c.doubt != "" {
		c.unsure(at, "%s, unless %s", what, c.doubt)
		return
	}
	c.reasons = append(c.reasons, Reason{Answer: Incompatible, Field: at, What: what})
}

func (c *comparison) unsure(at, what string, args ...any) {
	c.reasons = append(c.reasons, Reason{Answer: CannotJudge, Field: at, What: fmt.Sprintf(what, args...)})
}

// try is what a comparison would come to.
func (c *comparison) try(at string, w, r *node) Answer {
	trial := comparison{content: c.content, doubt: c.doubt, left: c.left}
	trial.schemas(at, w, r)
	return verdict(trial.reasons).Answer
}

// doubting compares a part of a writer's schema in the knowledge that the whole has more rules, and may forbid what
// the part allows. Where it may also declare properties that the part does not, the part is to be taken by its word.
func (c *comparison) doubting(why string, compare func(*comparison)) {
	inner := *c
	if inner.reasons = nil; inner.doubt == "" {
		inner.doubt = why
	}
	compare(&inner)
	c.reasons = append(c.reasons, inner.reasons...)
}

func (c *comparison) schemas(at string, w, r *node) {
	switch *c.left--; {
	case *c.left < 0:
		c.unsure(at, "there are too many alternatives to go through")
	case w.kinds == 0, r.anything(), reflect.DeepEqual(w.raw, r.raw):
	case w.listed:
		c.values(at, w.values, w, r)
	case slices.ContainsFunc(w.strange, changesOthers):
		c.unsure(at, "the writer's %s is not judged, unless both have the same", strings.Join(w.strange, ", "))
	case len(w.strange) > 0:
		c.doubting(fmt.Sprintf("the writer's %s forbids it", strings.Join(w.strange, ", ")), func(c *comparison) {
			if slices.ContainsFunc(w.strange, holdsSchemas) {
				c.content = Strict
			}
			c.combined(at, w, r)
		})
	default:
		c.combined(at, w, r)
	}
}

// holdsSchemas is whether a keyword may declare properties.
func holdsSchemas(keyword string) bool { return keywords[keyword] != value }

// changesOthers is whether a keyword makes another one mean something else: items only what is behind the
// prefixItems, and additionalProperties only what no pattern names.
func changesOthers(keyword string) bool {
	return keyword == "prefixItems" || keyword == "patternProperties"
}

// single is for a writer's schema that is not made of others.
func (c *comparison) single(at string, w, r *node) {
	if refused := w.kinds &^ r.kinds; refused != 0 {
		c.breaks(at, "it may be %s, the reader takes %s", refused, r.kinds)
	}
	both := *w
	if both.kinds &= r.kinds; both.kinds == 0 {
		return
	}
	strange := slices.DeleteFunc(slices.Clone(r.strange), func(keyword string) bool { return sameWord(keyword, w, r) })
	switch {
	case len(strange) > 0:
		c.unsure(at, "the reader's %s is not judged, unless both have the same", strings.Join(strange, ", "))
	case len(r.allOf)+len(r.anyOf) > 0:
		rest := r.alone()
		c.schemas(at, &both, rest)
		for _, part := range r.allOf {
			c.schemas(at, &both, part)
		}
		c.oneOfThem(at, &both, r.anyOf)
	default:
		c.byKind(at, &both, r)
	}
}

// sameWord is whether both have a keyword that means the same wherever it stands, with the same content.
func sameWord(keyword string, w, r *node) bool {
	switch keyword {
	case "not", "oneOf", "multipleOf", "uniqueItems", "minProperties", "maxProperties", "dependentRequired",
		"dependentSchemas", "propertyNames":
		wrote, read := w.raw.(map[string]any), r.raw.(map[string]any)
		return reflect.DeepEqual(wrote[keyword], read[keyword])
	}
	return false
}

// byKind compares the rules about each kind of value.
func (c *comparison) byKind(at string, w, r *node) {
	if w.kinds&null != 0 {
		c.values(at, []any{nil}, w, r)
	}
	if w.kinds&boolean != 0 {
		c.values(at, []any{true, false}, w, r)
	}
	if w.kinds&(integer|fraction) != 0 {
		c.numbers(at, w, r)
	}
	if w.kinds&chars != 0 {
		c.strings(at, w, r)
	}
	if w.kinds&chars == 0 && r.format != "" && r.format != w.format {
		c.unsure(at, "what format %s means for %s is not judged", validator.OneLine(r.format), w.kinds)
	}
	if w.kinds&(array|object) != 0 && r.listed {
		c.unsure(at, "the reader takes certain lists or objects only")
		return
	}
	if w.kinds&array != 0 {
		c.arrays(at, w, r)
	}
	if w.kinds&object != 0 {
		c.objects(at, w, r)
	}
}

// values looks at each one that the writer may send.
func (c *comparison) values(at string, values []any, w, r *node) {
	for _, value := range values {
		if w.takes(value) && !r.takes(value) {
			c.breaks(at, "it may be %s, which the reader refuses", validator.OneLine(text(value)))
		}
	}
}
