package schema

import (
	"maps"
	"slices"

	"example.com/ordersaga/contracts/validator"
)

// arrays compares how many items there may be, and what they are.
func (c *comparison) arrays(at string, w, r *node) {
	if w.count.below(r.count) {
		c.breaks(at, "it may have fewer items than the reader takes (%s)", r.count.least())
	}
	if w.count.above(r.count) && (w.items == nil || w.items.kinds != 0) {
		c.breaks(at, "it may have more items than the reader takes (%s)", r.count.greatest())
	}
	if r.items != nil && (w.count.high == nil || w.count.high.Sign() > 0) {
		c.schemas(at+"/*", orAnything(w.items), r.items)
	}
}

// objects compares the properties that both know, that one of them knows, and that neither does.
func (c *comparison) objects(at string, w, r *node) {
	for _, name := range r.required {
		_, known := w.properties[name]
		switch {
		case slices.Contains(w.required, name):
		case known || w.others != nil && w.others.kinds != 0:
			c.breaks(at+"/"+validator.Escape(name), "it may be missing")
		default:
			c.breaks(at+"/"+validator.Escape(name), "the writer does not send it, the reader requires it")
		}
	}
	names := slices.Concat(w.required, slices.Collect(maps.Keys(w.properties)), slices.Collect(maps.Keys(r.properties)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		c.property(at+"/"+validator.Escape(name), name, w, r)
	}
	if w.others != nil || c.open(w) {
		c.undeclared(at+"/*", w.others, r.others)
	}
}

// open is whether a writer sends what it does not declare. Who declares nothing at all sends something all the same.
func (c *comparison) open(w *node) bool { return c.content == Strict || w.free }

func (c *comparison) property(at, name string, w, r *node) {
	wrote, read := w.property(name), r.property(name)
	switch {
	case read == nil:
	case wrote != nil:
		c.schemas(at, wrote, read)
	case slices.Contains(w.required, name):
		c.schemas(at, orAnything(nil), read)
	case c.open(w) && !slices.Contains(r.required, name):
		c.undeclared(at, nil, read)
	}
}

// undeclared is what a writer may send without declaring it: nil is anything.
func (c *comparison) undeclared(at string, wrote, read *node) {
	switch {
	case read == nil:
	case wrote != nil:
		c.schemas(at, wrote, read)
	default:
		c.mayBeAnything(at, read)
	}
}

// mayBeAnything is for a property that the writer does not declare: it may be anything.
func (c *comparison) mayBeAnything(at string, read *node) {
	const open = "the writer does not declare it, and its schema is open: it may be anything, "
	switch c.try(at, orAnything(nil), read) {
	case Compatible:
	case CannotJudge:
		c.unsure(at, open+"and whether the reader takes that cannot be told")
	case Incompatible:
		if read.kinds == 0 {
			c.breaks(at, open+"the reader takes no such property")
			return
		}
		c.breaks(at, open+"the reader takes %s", read.kinds)
	}
}

func orAnything(n *node) *node {
	if n == nil {
		return read(map[string]any{})
	}
	return n
}
