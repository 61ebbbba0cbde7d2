package schema

import (
	"encoding/json"
	"strings"
)

// kinds are those of JSON's values. Whole numbers are not fractions, because "integer" excludes these.
type kinds int

const (
	null kinds = 1 << iota
	boolean
	integer
	fraction
	chars
	array
	object

	everything = 1<<iota - 1
)

func kindsNamed(types any) kinds {
	names, is := types.([]any)
	if name, one := types.(string); one {
		names, is = []any{name}, true
	}
	if !is {
		return everything
	}
	all := kinds(0)
	for _, name := range names {
		all |= map[any]kinds{"null": null, "boolean": boolean, "integer": integer, "number": integer | fraction,
			"string": chars, "array": array, "object": object}[name]
	}
	return all
}

func kindOf(value any) kinds {
	switch value := value.(type) {
	case nil:
		return null
	case bool:
		return boolean
	case json.Number:
		if r := rational(value); r != nil && r.IsInt() {
			return integer
		}
		return fraction
	case string:
		return chars
	case []any:
		return array
	}
	return object
}

// String names them, for people.
func (k kinds) String() string {
	if k == everything {
		return "anything"
	}
	var names []string
	for _, name := range []string{"null", "boolean", "integer", "number", "string", "array", "object"} {
		named := kindsNamed(name)
		if k&named == named && (name != "integer" || k&fraction == 0) {
			names = append(names, name)
		}
	}
	if k&fraction != 0 && k&integer == 0 {
		names = append(names, "a fraction")
	}
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, " or ")
}

// allowed are the kinds that type, enum and const name.
func (n *node) allowed(schema map[string]any) kinds {
	all := kindsNamed(schema["type"])
	if n.listed {
		some := kinds(0)
		for _, v := range n.values {
			some |= kindOf(v)
		}
		all &= some
	}
	if n.anyOf != nil {
		some := kinds(0)
		for _, branch := range n.anyOf {
			some |= branch.kinds
		}
		all &= some
	}
	for _, part := range n.allOf {
		all &= part.kinds
	}
	return all
}

// possible are the kinds of which there are values between the bounds.
func (n *node) possible() kinds {
	all := kinds(everything)
	if n.length.none() {
		all &^= chars
	}
	if n.number.whole().none() {
		all &^= integer
	}
	low, high := n.number.low, n.number.high
	if n.number.none() || low != nil && high != nil && low.Cmp(high) == 0 && low.IsInt() {
		all &^= fraction
	}
	if n.count.none() || n.items != nil && n.items.kinds == 0 && n.count.low.Sign() > 0 {
		all &^= array
	}
	for _, name := range n.required {
		if property := n.property(name); property != nil && property.kinds == 0 {
			all &^= object
		}
	}
	return all
}
