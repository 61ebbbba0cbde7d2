package schema

import (
	"encoding/json"
	"math/big"
	"strings"

	"example.com/ordersaga/contracts/validator"
)

// numbers compares the rules about them. A bound counts for whole numbers as it does for fractions: "at least 0.5"
// is "at least 1" where there are no fractions.
func (c *comparison) numbers(at string, w, r *node) {
	wrote, read := w.number, r.number
	if w.kinds&fraction == 0 {
		wrote, read = wrote.whole(), read.whole()
	}
	if wrote.below(read) {
		c.breaks(at, "it may be smaller than the reader takes (%s)", read.least())
	}
	if wrote.above(read) {
		c.breaks(at, "it may be greater than the reader takes (%s)", read.greatest())
	}
	if r.listed {
		c.listedNumbers(at, w, r)
	}
}

// listedNumbers is for a reader that takes certain numbers: more than it lists cannot all be among them.
func (c *comparison) listedNumbers(at string, w, r *node) {
	between := w.number.whole()
	n, few := between.most(int64(len(r.values)))
	if w.kinds&fraction != 0 || !few {
		c.breaks(at, "it may be many numbers, the reader takes certain ones")
		return
	}
	for i := range n {
		value := json.Number(new(big.Int).Add(between.low.Num(), big.NewInt(i)).String())
		c.values(at, []any{value}, w, r)
	}
}

// strings compares the rules about them. What a pattern or a format means is not understood here: only the same one
// is known to be the same. That a reader refuses something is shown by an example.
func (c *comparison) strings(at string, w, r *node) {
	same := func(wrote, read string) bool { return read == "" || wrote == read }
	plain := w.pattern == "" && w.format == ""
	short, long := w.length.below(r.length), w.length.above(r.length)
	if plain && short {
		c.breaks(at, "it may be shorter than the reader takes (%s characters)", r.length.least())
	}
	if plain && long {
		c.breaks(at, "it may be longer than the reader takes (%s characters)", r.length.greatest())
	}
	if same(w.pattern, r.pattern) && same(w.format, r.format) && !r.listed && (plain || !short && !long) {
		return
	}
	for _, example := range examples(w, r) {
		if w.takes(example) && !r.takes(example) {
			c.breaks(at, "it may be %s, which the reader refuses (%s)", validator.OneLine(text(example)), r.wants())
			return
		}
	}
	c.unsure(at, "whether every string that the writer may send is what the reader takes (%s)", r.wants())
}

// wants is what a schema requires of strings.
func (n *node) wants() string {
	var all []string
	if n.listed {
		all = append(all, "one of "+validator.OneLine(text(n.values)))
	}
	if n.pattern != "" {
		all = append(all, "pattern "+validator.OneLine(n.pattern))
	}
	if n.format != "" {
		all = append(all, "format "+validator.OneLine(n.format))
	}
	if n.length.low.Sign() > 0 {
		all = append(all, n.length.least()+" characters")
	}
	if n.length.high != nil {
		all = append(all, n.length.greatest()+" characters")
	}
	return strings.Join(all, ", ")
}

// wellKnown are strings of the formats and patterns that are usual.
var wellKnown = []any{
	"", " ", "a", "A", "0", "é", "-1", "1.5", "ab", "AB", "abc", "ABC", "EUR", "x y", "2026-01-01",
	"12:00:00Z", "2026-01-01T12:00:00Z", "P1D",
	"00000000-0000-4000-8000-000000000000", "a@b.example", "b.example", "https://b.example/c", "/c", "10.0.0.1", "::1",
}

// longestExample is how long an example may be.
const longestExample = 10_000

// examples are strings that one schema may allow and the other refuse: well-known ones, and some of the lengths at
// which either ends.
func examples(w, r *node) []any {
	all := append([]any{}, wellKnown...)
	for _, edge := range []*big.Rat{w.length.low, w.length.high, r.length.low, r.length.high} {
		if edge == nil || edge.Cmp(new(big.Rat).SetInt64(longestExample)) > 0 {
			continue
		}
		for _, length := range []int{int(edge.Num().Int64()) - 1, int(edge.Num().Int64()), int(edge.Num().Int64()) + 1} {
			for _, letter := range []string{"a", "A", "0"} {
				all = append(all, strings.Repeat(letter, max(length, 0)))
			}
		}
	}
	return all
}

func (b bounds) least() string {
	if b.lowOpen {
		return "more than " + validator.Number(b.low)
	}
	return "at least " + validator.Number(b.low)
}

func (b bounds) greatest() string {
	if b.highOpen {
		return "less than " + validator.Number(b.high)
	}
	return "at most " + validator.Number(b.high)
}
