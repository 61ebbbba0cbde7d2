package service

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"example.com/ordersaga/pkg/problem"
)

// front answers for the service from the first moment: about its health always, with the API once
// there is one.
type front struct {
	api     atomic.Pointer[http.Handler]
	ready   atomic.Pointer[func(context.Context) error]
	waiting atomic.Pointer[string]
}

func newFront() *front {
	f := &front{}
	f.waitFor(errors.New("starting"))
	return f
}

// waitFor makes the service not ready, for a reason.
func (f *front) waitFor(reason error) {
	text := reason.Error()
	f.waiting.Store(&text)
}

// open lets requests through to the API; ready is asked by every /readyz.
func (f *front) open(api http.Handler, ready func(context.Context) error) {
	f.ready.Store(&ready)
	f.api.Store(&api)
	f.waiting.Store(nil)
}

// ServeHTTP answers /healthz (the process lives) and /readyz (it can do its work, or why not) itself.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	api := f.api.Load()
	switch {
	case r.URL.Path == "/healthz":
		w.WriteHeader(http.StatusOK)
	case r.URL.Path == "/readyz":
		f.readiness(w, r)
	case api == nil:
		problem.Write(w, r, &problem.Error{Status: http.StatusServiceUnavailable, Detail: "the service is starting",
			RetryAfter: time.Second})
	default:
		(*api).ServeHTTP(w, r)
	}
}

func (f *front) readiness(w http.ResponseWriter, r *http.Request) {
	if reason := f.waiting.Load(); reason != nil {
		problem.Write(w, r, problem.New(http.StatusServiceUnavailable, *reason))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := (*f.ready.Load())(ctx); err != nil {
		problem.Write(w, r, problem.New(http.StatusServiceUnavailable, err.Error()))
		return
	}
	w.WriteHeader(http.StatusOK)
}
