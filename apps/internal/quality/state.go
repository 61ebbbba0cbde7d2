package quality

import (
	"slices"
	"time"
)

// State is how a scenario stands.
type State string

// The states. A scenario whose risk is accepted shows that, unless it has passed.
const (
	Passed      State = "passed"
	Failed      State = "failed"
	Stale       State = "stale"
	NeverRun    State = "never run"
	CannotRun   State = "cannot run here"
	Accepted    State = "accepted risk"
	RiskExpired State = "accepted risk has expired"
)

// Leaf is a scenario with what is known of it.
type Leaf struct {
	Scenario
	State  State   `json:"state"`
	Result *Result `json:"result"` // null: there is none
	Red    bool    `json:"red"`    // it must not stay so
}

// Judge puts scenarios and results together, as they stand at a time: H/H first, what belongs together side by side.
func Judge(scenarios []Scenario, results []Result, now time.Time) []Leaf {
	leaves := make([]Leaf, 0, len(scenarios))
	for _, s := range scenarios {
		leaf := Leaf{Scenario: s}
		if at := slices.IndexFunc(results, func(r Result) bool { return r.ID == s.ID }); at >= 0 {
			leaf.Result = &results[at]
		}
		leaf.State, leaf.Red = leaf.stand(now)
		leaves = append(leaves, leaf)
	}
	return arrange(leaves)
}

// stand is the state, and whether the gate refuses it: what has failed, and what is stale for as long again.
func (l Leaf) stand(now time.Time) (State, bool) {
	state, red := l.measured(now)
	if l.AcceptedRisk == nil || state == Passed {
		return state, red
	}
	until, _ := time.Parse(time.DateOnly, l.AcceptedRisk.Until) // Read has seen that it is a day
	if now.Before(until.AddDate(0, 0, 1)) {
		return Accepted, false
	}
	return RiskExpired, true
}

func (l Leaf) measured(now time.Time) (State, bool) {
	if l.Result == nil {
		return NeverRun, false
	}
	age, days := now.Sub(l.Result.Time), time.Duration(l.Evidence.Days)*24*time.Hour
	switch {
	case l.Result.Verdict == CannotRun:
		return CannotRun, false
	case l.Result.Verdict != Passed || l.Result.Value == nil || !l.Measure.Bound.Holds(*l.Result.Value):
		return Failed, true
	case age > days:
		return Stale, age > 2*days
	}
	return Passed, false
}

// Merge takes new results instead of the old ones of the same scenarios, and drops those of scenarios that are no more.
func Merge(scenarios []Scenario, old, young []Result) []Result {
	var merged []Result
	for _, s := range scenarios {
		all := slices.Concat(young, old)
		if at := slices.IndexFunc(all, func(r Result) bool { return r.ID == s.ID }); at >= 0 {
			merged = append(merged, all[at])
		}
	}
	return merged
}

var degrees = []string{"H", "M", "L"}

// rank is 0 for H/H and grows to L/L.
func (s Scenario) rank() int {
	return slices.Index(degrees, s.Importance)*len(degrees) + slices.Index(degrees, s.Difficulty)
}

// arrange sorts by rank; qualities and concerns stand where their first scenario would.
func arrange(leaves []Leaf) []Leaf {
	best := map[string]int{}
	for _, l := range leaves {
		for _, group := range []string{l.Quality, l.Quality + "\x00" + l.Concern} {
			if rank, is := best[group]; !is || l.rank() < rank {
				best[group] = l.rank()
			}
		}
	}
	order := map[string]int{}
	for i, l := range leaves {
		for _, group := range []string{l.Quality, l.Quality + "\x00" + l.Concern} {
			if _, is := order[group]; !is {
				order[group] = i
			}
		}
	}
	key := func(l Leaf) []int {
		concern := l.Quality + "\x00" + l.Concern
		return []int{best[l.Quality], order[l.Quality], best[concern], order[concern], l.rank()}
	}
	slices.SortStableFunc(leaves, func(a, b Leaf) int { return slices.Compare(key(a), key(b)) })
	return leaves
}
