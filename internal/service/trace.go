package service

import (
	"cmp"
	"log/slog"
	"net/http"

	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/problem"
)

// traced gives a request's context the logger, and its trace as the cause of what follows: that of its own span, or the
// one that the client brings.
func traced(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := tracing.Format(tracing.Parse(r.Header.Get("traceparent")))
		ctx := problem.WithLogger(r.Context(), log)
		ctx = outbox.WithCause(ctx, outbox.Cause{TraceParent: cmp.Or(tracing.Of(ctx), request)})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
