package service

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"
)

// ProblemType is the media type of every error answer (RFC 9457).
const ProblemType = "application/problem+json"

// Error is an error that a client may see. Anything else becomes a 500 that says nothing.
type Error struct {
	Status     int
	Title      string        // what kind of problem; the status text when empty
	Detail     string        // what is wrong with this request, in a sentence
	RetryAfter time.Duration // when trying again makes sense; 0: not said
}

// Error says what is wrong.
func (e *Error) Error() string { return e.Detail }

// problem is the body of an error answer.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// Problem makes an error for a client.
func Problem(status int, detail string) *Error { return &Error{Status: status, Detail: detail} }

// WriteProblem answers with an error: a *[Error] as it is, anything else as a 500 without its text,
// which goes to the log instead.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	if !errors.As(err, &e) {
		if r.Context().Err() == nil {
			logger(r.Context()).ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		e = &Error{Status: http.StatusInternalServerError, Detail: "the request could not be carried out; trying again is safe"}
	}
	body, err := json.Marshal(problem{"about:blank", orElse(e.Title, http.StatusText(e.Status)), e.Status, e.Detail})
	if err != nil {
		panic(err) // strings and a number always marshal
	}
	w.Header().Set("Content-Type", ProblemType)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	w.WriteHeader(e.Status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		logger(r.Context()).DebugContext(r.Context(), "client left before the answer", slog.Any("error", err))
	}
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
