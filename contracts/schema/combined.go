package schema

import "slices"

// combined takes schemas apart that are made of others.
func (c *comparison) combined(at string, w, r *node) {
	switch {
	case len(w.allOf) > 0:
		c.every(at, w, r)
	case len(w.anyOf) > 0:
		c.alternatives(at, w, r)
	default:
		c.single(at, w, r)
	}
}

// every is for a writer that keeps several schemas at once: it is enough that one of them is understood.
func (c *comparison) every(at string, w, r *node) {
	parts := append([]*node{w.alone()}, w.allOf...)
	c.doubting("another of the writer's schemas forbids it", func(c *comparison) {
		c.content = Strict
		if !slices.ContainsFunc(parts, func(part *node) bool { return c.try(at, part, r) == Compatible }) {
			c.unsure(at, "the writer keeps several schemas at once, and none of them alone is what the reader takes")
		}
	})
}

// alternatives is for a writer that keeps one of several schemas: each must be understood.
func (c *comparison) alternatives(at string, w, r *node) {
	rest := w.alone()
	if rest.anything() {
		for _, branch := range w.anyOf {
			c.schemas(at, branch, r)
		}
		return
	}
	c.doubting("what stands beside the writer's anyOf forbids it", func(c *comparison) {
		c.content = Strict
		if c.try(at, rest, r) == Compatible {
			return
		}
		for _, branch := range w.anyOf {
			c.schemas(at, branch, r)
		}
	})
}

// oneOfThem is for a reader that takes alternatives: each kind of value must find one that takes all of it.
func (c *comparison) oneOfThem(at string, w *node, branches []*node) {
	for k := null; k <= object && len(branches) > 0; k <<= 1 {
		one := *w
		if one.kinds &= k; one.kinds == 0 {
			continue
		}
		if !slices.ContainsFunc(branches, func(branch *node) bool { return c.try(at, &one, branch) == Compatible }) {
			c.unsure(at, "it may be %s, and no single alternative of the reader takes all of it", k)
		}
	}
}
