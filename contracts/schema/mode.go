package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Mode is which promise a new version of a schema has to keep toward the earlier ones.
type Mode string

// The modes, as schema registries call them.
const (
	None               Mode = "NONE"
	Backward           Mode = "BACKWARD"            // the new version reads what was written with the last one
	Forward            Mode = "FORWARD"             // the last version reads what is written with the new one
	Full               Mode = "FULL"                // both
	BackwardTransitive Mode = "BACKWARD_TRANSITIVE" // the same with every earlier version
	ForwardTransitive  Mode = "FORWARD_TRANSITIVE"
	FullTransitive     Mode = "FULL_TRANSITIVE"
)

// Modes are all that there are.
var Modes = []Mode{None, Backward, Forward, Full, BackwardTransitive, ForwardTransitive, FullTransitive}

// ParseMode reads the name of a mode.
func ParseMode(name string) (Mode, error) {
	if mode := Mode(name); slices.Contains(Modes, mode) {
		return mode, nil
	}
	return "", fmt.Errorf("%.40q is no compatibility mode; there are %v", name, Modes)
}

// Check is whether a schema may follow the earlier ones, of which the newest stands last. Modes that are not
// transitive look at that one alone.
func Check(mode Mode, new *Schema, earlier []*Schema, content Content) Verdict {
	if !slices.Contains(Modes, mode) {
		return verdict([]Reason{{Answer: CannotJudge, What: fmt.Sprintf("%.40q is no compatibility mode", mode)}})
	}
	first := 0
	if !strings.HasSuffix(string(mode), "_TRANSITIVE") {
		first = max(0, len(earlier)-1)
	}
	var reasons []Reason
	for i, old := range earlier[first:] {
		name := old.Name
		if name == "" {
			name = fmt.Sprintf("version %d", first+i+1)
		}
		if strings.HasPrefix(string(mode), "BACKWARD") || strings.HasPrefix(string(mode), "FULL") {
			who := "who reads with the new version breaks at what was written with " + name
			reasons = append(reasons, of(Compare(new, old, content), who)...)
		}
		if strings.HasPrefix(string(mode), "FORWARD") || strings.HasPrefix(string(mode), "FULL") {
			who := "who reads with " + name + " breaks at what is written with the new version"
			reasons = append(reasons, of(Compare(old, new, content), who)...)
		}
	}
	return verdict(reasons)
}

// of adds to a verdict's reasons who breaks.
func of(v Verdict, who string) []Reason {
	for i := range v.Reasons {
		v.Reasons[i].Breaks = who
	}
	return v.Reasons
}
