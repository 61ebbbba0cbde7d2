package ambassador

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/pkg/problem"
)

// maxBody is how large a request may be: what may have to be sent again is kept in memory meanwhile.
const maxBody = 64 << 10

// routes is the public listener: everything that is not about the ambassador itself goes to the gateway.
func (a *Ambassador) routes() http.Handler {
	router := chi.NewRouter()
	router.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	router.HandleFunc("/readyz", a.ready)
	router.Handle("/metrics", a.metricsHandler())
	router.Handle("/*", a.proxy())
	return router
}

// adminRoutes is the admin listener.
func (a *Ambassador) adminRoutes() http.Handler {
	router := chi.NewRouter()
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(http.StatusNotFound, "there is nothing at this address"))
	})
	router.Handle("/metrics", a.metricsHandler())
	router.Get("/breaker", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"endpoints": a.pool.states()}) // fails when the client has left
	})
	return router
}

func (a *Ambassador) metricsHandler() http.Handler {
	return promhttp.HandlerFor(a.metrics, promhttp.HandlerOpts{})
}

func (a *Ambassador) ready(w http.ResponseWriter, r *http.Request) {
	if !a.pool.reachable() {
		problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "no endpoint of the gateway is healthy"))
		return
	}
	w.WriteHeader(http.StatusOK)
}

// proxy passes requests on.
func (a *Ambassador) proxy() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(*httputil.ProxyRequest) {}, // where it goes is decided for each try
		Transport:    a.transport,
		ErrorHandler: a.fail,
		ErrorLog:     slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen := &statusWriter{ResponseWriter: w}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		proxy.ServeHTTP(seen, r)
		a.seconds.WithLabelValues(method(r.Method), strconv.Itoa(seen.status)).Observe(time.Since(start).Seconds())
	})
}

// method keeps what a client makes up out of the metrics.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost:
		return m
	}
	return "other"
}

// fail says why there is no answer, and whether that says anything about the request.
func (a *Ambassador) fail(w http.ResponseWriter, r *http.Request, err error) {
	answer := problem.New(http.StatusBadGateway,
		"the gateway gave no answer that could be read; whether the request was carried out is not known")
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		answer = problem.New(http.StatusRequestEntityTooLarge, "the body is larger than the ambassador keeps")
	case errors.Is(err, errNoEndpoint):
		answer = &problem.Error{Status: http.StatusServiceUnavailable, Detail: "no endpoint of the gateway may be asked now",
			RetryAfter: a.pool.wait()}
	case errors.Is(err, errTryTimeout):
		answer = problem.New(http.StatusGatewayTimeout,
			"the gateway did not answer in time; whether the request was carried out is not known")
	}
	if f, ok := errors.AsType[*failure](err); ok {
		w.Header().Set(AttemptsHeader, strconv.Itoa(f.attempts))
	}
	if !errors.Is(err, context.Canceled) {
		a.log.WarnContext(r.Context(), "no answer from the gateway", "method", r.Method, "path", r.URL.Path, "status",
			answer.Status, "error", err)
	}
	problem.Write(w, r, answer)
}

// statusWriter remembers the status for the metrics.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap gives the writer beneath to http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
