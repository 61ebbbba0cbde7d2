package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// verdicts gathers what several looks found.
type verdicts struct {
	checks []*verdict
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

func newVerdicts(atRest bool) *verdicts {
	v := &verdicts{}
	for _, invariant := range Invariants() {
		if invariant.AtRest && !atRest {
			continue
		}
		v.checks = append(v.checks, &verdict{Invariant: invariant, proven: map[string]Offender{}})
	}
	return v
}

// add judges one look.
func (v *verdicts) add(ctx context.Context, at *look) error {
	v.last = at
	for _, c := range v.checks {
		found, err := c.check(ctx, at)
		if err != nil {
			return fmt.Errorf("check %s: %w", c.ID, err)
		}
		c.add(found)
	}
	return nil
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
	r := Report{Holds: true, Counted: v.last.counted(), Took: took, OldestEvent: v.last.oldestEvent,
		OldestOrder: v.last.oldestOrder, Broker: v.last.backlog != nil}
	for _, c := range v.checks {
		offenders := c.offenders()
		r.Results = append(r.Results, Result{c.ID, c.Sentence, len(offenders) == 0, offenders})
		r.Holds = r.Holds && len(offenders) == 0
	}
	return r
}
