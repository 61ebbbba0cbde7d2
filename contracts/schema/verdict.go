package schema

import (
	"cmp"
	"slices"
	"strings"

	"example.com/ordersaga/contracts/validator"
)

// Answer is what a comparison comes to. The higher one prevails.
type Answer int

// A reader's schema takes everything that a writer's allows; it is not known; or it does not.
const (
	Compatible Answer = iota + 1 // so that an answer that nobody gave is none
	CannotJudge
	Incompatible
)

func (a Answer) String() string {
	return [...]string{"not asked", "compatible", "cannot judge", "incompatible"}[a]
}

// Content is what a writer does with properties that its schema does not mention, while it does not forbid them.
type Content int

const (
	// Lenient writers do not send them. This is how services behave that write what they declare.
	Lenient Content = iota
	// Strict takes the schema by its word: they may be there and may be anything. A property that is added to the
	// reader's schema may then have been in use already, with another meaning.
	Strict
)

func (c Content) String() string {
	return [...]string{"lenient", "strict"}[c]
}

// Reason is one thing that a reader would stumble over, or might.
type Reason struct {
	Answer Answer
	// Field is where, as a JSON pointer into the data; * is every item of a list, or any property.
	Field string
	// What is what the writer's schema allows there, and the reader's does not.
	What string
	// Breaks is who could not read whose data.
	Breaks string
}

func (r Reason) String() string {
	field := r.Field
	if field == "" {
		field = "the document"
	}
	text := field + ": " + r.What
	if r.Answer == CannotJudge {
		text += " (cannot judge)"
	}
	if r.Breaks != "" {
		text += "; " + r.Breaks
	}
	return validator.Flat(text)
}

// Verdict is an answer with what speaks for it: nothing if everything is compatible.
type Verdict struct {
	Answer  Answer
	Reasons []Reason
}

func (v Verdict) String() string {
	lines := []string{v.Answer.String()}
	for _, r := range v.Reasons {
		lines = append(lines, r.String())
	}
	return strings.Join(lines, "\n  ")
}

// verdict sorts reasons: what is certain comes first.
func verdict(reasons []Reason) Verdict {
	slices.SortStableFunc(reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Answer, a.Answer), cmp.Compare(a.Field, b.Field), cmp.Compare(a.What, b.What))
	})
	v := Verdict{Answer: Compatible, Reasons: slices.Compact(reasons)}
	if len(reasons) > 0 {
		v.Answer = reasons[0].Answer
	}
	return v
}
