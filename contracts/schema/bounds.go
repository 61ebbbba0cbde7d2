package schema

import (
	"encoding/json"
	"math/big"
)

// bounds are the least and the greatest of the numbers, lengths or counts that a schema allows; nil: no bound.
type bounds struct {
	low, high         *big.Rat
	lowOpen, highOpen bool // the bound itself is not allowed
}

// boundsOf reads the bounds that two keywords give.
func boundsOf(schema map[string]any, low, high string) bounds {
	return bounds{low: rational(schema[low]), high: rational(schema[high])}
}

// countsOf are bounds of what can be counted.
func countsOf(schema map[string]any, low, high string) bounds {
	b := boundsOf(schema, low, high)
	if b.low == nil {
		b.low = new(big.Rat)
	}
	return b
}

// numbersOf are the bounds of numbers, which may exclude themselves.
func numbersOf(schema map[string]any) bounds {
	b := boundsOf(schema, "minimum", "maximum")
	open := boundsOf(schema, "exclusiveMinimum", "exclusiveMaximum")
	if open.low != nil && (b.low == nil || open.low.Cmp(b.low) >= 0) {
		b.low, b.lowOpen = open.low, true
	}
	if open.high != nil && (b.high == nil || open.high.Cmp(b.high) <= 0) {
		b.high, b.highOpen = open.high, true
	}
	return b
}

// whole are the bounds of the whole numbers between these.
func (b bounds) whole() bounds {
	up := func(r *big.Rat, open bool) *big.Rat {
		if r == nil {
			return nil
		}
		floor := new(big.Int).Div(r.Num(), r.Denom())
		if open || !r.IsInt() {
			floor.Add(floor, big.NewInt(1))
		}
		return new(big.Rat).SetInt(floor)
	}
	low, high := up(b.low, b.lowOpen), b.high
	if high != nil {
		high = up(new(big.Rat).Neg(high), b.highOpen)
		high.Neg(high)
	}
	return bounds{low: low, high: high}
}

// none is whether there is nothing between them.
func (b bounds) none() bool {
	if b.low == nil || b.high == nil {
		return false
	}
	order := b.low.Cmp(b.high)
	return order > 0 || order == 0 && (b.lowOpen || b.highOpen)
}

// below is whether there is something between these that is lower than the others begin.
func (b bounds) below(others bounds) bool {
	if others.low == nil {
		return false
	}
	if b.low == nil {
		return true
	}
	order := b.low.Cmp(others.low)
	return order < 0 || order == 0 && others.lowOpen && !b.lowOpen
}

// above is whether there is something between these that is higher than the others end.
func (b bounds) above(others bounds) bool {
	if others.high == nil {
		return false
	}
	if b.high == nil {
		return true
	}
	order := b.high.Cmp(others.high)
	return order > 0 || order == 0 && others.highOpen && !b.highOpen
}

// most is how many whole numbers there are between them, up to some; false: more than that.
func (b bounds) most(some int64) (int64, bool) {
	if b.low == nil || b.high == nil {
		return 0, false
	}
	n := new(big.Rat).Sub(b.high, b.low)
	if n.Cmp(new(big.Rat).SetInt64(some)) >= 0 {
		return 0, false
	}
	return n.Num().Int64() + 1, true
}

func rational(value any) *big.Rat {
	text, is := value.(json.Number)
	if !is {
		return nil
	}
	r, _ := new(big.Rat).SetString(string(text))
	return r
}
