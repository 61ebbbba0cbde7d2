//go:build browser

package browser

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/load"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
	"example.com/ordersaga/tests/kit"
)

// seconds is how long each load lasts. It is measured by `make bench-console`, not by `make test-browser`.
var seconds = flag.Int("seconds", 20, "how long each load lasts")

func TestMain(m *testing.M) { testkit.Main(m) }

// What is promised, and how much worse a machine may be that is busy with something else.
const (
	onScreen   = 200 * time.Millisecond // an event, after its commit, at 100 sagas a second
	perSaga    = 300 * time.Microsecond // of the console: 15 % of a core at 500 sagas a second
	memory     = 128 << 20              // of the console: what its container has
	busyFactor = 25
)

// TestConsole_KeepsUpWithTheLoad measures what a page and the console can bear.
func TestConsole_KeepsUpWithTheLoad(t *testing.T) {
	s := open(t)
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 256 // customers keep their connections
	t.Run("an event is on the screen while 100 sagas run each second", func(t *testing.T) { eventsAppear(t, s) })
	t.Run("500 sagas each second cost the console little", func(t *testing.T) { consoleCosts(t, s) })
	t.Run("a kill is on the screen", func(t *testing.T) { killsAreSeen(t, s) })
	s.Holds(t)
}

// killed kills a service for three seconds, and waits until the strip shows it: how long that took after the process had
// answered that it dies, in milliseconds.
const killed = `(async (service) => {
	await fetch('/api/break/processes/' + service + '/kill', {method: 'POST', body: '{"for": "3s"}'});
	const died = performance.now();
	while (document.querySelector('[data-runs=' + service + ']').dataset.answers === 'true')
		await new Promise(requestAnimationFrame);
	return performance.now() - died;
})('%s')`

// killsAreSeen kills each service twice. What is promised, a second for 95 of 100, is for a machine with nothing else to do.
func killsAreSeen(t *testing.T, s *shop) {
	p := s.visit(t, "/simulator", 1280, 800)
	p.wait("everything to run", `document.querySelectorAll('[data-runs]').length > 5 && !document.querySelector('[data-answers=false]')`)
	var late []float64
	for range 2 {
		for _, service := range events.Consumers {
			late = append(late, value[float64](p, fmt.Sprintf(killed, service)))
			p.reads(fmt.Sprintf("[data-runs=%s] [data-is=back]", service), "back after")
		}
	}
	slices.Sort(late)
	t.Logf("a kill is on the screen after %.0f ms (p50), %.0f ms (p95 of %d)", late[len(late)/2], late[len(late)*95/100], len(late))
	if worst := late[len(late)-1]; worst > 10_000 {
		t.Errorf("the last one took %.0f ms", worst)
	}
}

// note has the page write down when each probe's step stood on the screen first.
const note = `(() => {
	window.shown = {};
	new MutationObserver(() => requestAnimationFrame(() => {
		for (const li of document.querySelectorAll('li[data-order]')) {
			const key = li.dataset.order + ' ' + li.querySelector('.step').firstChild.textContent;
			window.shown[key] ??= Date.now();
		}
	})).observe(document.querySelector('.window ul'), {childList: true});
	return true;
})()`

// eventsAppear: of a hundred orders each second every tenth is a probe, whose row stays in sight because the page
// looks for nothing else. An event is on the screen when its step is, or a later one that has overtaken it.
func eventsAppear(t *testing.T, s *shop) {
	p := s.visit(t, "/?q=gizmo", 1360, 2400)
	value[bool](p, note)
	probes := s.load(t, 100)
	for _, id := range probes {
		s.Ends(t, id)
	}
	p.row(slices.Max(probes), "Succeeded") // the newest has the largest id
	shown := value[map[string]int64](p, "window.shown")
	stream, err := eventlog.Open(s.At.NATS)
	kit.Must(t, err)
	defer stream.Close()
	var late []time.Duration
	for _, id := range probes {
		var published []eventlog.Seen
		kit.Must(t, stream.History(t.Context(), id, func(seen eventlog.Seen) error {
			published = append(published, seen)
			return nil
		}))
		at := int64(0)
		for _, seen := range slices.Backward(published) {
			if own := shown[id+" "+seen.Event.Type().Name]; own != 0 && (at == 0 || own < at) {
				at = own
			}
			took := time.Since(seen.Envelope.Time) // it never was
			if at != 0 {
				took = time.UnixMilli(at).Sub(seen.Envelope.Time)
			}
			late = append(late, took)
		}
	}
	slices.Sort(late)
	p50, p95 := late[len(late)/2], late[len(late)*95/100]
	t.Logf("at 100 sagas/s an event is on the screen %d ms (p50) and %d ms (p95) after it happened; promised: %v (%d events)",
		p50.Milliseconds(), p95.Milliseconds(), onScreen, len(late))
	if p95 > busyFactor*onScreen {
		t.Errorf("that is %v", p95)
	}
}

