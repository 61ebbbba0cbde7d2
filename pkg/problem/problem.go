// Package problem writes the error answers of HTTP APIs as problem details (RFC 9457), media type
// application/problem+json.
package problem

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of every error answer (RFC 9457).
const ContentType = "application/problem+json"

// Error is an error that a client may see. Anything else becomes a 500 that says nothing.
type Error struct {
	Status     int
	Title      string        // what kind of problem; the status text when empty
	Detail     string        // what is wrong with this request, in a sentence
	Code       string        // the same for programs, where the API's contract has codes
	RetryAfter time.Duration // when trying again makes sense; 0: not said
}

// Error says what is wrong.
func (e *Error) Error() string { return e.Detail }

// New makes an error for a client.
func New(status int, detail string) *Error { return &Error{Status: status, Detail: detail} }

// body is what is sent.
type body struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code,omitempty"`
}

// Write answers with an error: a *[Error] as it is, anything else as a 500 without its text, which goes to the
// log instead (see [WithLogger]).
func Write(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	if !errors.As(err, &e) {
		if r.Context().Err() == nil {
			logger(r.Context()).ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		e = &Error{Status: http.StatusInternalServerError,
			Detail: "the request could not be carried out; trying again is safe"}
	}
	text, err := json.Marshal(body{"about:blank", cmp.Or(e.Title, http.StatusText(e.Status)), e.Status, e.Detail, e.Code})
	if err != nil {
		panic(err) // strings and a number always marshal
	}
	w.Header().Set("Content-Type", ContentType)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	w.WriteHeader(e.Status)
	if _, err := w.Write(append(text, '\n')); err != nil {
		logger(r.Context()).DebugContext(r.Context(), "client left before the answer", "error", err)
	}
}

type loggerKey struct{}

// WithLogger has [Write] log what it does not show to the client of a request with this context.
func WithLogger(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, loggerKey{}, log)
}

// logger is the one that the request came with, or slog's default.
func logger(ctx context.Context) *slog.Logger {
	if log, ok := ctx.Value(loggerKey{}).(*slog.Logger); ok {
		return log
	}
	return slog.Default()
}
