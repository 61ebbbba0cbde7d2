package console

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/internal/console/quality"
	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/problem"
)

// web is what the browser gets: pages, modules and styles as they were written, without a build.
//
//go:embed web
var web embed.FS

// routes is everything that the console answers. Streams end with ctx.
func (c *Console) routes(ctx context.Context) (http.Handler, error) {
	files, err := fs.Sub(web, "web")
	if err != nil {
		return nil, err
	}
	frame, err := fs.ReadFile(files, "index.html")
	if err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	ok := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }
	router.Get("/healthz", ok)
	router.Get("/readyz", ok)
	metrics := httpserver.Metrics()
	c.traces.Register(metrics)
	router.Handle("/metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	router.Method(http.MethodPost, otlp, c.traces)
	router.Route("/api", c.api)
	started := fmt.Sprintf(`"%x"`, time.Now().UnixNano()) // an ETag: a page never mixes the files of two consoles
	file := func(w http.ResponseWriter, r *http.Request, name string) {
		w.Header().Set("Cache-Control", "no-cache") // the browser asks every time, and mostly gets 304
		w.Header().Set("ETag", started)
		http.ServeFileFS(w, r, files, name)
	}
	router.Get("/assets/*", func(w http.ResponseWriter, r *http.Request) { file(w, r, r.URL.Path) })
	// Every page is the same frame, which assets/frame.js fills.
	for _, page := range []string{"/", "/order", "/place", "/break", "/operate", "/traces", "/simulator", "/versioning"} {
		router.Get(page, func(w http.ResponseWriter, r *http.Request) { file(w, r, "index.html") })
	}
	scenarios, err := quality.Page(string(frame))
	if err != nil {
		return nil, err
	}
	router.Get("/quality", scenarios)
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/html") {
			notFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		w.Write(frame) // it shows that there is no such page
	})
	return localOnly(sameOrigin(hardened(endStreams(ctx, router)))), nil
}

// api is what the pages ask for.
func (c *Console) api(router chi.Router) {
	router.NotFound(notFound)
	router.Method(http.MethodGet, "/flow", c.flow)
	router.Get("/time", func(w http.ResponseWriter, r *http.Request) { // ages are by this clock, not by the browser's
		httpx.Answer(w, r, map[string]time.Time{"now": time.Now().UTC()}, nil)
	})
	router.Method(http.MethodGet, "/processes", c.processes)
	router.Route("/simulator", c.simulator.Routes)
	router.Route("/operate", c.operate.Routes)
	router.Route("/sagas", c.sagas.Routes(c.system, c.shop))
	router.Route("/break", c.faults.Routes)
	router.Route("/place", c.orders.Routes)
	c.traces.Routes(router)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, problem.New(http.StatusNotFound, "there is nothing at this address"))
}

// endStreams ends the context of every stream (…/watch) with ctx. Other requests may finish while the listener
// closes; a stream lasts as long as its page, and the listener would wait for it.
func endStreams(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Base(r.URL.Path) == "watch" {
			streaming, end := context.WithCancel(r.Context())
			defer end()
			defer context.AfterFunc(ctx, end)()
			r = r.WithContext(streaming)
		}
		next.ServeHTTP(w, r)
	})
}

// otlp is where processes send their spans.
const otlp = "/otlp/v1/traces"

// localOnly refuses requests to a host name that a foreign DNS could have pointed at this machine: for a browser such a
// page is of the same origin, and could do whatever ours may. Spans come from other containers, which know this one by
// its name; all that such a page could do with that address is to send some, too.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if host != "localhost" && net.ParseIP(host) == nil && r.URL.Path != otlp {
			const refusal = "the console answers to an IP address or to localhost"
			problem.Write(w, r, problem.New(http.StatusMisdirectedRequest, refusal))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses changes that another site's page has sent.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusForbidden, "a change must come from the console's own pages"))
	}))
	return protection.Handler(next)
}

// hardened limits what the browser allows these pages: nothing from other sites, and no script inside a page.
func hardened(next http.Handler) http.Handler {
	const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
