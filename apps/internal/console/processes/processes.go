// Package processes watches what runs: every process of the system, and the broker. The strip on every page shows it.
//
// It looks only while a page is open. What it remembers is since when each of them answers, or does not.
package processes

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
)

const (
	// pace is how often it looks at most: a death is on the screen within a second.
	pace = 200 * time.Millisecond
	// askTime is how long a process may take to answer: a process that is stopped refuses nothing.
	askTime = 700 * time.Millisecond
	// broker is the name of the broker among the processes.
	broker = "broker"
)

// Board knows how many orders wait for each service.
type Board interface {
	Waiting() map[events.Service]int
	Visit() (leave func())
}

// Process is one process of the system, or the broker.
type Process struct {
	Name    string    `json:"name"`
	Answers bool      `json:"answers"`
	Since   time.Time `json:"since"`             // when it began to answer, or ceased to
	AwayFor int64     `json:"away_ms,omitempty"` // how long it was away before it came back; in milliseconds
	Waiting int       `json:"waiting"`           // orders in progress whose next step is its service's

	pid int
}

// Watcher looks at the processes of one system.
type Watcher struct {
	system endpoints.Description
	board  Board
	nc     *nats.Conn // nil: the address is none

	mu     sync.Mutex
	looked time.Time
	known  map[string]Process
}

// New makes a watcher. The system need not run yet.
func New(system endpoints.Description, board Board) *Watcher {
	nc, _ := nats.Connect(system.NATS, nats.Name("console processes"), nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1), nats.ReconnectWait(pace), nats.ReconnectJitter(0, 0), nats.Timeout(askTime))
	return &Watcher{system: system, board: board, nc: nc, known: map[string]Process{}}
}

// Run closes the connection to the broker when ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	<-ctx.Done()
	if w.nc != nil {
		w.nc.Close()
	}
	return nil
}

// ServeHTTP answers with all processes. Pages ask again and again: a browser has six connections to the console, for
// all of its tabs, and a stream on every page would use them up.
func (w *Watcher) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	defer w.board.Visit()()
	httpx.Answer(response, request, w.look(request.Context()), request.Context().Err())
}

// look asks all at once, one that hangs delays none of the others; pages that are open at the same time share a look.
func (w *Watcher) look(ctx context.Context) []Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.looked) > pace/2 {
		names := w.names()
		seen := make([]Process, len(names))
		var asking sync.WaitGroup
		for i, name := range names {
			asking.Go(func() { seen[i] = w.ask(ctx, name) })
		}
		asking.Wait()
		if ctx.Err() != nil {
			return nil // the page has gone, and what has not answered it may well be there
		}
		w.looked = time.Now()
		w.note(seen)
	}
	return w.picture()
}

// names are those of everything that can be asked: first the four services, with the replicas of each.
func (w *Watcher) names() []string {
	var names []string
	for _, service := range events.Services {
		names = append(names, w.system.Replicas(string(service))...)
	}
	all := slices.Concat(slices.Collect(maps.Keys(w.system.Admin)), slices.Collect(maps.Keys(w.system.URLs)))
	slices.Sort(all)
	for _, name := range slices.Compact(all) {
		if name != endpoints.Console && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return append(names, broker)
}

// ask asks one of them. A refusal is an answer, too.
func (w *Watcher) ask(ctx context.Context, name string) Process {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	p := Process{Name: name}
	switch {
	case name == broker:
		p.Answers = w.nc != nil && w.nc.IsConnected() && w.nc.FlushWithContext(ctx) == nil
	case w.system.Admin[name] != "":
		var is struct {
			PID int `json:"pid"`
		}
		err := w.system.AskAdmin(ctx, endpoints.AdminRequest{Process: name, Method: http.MethodGet, Path: "/process"}, &is)
		p.Answers, p.pid = err == nil || httpx.Status(err) != 0, is.PID
	default:
		p.Answers = healthy(ctx, w.system.URLs[name])
	}
	return p
}

func healthy(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/healthz", http.NoBody)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return true
}

// note remembers what has changed. A process that has another number has died, even if no look was quick enough. The
// lock is held.
func (w *Watcher) note(seen []Process) {
	for _, p := range seen {
		before, known := w.known[p.Name]
		p.Since = w.looked
		switch restarted := p.pid != 0 && before.pid != 0 && p.pid != before.pid; {
		case known && before.Answers == p.Answers && !restarted:
			p.Since, p.AwayFor = before.Since, before.AwayFor
		case known && p.Answers && before.Answers:
			p.AwayFor = pace.Milliseconds() // at most
		case known && p.Answers:
			p.AwayFor = w.looked.Sub(before.Since).Milliseconds()
		}
		if p.pid == 0 {
			p.pid = before.pid
		}
		w.known[p.Name] = p
	}
}

// picture is what is known, with the orders that wait. The lock is held.
func (w *Watcher) picture() []Process {
	waiting := w.board.Waiting()
	all := 0
	for _, n := range waiting {
		all += n
	}
	picture := make([]Process, 0, len(w.known))
	for _, name := range w.names() {
		p := w.known[name]
		if p.Waiting = waiting[endpoints.ServiceOf(name)]; name == broker {
			p.Waiting = all
		}
		if p.Answers {
			p.Waiting = 0 // they are on their way
		}
		picture = append(picture, p)
	}
	return picture
}
