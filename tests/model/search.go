package model

import (
	"fmt"
	"strings"
)

// Result is what a search has found.
type Result struct {
	States    int
	Violation string   // the invariant that does not hold, or "" where all do
	Trace     []string // how to get there
}

// Search looks at every state that can be reached with these guards and within these limits, breadth
// first, and stops at the first violation of an invariant with this prefix: "" for any, "I7" for that
// one. The shortest way there is the trace.
func Search(guards Guard, limits Limits, invariant string) Result {
	start := state{stock: limits.Stock}
	for i := range limits.Orders {
		start.orders[i].published = orderCreated
	}
	w := &world{guards: guards, limits: limits}
	f := &found{index: map[state]int32{start: 0}, states: []state{start}, parents: []int32{-1}, labels: []string{""}}
	for i := 0; i < len(f.states); i++ { //nolint:intrange // it grows meanwhile
		progress := false
		for _, n := range w.successors(f.states[i]) {
			progress = progress || n.progress
			f.add(int32(i), n)
		}
		if broken := w.violation(&f.states[i], !progress); broken != "" && strings.HasPrefix(broken, invariant) {
			return Result{len(f.states), broken, f.trace(int32(i))}
		}
		if !progress {
			f.resting = append(f.resting, int32(i))
		}
	}
	if stuck := f.stuck(); stuck >= 0 {
		return Result{len(f.states), "never comes to rest", f.trace(stuck)}
	}
	return Result{States: len(f.states)}
}

// found is the graph of what has been reached.
type found struct {
	index    map[state]int32
	states   []state
	parents  []int32
	labels   []string
	progress [][2]int32 // edges that the system takes by itself
	resting  []int32
}

func (f *found) add(from int32, n next) {
	to, known := f.index[n.state]
	if !known {
		to = int32(len(f.states))
		f.index[n.state] = to
		f.states = append(f.states, n.state)
		f.parents = append(f.parents, from)
		f.labels = append(f.labels, n.label)
	}
	if n.progress && to != from {
		f.progress = append(f.progress, [2]int32{to, from})
	}
}

func (f *found) trace(i int32) []string {
	var way []string
	for ; f.parents[i] >= 0; i = f.parents[i] {
		way = append([]string{f.labels[i]}, way...)
	}
	return way
}

// stuck is a state from which progress alone never leads to rest, or -1.
func (f *found) stuck() int32 {
	into := make([][]int32, len(f.states))
	for _, edge := range f.progress {
		into[edge[0]] = append(into[edge[0]], edge[1])
	}
	rests := make([]bool, len(f.states))
	queue := f.resting
	for _, i := range queue {
		rests[i] = true
	}
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		for _, from := range into[i] {
			if !rests[from] {
				rests[from] = true
				queue = append(queue, from)
			}
		}
	}
	for i, ok := range rests {
		if !ok {
			return int32(i)
		}
	}
	return -1
}

// violation is the first invariant that does not hold in s, or "".
func (w *world) violation(s *state, atRest bool) string {
	inUse := s.stock
	for i := range w.limits.Orders {
		o := &s.orders[i]
		inUse += o.held + o.sold
		if broken := o.always(); broken != "" {
			return broken
		}
		if broken := o.resting(); atRest && broken != "" {
			return broken
		}
	}
	if inUse != w.limits.Stock {
		return fmt.Sprintf("I3 %d units where there are %d", inUse, w.limits.Stock)
	}
	return ""
}

// always is what must hold at every instant.
func (o *one) always() string {
	switch {
	case o.charged > 1:
		return "I1 charged twice"
	case o.refunded > o.charged:
		return "I2 more refunded than captured"
	case o.held+o.sold > 1:
		return "I4 stock counted twice"
	case o.changedAfterTheEnd:
		return "I5 a terminal order changed"
	case o.order == orderConfirmed && o.ship != shipCreated:
		return "I6 confirmed, not shipped"
	case o.order == orderConfirmed && o.net() != 1:
		return "I6 confirmed, not paid"
	case o.order == orderConfirmed && o.held+o.sold != 1:
		return "I6 confirmed, nothing held or sold"
	case o.order == orderCancelled && o.ship == shipCreated:
		return "I7 a cancelled order is shipped"
	}
	return ""
}

// resting is what must hold when nothing more happens by itself.
func (o *one) resting() string {
	switch {
	case !o.terminal() && !o.openIncident():
		return "I12 stuck"
	case o.order == orderCancelled && o.net() != 0 && !o.openIncident():
		return "I13 money kept for a cancelled order"
	case o.order == orderCancelled && o.held+o.sold != 0:
		return "I13 stock held for a cancelled order"
	case o.order == orderConfirmed && o.sold != 1:
		return "I6 confirmed, not sold"
	case o.openIncident() && o.pay != payRefused:
		return "I12 an incident is open whose state has been left"
	case o.net() < 0:
		return "I2 more returned than captured"
	}
	return ""
}