// load places orders at a rate, whatever becomes of those before, and returns the probes among them.
func (s *shop) load(t *testing.T, rate int) (probes []string) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	pace := load.Rate{PerSecond: float64(rate), Total: rate * *seconds}
	kit.Must(t, load.Open(t.Context(), pace, func(ctx context.Context, _ time.Time) error {
		mu.Lock()
		sku := []string{"gizmo", "widget", "gadget"}[min(n%10, 1+n%2)]
		n++
		mu.Unlock()
		id, err := s.TryPlace(ctx, client.One(sku, 1))
		mu.Lock()
		defer mu.Unlock()
		if sku == "gizmo" && err == nil {
			probes = append(probes, id)
		}
		return err
	}))
	return probes
}

// consoleCosts measures the console's process with one open page.
func consoleCosts(t *testing.T, s *shop) {
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.At.URLs[endpoints.Console]+"/api/sagas/watch", http.NoBody)
	kit.Must(t, err)
	response, err := http.DefaultClient.Do(request) //nolint:bodyclose // closed below; the linter loses it in the goroutine
	kit.Must(t, err)
	go func() { _, _ = io.Copy(io.Discard, response.Body) }()
	defer response.Body.Close()
	defer leave()
	pid := s.Describe().PIDs[endpoints.Console]
	began, used := time.Now(), cpu(t, pid)
	for _, id := range s.load(t, 500) {
		s.Ends(t, id)
	}
	sagas, took, cost := 500**seconds, time.Since(began), cpu(t, pid)-used
	resident := rss(t, pid)
	t.Logf("%.0f sagas/s for %.0f s: the console used %.1f %% of a core (%v for each saga; promised: %v) and %d MB",
		float64(sagas)/took.Seconds(), took.Seconds(), 100*cost.Seconds()/took.Seconds(), (cost / time.Duration(sagas)).Round(time.Microsecond), perSaga, resident>>20)
	if cost > busyFactor*perSaga*time.Duration(sagas) || resident > memory {
		t.Error("that is too much")
	}
}

// cpu is what a process has used so far, in the kernel's ticks of 10 ms.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	kit.Must(t, err)
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	user, err := strconv.Atoi(fields[11])
	kit.Must(t, err)
	kernel, err := strconv.Atoi(fields[12])
	kit.Must(t, err)
	return time.Duration(user+kernel) * 10 * time.Millisecond
}

// rss is how much memory a process has.
func rss(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	kit.Must(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	kit.Must(t, err)
	return pages * os.Getpagesize()
}

// scroll goes through the whole list, and measures how long it takes to draw each place.
const scroll = `(async () => {
	const list = document.querySelector('.window'), took = []; let most = 0;
	for (let n = 0; n <= 100; n++) {
		const began = performance.now();
		list.scrollTop = n / 100 * list.scrollHeight;
		await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
		took.push(performance.now() - began);
		most = Math.max(most, document.querySelectorAll('.window li').length);
	}
	took.sort((a, b) => a - b);
	return {P95: took[95], Most: most, Last: document.querySelector('.window li:last-child').dataset.order};
})()`

// TestConsole_TenThousandSagasStayScrollable shows a stream of ten thousand orders that no service needs for it.
func TestConsole_TenThousandSagasStayScrollable(t *testing.T) {
	broker := testkit.Broker(t)
	js, err := jetstream.New(broker.Connect(t, events.Order), jetstream.WithPublishAsyncMaxPending(10_000))
	kit.Must(t, err)
	oldest := uuid.NewString()
	for n := range 10_000 {
		order := oldest
		if n > 0 {
			order = uuid.NewString()
		}
		publish(t, js, order)
	}
	<-js.PublishAsyncComplete()
	s := &shop{System: &kit.System{At: endpoints.Description{URLs: map[string]string{endpoints.Console: alone(t, broker)}}}, browser: browser(t)}
	p := s.visit(t, "/", 1360, 900)
	p.reads(".note", "10000 of 10000 sagas")
	got := value[struct {
		P95  float64
		Most int
		Last string
	}](p, scroll)
	t.Logf("of 10,000 sagas another part is drawn within %.0f ms (p95), with at most %d rows", got.P95, got.Most)
	if got.P95 > 1000 || got.Most > 60 || got.Last != oldest {
		t.Errorf("it is %+v; the oldest is %s", got, oldest)
	}
}

func publish(t *testing.T, js jetstream.JetStream, order string) {
	t.Helper()
	event := events.OrderCreated{Snapshot: events.Snapshot{
		OrderID: order, Lines: []events.Line{{SKU: "widget", Quantity: 1, UnitPrice: 1999}},
		Total: events.Money{Amount: 1999, Currency: "USD"},
	}}
	message, err := events.Encode(uuid.NewString(), time.Now(), events.Cause{}, event)
	kit.Must(t, err)
	_, err = js.PublishAsync(event.Type().SubjectOf(order), message)
	kit.Must(t, err)
}

// alone runs a console over a broker and nothing else.
func alone(t *testing.T, broker *testkit.NATS) string {
	t.Helper()
	const nobody = "http://127.0.0.1:1"
	system := endpoints.Description{NATS: broker.URL(natsadmin.Console), URLs: map[string]string{"order": nobody, "inventory": nobody}}
	return startConsole(t, system)
}
