package processes_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ordersaga/apps/internal/console/processes"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// board has orders that wait for payment, and for order.
type board struct{}

func (board) Waiting() map[events.Service]int {
	return map[events.Service]int{events.Payment: 3, events.Order: 1}
}
func (board) Visit() (leave func()) { return func() {} }

// process is an admin listener that can be away, and become another process.
type process struct {
	away atomic.Bool
	pid  atomic.Int64
}

func (p *process) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.away.Load() {
		panic(http.ErrAbortHandler) // no answer
	}
	if p.pid.Load() == 0 {
		http.NotFound(w, r) // a gateway has no such address, and answers
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]int64{"pid": p.pid.Load()})
}

func TestProcesses_AreRedWhileTheyDoNotAnswer(t *testing.T) {
	t.Parallel()
	admin := map[string]*process{"payment": {}, "payment-2": {}, "order": {}, endpoints.Gateway: {}}
	system := endpoints.Description{NATS: "nats://127.0.0.1:1", Admin: map[string]string{}, URLs: map[string]string{
		endpoints.Console: "http://127.0.0.1:1", "payment": "http://127.0.0.1:1", endpoints.Mail: "http://127.0.0.1:1",
	}}
	for name, p := range admin {
		server := httptest.NewServer(p)
		t.Cleanup(server.Close)
		system.Admin[name] = server.URL
	}
	admin["payment"].pid.Store(7)
	next := watch(t, system)

	first := next(func(map[string]processes.Process) bool { return true })
	for name, answers := range map[string]bool{
		"payment": true, "payment-2": true, "order": true, endpoints.Gateway: true, endpoints.Mail: false, "broker": false,
	} {
		if got, known := first[name]; !known || got.Answers != answers {
			t.Errorf("%s: %+v, want that it answers: %v", name, got, answers)
		}
	}
	if len(first) != 6 || first["broker"].Waiting != 4 || first["payment"].Waiting != 0 {
		t.Errorf("the first picture is %+v", first)
	}

	admin["payment"].away.Store(true)
	away := next(func(all map[string]processes.Process) bool { return !all["payment"].Answers })
	if away["payment"].Waiting != 3 || !away["payment-2"].Answers {
		t.Errorf("while payment is away: %+v", away)
	}
	admin["payment"].away.Store(false)
	back := next(func(all map[string]processes.Process) bool { return all["payment"].Answers })
	if took := back["payment"].Since.Sub(away["payment"].Since).Milliseconds(); back["payment"].AwayFor != took {
		t.Errorf("it was away for %d ms, and is shown with %d", took, back["payment"].AwayFor)
	}
	admin["payment"].pid.Store(8) // it died and came back between two looks
	next(func(all map[string]processes.Process) bool { return all["payment"].Since.After(back["payment"].Since) })
}

// watch asks as a page does, and returns what asks until a picture is as wanted.
func watch(t *testing.T, system endpoints.Description) func(wanted func(map[string]processes.Process) bool) map[string]processes.Process {
	t.Helper()
	page := httptest.NewServer(processes.New(system, board{}))
	t.Cleanup(page.Close)
	return func(wanted func(map[string]processes.Process) bool) (all map[string]processes.Process) {
		t.Helper()
		testkit.Eventually(t, time.Minute, "the picture to be as wanted", func() bool {
			response, err := http.Get(page.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			var picture []processes.Process
			if err := json.NewDecoder(response.Body).Decode(&picture); err != nil {
				t.Fatal(err)
			}
			all = map[string]processes.Process{}
			for _, p := range picture {
				all[p.Name] = p
			}
			return wanted(all)
		})
		return all
	}
}
