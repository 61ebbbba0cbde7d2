package service

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"regexp"

	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/pkg/problem"
)

// traceParent is the header of W3C Trace Context, version 00 (https://www.w3.org/TR/trace-context/).
var traceParent = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// traced lets every event that a request causes carry the request's trace, a new one where the client
// brought none, and gives the request's context the logger.
func traced(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parent := r.Header.Get("traceparent")
		if !traceParent.MatchString(parent) {
			parent = newTraceParent()
		}
		ctx := problem.WithLogger(r.Context(), log)
		ctx = outbox.WithCause(ctx, outbox.Cause{TraceParent: parent})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func newTraceParent() string {
	var id [24]byte
	_, _ = rand.Read(id[:]) // crypto/rand.Read never returns an error
	return "00-" + hex.EncodeToString(id[:16]) + "-" + hex.EncodeToString(id[16:]) + "-01"
}
