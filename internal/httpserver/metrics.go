package httpserver

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ordersaga/internal/tracing"
)

// noRoute is the route of requests for what a contract does not have.
const noRoute = "other"

type routeKey struct{}

// Measured registers how long requests take, by method, route and code, and measures those that next answers. The route
// is the path of the contract that [ValidateRequests] has found, so that there are as many as the contract has.
func Measured(metrics prometheus.Registerer, next http.Handler) http.Handler {
	seconds := promauto.With(metrics).NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "From a request until its answer was written.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), // 1 ms to 8 s
	}, []string{"method", "route", "code"})
	measured := promhttp.InstrumentHandlerDuration(seconds, next,
		promhttp.WithLabelFromCtx("route", func(ctx context.Context) string {
			return *ctx.Value(routeKey{}).(*string)
		}),
		promhttp.WithExemplarFromContext(func(ctx context.Context) prometheus.Labels {
			return tracing.Exemplar(tracing.Of(ctx))
		}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := noRoute
		measured.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), routeKey{}, &route)))
	})
}

// noteRoute is for [Measured].
func noteRoute(r *http.Request, route string) {
	if noted, is := r.Context().Value(routeKey{}).(*string); is && route != "" {
		*noted = route
	}
}
