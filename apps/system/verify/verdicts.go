package verify

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// verdicts gathers what several looks found.
type verdicts struct {
	checks []*verdict
	left   []Result // what is not judged
	last   *look
}

// verdict is how one invariant stands after the looks so far.
type verdict struct {
	Invariant
	proven   map[string]Offender // violations for good
	suspects map[string]suspect  // differences that may still turn out to be messages under way
	latest   []Offender          // what the last look found
}

type suspect struct {
	Offender
	seen int // in a row
}

func newVerdicts(o Options) *verdicts {
	v := &verdicts{}
	for _, invariant := range Invariants() {
		if invariant.AtRest && !o.AtRest {
			continue
		}
		if invariant.Whole && o.Since > 0 {
			v.left = append(v.left, Result{ID: invariant.ID, Sentence: invariant.Sentence, Holds: true, NotJudged: true})
			continue
		}
		v.checks = append(v.checks, &verdict{Invariant: invariant, proven: map[string]Offender{}})
	}
	return v
}

// invariants are those that are judged.
func (v *verdicts) invariants() []Invariant {
	all := make([]Invariant, len(v.checks))
	for i, c := range v.checks {
		all[i] = c.Invariant
	}
	return all
}

// add judges one look.
func (v *verdicts) add(at *look) {
	v.last = at
	for _, c := range v.checks {
		c.add(at.found[c.ID])
	}
}

func (c *verdict) add(found []Offender) {
	c.latest = found
	if c.AtRest {
		return // only the last look counts
	}
	suspects := map[string]suspect{}
	for _, offender := range found {
		s := suspect{offender, c.suspects[offender.Key].seen + 1}
		if c.OneLook || s.seen >= confirmations {
			c.proven[offender.Key] = offender
		}
		suspects[offender.Key] = s
	}
	c.suspects = suspects
}

// offenders are those of the verdict as it stands.
func (c *verdict) offenders() []Offender {
	offenders := slices.Collect(maps.Values(c.proven))
	if c.AtRest {
		offenders = slices.Clone(c.latest)
	}
	slices.SortFunc(offenders, func(a, b Offender) int { return strings.Compare(a.Key, b.Key) })
	return offenders
}

// decided reports whether another look could change anything that matters. Time does not cut short the
// looks that a suspicion needs.
func (v *verdicts) decided(timeIsUp bool) bool {
	for _, c := range v.checks {
		if c.AtRest && len(c.latest) > 0 && !timeIsUp {
			return false
		}
		for key := range c.suspects {
			if _, proven := c.proven[key]; !proven {
				return false
			}
		}
	}
	return true
}

func (v *verdicts) report(took time.Duration) Report {
	r := Report{Holds: true, Counted: v.last.counted, Took: took, OldestEvent: v.last.oldestEvent,
		OldestOrder: v.last.oldestOrder, Broker: v.last.backlog != nil}
	for _, c := range v.checks {
		offenders := c.offenders()
		r.Results = append(r.Results,
			Result{ID: c.ID, Sentence: c.Sentence, Holds: len(offenders) == 0, Offenders: offenders})
		r.Holds = r.Holds && len(offenders) == 0
	}
	r.Results = append(r.Results, v.left...)
	return r
}
