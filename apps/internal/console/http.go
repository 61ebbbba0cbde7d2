package console

import (
	"net"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/pkg/problem"
)

// routes is everything that the console answers.
func (c *Console) routes() (http.Handler, error) {
	router := chi.NewRouter()
	router.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	router.Get("/readyz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	router.Handle("/metrics", promhttp.HandlerFor(c.metrics, promhttp.HandlerOpts{}))
	router.Route("/api", c.api)
	if err := servePages(router); err != nil {
		return nil, err
	}
	return here(sameOrigin(hardened(router))), nil
}

// api is what the pages ask for.
func (c *Console) api(router chi.Router) {
	router.NotFound(nothingHere)
	router.Method(http.MethodGet, "/flow", c.flow)
	router.Route("/simulator", c.stepper.Routes)
	router.Route("/operate", c.desk.Routes)
	router.Route("/sagas", c.board.Routes(c.system, c.shop, c.closing))
	router.Route("/break", c.breaker.Routes)
	router.Route("/place", c.placing.Routes)
}

func nothingHere(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, problem.New(http.StatusNotFound, "there is nothing at this address"))
}

// here refuses requests to a name that somebody else's DNS could have pointed at this machine: to a browser such
// a page would be of the same origin, and could do whatever ours may.
func here(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if host != "localhost" && net.ParseIP(host) == nil {
			problem.Write(w, r, problem.New(http.StatusMisdirectedRequest, "the console answers to an IP address or to localhost"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// sameOrigin lets nothing change anything that another site's page has sent.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusForbidden, "what changes something must come from the console's own pages"))
	}))
	return protection.Handler(next)
}

// hardened tells the browser what these pages need, which is nothing from elsewhere and no script in a page.
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
