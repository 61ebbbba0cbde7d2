package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestWrite_NamesWhenToRetry(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	Write(w, r, fmt.Errorf("place order: %w", &Error{Status: 503, Detail: "busy", RetryAfter: 1100 * time.Millisecond}))

	var got body
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if want := (body{"about:blank", "Service Unavailable", 503, "busy", ""}); got != want {
		t.Errorf("body is %+v, want %+v", got, want)
	}
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After is %q, want whole seconds rounded up: 2", got)
	}
}

func TestOf_WhatCannotBeReachedIsA503(t *testing.T) {
	t.Parallel()
	_, refused := (&net.Dialer{}).DialContext(t.Context(), "tcp", "127.0.0.1:1")
	for what, test := range map[string]struct {
		err    error
		status int
	}{
		"a problem":                          {New(404, "no"), 404},
		"nobody listens":                     {refused, 503},
		"cut off in the middle":              {io.ErrUnexpectedEOF, 503},
		"it takes too long":                  {context.DeadlineExceeded, 503},
		"the database starts":                {&pgconn.PgError{Code: "57P03"}, 503},
		"the database ends":                  {&pgconn.PgError{Code: "57P01"}, 503},
		"no connection is left":              {&pgconn.PgError{Code: "53300"}, 503},
		"a statement of ours is wrong":       {&pgconn.PgError{Code: "42601"}, 500},
		"the client has left":                {context.Canceled, 500},
		"anything else, whatever it says":    {errors.New("connection refused"), 500},
		"a password of ours is not accepted": {&pgconn.PgError{Code: "28P01"}, 500},
	} {
		if got, _ := Of(fmt.Errorf("place order: %w", test.err)); got.Status != test.status || (got.RetryAfter > 0) != (test.status == 503) {
			t.Errorf("%s: %+v, want %d", what, got, test.status)
		}
	}
}
