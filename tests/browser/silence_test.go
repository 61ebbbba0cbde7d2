//go:build browser

package browser

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/tests/kit"
)

const noAnswer = "The console does not answer"

// livePages are the pages that change by themselves.
func livePages(t *testing.T, s *shop) []string {
	t.Helper()
	id := s.Place(t, client.One("widget", 1))
	s.Ends(t, id)
	return []string{"/", "/break", "/place", "/operate", "/order?id=" + id}
}

// silentConsole stops the console's process: no connection is closed, and nothing comes any more.
func silentConsole(t *testing.T, s *shop) {
	open := map[string]*page{}
	for _, path := range livePages(t, s) {
		open[path] = s.visit(t, path, 1280, 800)
	}
	kit.Must(t, s.Kill(supervisor.Console, syscall.SIGSTOP))
	defer func() { kit.Must(t, s.Kill(supervisor.Console, syscall.SIGCONT)) }()
	readAll(open)
	kit.Must(t, s.Kill(supervisor.Console, syscall.SIGCONT))
	comeBack(t, s, open)
}

// brokenModule answers once with 502 for a module that the page needs: the page loads itself again.
func brokenModule(t *testing.T, s *shop) {
	console, err := url.Parse(s.At.URLs[endpoints.Console])
	kit.Must(t, err)
	for _, module := range []string{"/assets/strip.js", "/assets/simulator/page.js"} { // imported by the frame, and by the page
		var failed atomic.Bool
		through := httputil.NewSingleHostReverseProxy(console)
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == module && !failed.Swap(true) {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			through.ServeHTTP(w, r)
		}))
		p := s.visit(t, "/", 1280, 800)
		p.at = proxy.URL
		p.do(chromedp.Navigate(p.at + "/simulator"))
		p.reads("h1", "Saga flow simulator")
		if !failed.Load() {
			t.Errorf("%s was not asked for", module)
		}
		proxy.Close()
	}
}

// brokenProxy answers with 502 what a proxy cannot pass on; a browser takes that for the end of a stream.
func brokenProxy(t *testing.T, s *shop) {
	console, err := url.Parse(s.At.URLs[endpoints.Console])
	kit.Must(t, err)
	var broken atomic.Bool
	through := httputil.NewSingleHostReverseProxy(console)
	through.FlushInterval = -1
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	open := map[string]*page{}
	for _, path := range livePages(t, s) {
		p := s.visit(t, path, 1280, 800)
		p.at = proxy.URL
		p.goTo(path)
		open[path] = p
	}
	broken.Store(true)
	proxy.CloseClientConnections()
	readAll(open)
	broken.Store(false)
	comeBack(t, s, open)
}

// readAll waits until every page shows that the console does not answer. A browser draws nothing in a tab that is not in front.
func readAll(open map[string]*page) {
	for _, p := range open {
		p.do(cdppage.BringToFront())
		p.reads("main", noAnswer)
	}
}

// comeBack waits until every page is current again, without having been loaded anew.
func comeBack(t *testing.T, s *shop, open map[string]*page) {
	t.Helper()
	order := s.Place(t, client.One("widget", 1))
	open["/"].do(cdppage.BringToFront())
	open["/"].row(order, "Succeeded")
	for path, p := range open {
		p.do(cdppage.BringToFront())
		p.wait(path+" to be current", fmt.Sprintf("!document.querySelector('main').innerText.includes(%q)", noAnswer))
	}
}

// wrongClock shows that ages do not depend on the browser's clock.
func wrongClock(t *testing.T, s *shop) {
	for _, wrong := range []int{-30_000, 30_000} {
		p := s.visit(t, "/", 1280, 800)
		shift := fmt.Sprintf("{ const right = Date.now; Date.now = () => right() + %d; }", wrong)
		p.do(chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := cdppage.AddScriptToEvaluateOnNewDocument(shift).Do(ctx)
			return err
		}))
		p.goTo("/")
		before := time.Now()
		at := time.UnixMilli(int64(value[float64](p, `import('/assets/clock.js').then((clock) => clock.now())`)))
		if at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("with a clock that is %d ms off the page's time is %v, not %v", wrong, at, time.Now())
		}
	}
}
