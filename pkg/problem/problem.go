// Package problem writes the error answers of HTTP APIs as problem details (RFC 9457), media type
// application/problem+json.
package problem

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ContentType is the media type of every error answer (RFC 9457).
const ContentType = "application/problem+json"

// Error is an error that a client may see. [Of] makes one of anything else.
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

// Of is an error as a client may see it: a *[Error] as it is, and is meant for the client; anything else without its
// text, as a 503 where something that is needed, such as the database, cannot be reached, or as a 500.
func Of(err error) (e *Error, meant bool) {
	switch e, meant = errors.AsType[*Error](err); {
	case meant:
		return e, true
	case away(err):
		return &Error{Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
			Detail: "something that is needed cannot be reached at the moment; trying again is safe"}, false
	}
	return New(http.StatusInternalServerError, "the request could not be carried out; trying again is safe"), false
}

// away reports an error of the way to another process: it refuses connections, cuts them off, takes too long, or is a
// database that starts, ends, or has no connection left.
func away(err error) bool {
	if answer, answered := errors.AsType[interface {
		error
		SQLState() string
	}](err); answered {
		state := answer.SQLState()
		return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "57P") || state == "53300"
	}
	_, network := errors.AsType[net.Error](err)
	unsent, isUnsent := errors.AsType[interface { // of pgx, for a connection that has ended
		error
		SafeToRetry() bool
	}](err)
	return network || isUnsent && unsent.SafeToRetry() || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// Write answers with what [Of] makes of an error. What is not meant for the client goes to the log (see [WithLogger]).
func Write(w http.ResponseWriter, r *http.Request, err error) {
	e, meant := Of(err)
	if !meant && r.Context().Err() == nil {
		logger(r.Context()).ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
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
