//go:build crashmatrix

package crash

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/ordersaga/internal/failpoint"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

var (
	lanesFlag = flag.Int("lanes", 8, "how many systems to try in at the same time")
	writeFlag = flag.String("write", "", "where to write the table of what was found")
	onlyFlag  = flag.String("only", "", "words, one of which a cell's <point>/<service>/<saga> must contain; -write keeps the other cells")
	quickFlag = flag.Bool("quick", false, "try each point of a service in one kind of saga, in rotation, and those of the gateway in all")
)

// combination is one cell of the matrix.
type combination struct {
	point    failpoint.Point
	service  string
	scenario scenario
}

func (c combination) String() string {
	return fmt.Sprintf("%s/%s/%s", c.point, c.service, c.scenario.name)
}

// combinations are all there are; in a quick run or one of some cells only, those that are not taken are left out.
func combinations() []combination {
	var all []combination
	rotation := 0
	for _, point := range failpoint.Points() {
		for _, service := range homes(point.Point) {
			for i := range scenarios {
				c := combination{point.Point, service, scenarios[(rotation+i)%len(scenarios)]}
				if !c.wanted() {
					continue
				}
				all = append(all, c)
				if *quickFlag && enough(c) {
					break
				}
			}
			rotation++
		}
	}
	return all
}

// wanted is whether the flag -only names it.
func (c combination) wanted() bool {
	words := strings.Fields(*onlyFlag)
	return len(words) == 0 || slices.ContainsFunc(words, func(word string) bool { return strings.Contains(c.String(), word) })
}

// enough ends a quick run's search for kinds of sagas in which a service passes a point: with the first
// that can occur, but at the boundary to the gateway, where the kinds differ most.
func enough(c combination) bool {
	_, never := impossible(c)
	return !never && !strings.HasPrefix(string(c.point), "gateway.")
}

// TestCrash kills a service at every point, in every kind of saga. What it finds at the end is written
// down: where the fault fired, and how the order ended.
func TestCrash(t *testing.T) {
	found := &table{ends: map[string]string{}}
	if *onlyFlag != "" && *writeFlag != "" {
		found.read(t, *writeFlag)
	}
	all := combinations()
	cells := make(chan combination, len(all))
	for _, c := range all {
		cells <- c
	}
	close(cells)
	// A cell waits most of its time, and a parallel test counts as one that needs a processor: only as many as there are
	// processors would run. So the lanes are goroutines.
	var running sync.WaitGroup
	for range *lanesFlag {
		running.Go(func() { t.Run("at", func(t *testing.T) { openLane(t).try(t, cells, found) }) })
	}
	running.Wait()
	found.check(t)
	if *writeFlag != "" && !t.Failed() {
		found.write(t, *writeFlag)
	}
}

// try tries one cell after the other, as long as there are any.
func (l *lane) try(t *testing.T, cells <-chan combination, found *table) {
	t.Helper()
	for c := range cells {
		t.Run(c.String(), func(t *testing.T) { found.add(c, c.try(t, l)) })
	}
}

// try runs the combination and returns how the order ended: "" when the fault never fired.
func (c combination) try(t *testing.T, l *lane) string {
	t.Helper()
	reason, impossible := impossible(c)
	before := l.fired(t, c.service, c.point)
	special := triggers()[c.point]
	if special.before != nil {
		special.before(t, l, c.service)
	}
	c.arm(t, l, special.atStart)
	id := c.scenario.play(t, l)
	if special.during != nil {
		special.during(t, l, c.service)
	}
	ended := l.Ends(t, id)
	fired := l.fired(t, c.service, c.point) > before
	if !impossible && !fired {
		// The saga may be over for the customer before the point is passed for the last time.
		kit.Eventually(t, "the fault fires", func() error {
			if l.fired(t, c.service, c.point) > before {
				return nil
			}
			return fmt.Errorf("%s has not fired in %s", c.point, c.service)
		})
		fired = true
	}
	if err := l.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Disarm(t, c.service)
	l.Check(t)
	killed := ""
	if fired {
		killed = c.service
	}
	kit.Eventually(t, "the order has one trace", func() error {
		return kit.OneTrace(id, l.spans.Trace(id), l.spans.Of(id), killed)
	})
	return c.outcome(t, ended, fired, reason)
}

// arm makes the service die once at the point.
func (c combination) arm(t *testing.T, l *lane, atStart bool) {
	t.Helper()
	if !atStart {
		l.Arm(t, c.service, failpoint.Armament{Point: c.point, Kind: failpoint.Crash})
		return
	}
	// A fault of the environment fires as often as it says over all starts: once more than it has by now.
	n := l.fired(t, c.service, c.point) + 1
	text := failpoint.Fault{Point: c.point, Kind: failpoint.Crash, Times: n}.String()
	if err := l.Restart(t.Context(), c.service, map[string]string{"FAULTS": text}); err != nil {
		t.Fatal(err)
	}
}

func (c combination) outcome(t *testing.T, ended order.Order, fired bool, reason string) string {
	t.Helper()
	switch {
	case !fired:
		return ""
	case reason != "":
		t.Errorf("it fired, though it cannot: %s", reason)
	case ended.Status != c.scenario.end && !c.scenario.cancel:
		t.Errorf("the order ended %s: %s; want %s", ended.Status, kit.Deref(ended.Reason), c.scenario.end)
	}
	return string(ended.Status)
}

// table gathers what was found.
type table struct {
	mu   sync.Mutex
	ends map[string]string // by combination
}

func (f *table) add(c combination, end string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends[c.String()] = end
}

// A run of some cells takes the others from the table as it stands.
func TestTable_KeepsTheCellsThatWereNotTried(t *testing.T) { // not parallel: it sets a flag
	before := &table{ends: map[string]string{}}
	for _, c := range combinations() {
		if _, never := impossible(c); !never {
			before.ends[c.String()] = string(c.scenario.end)
		}
	}
	path := filepath.Join(t.TempDir(), "failures.md")
	before.write(t, path)
	only := *onlyFlag
	*onlyFlag = "mail. /payment/"
	defer func() { *onlyFlag = only }()
	after := &table{ends: map[string]string{}}
	after.read(t, path)
	kept := 0
	for cell, end := range before.ends {
		tried := strings.HasPrefix(cell, "mail.") || strings.Contains(cell, "/payment/")
		if got, is := after.ends[cell]; is == tried || is && got != end {
			t.Errorf("%s is %q, was %q", cell, got, end)
		} else if is {
			kept++
		}
	}
	if kept == 0 || kept != len(after.ends) {
		t.Errorf("%d cells are kept, of %d", kept, len(after.ends))
	}
}
