// Package httpx is how the console answers its pages.
package httpx

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/problem"
)

// Off is what a system says whose faults are not enabled.
const Off = "this works only where faults are enabled: make demo enables them, and so does FAULTS_ENABLED=true make up"

// Read reads what a page has sent.
func Read(w http.ResponseWriter, r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return problem.New(http.StatusBadRequest, "the body is not what this address takes")
	}
	return nil
}

// Done answers that it is done, or why not.
func Done(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		Refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// With answers with a body.
func With(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the browser has gone
}

// Refuse hands on what a process has said, and tells nothing else.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	if said, is := errors.AsType[*endpoints.Refused](err); is {
		err = problem.New(said.Status, cmp.Or(said.Detail, Off))
	} else if _, is := errors.AsType[*url.Error](err); is {
		err = problem.New(http.StatusServiceUnavailable, "a process that was asked does not answer; try again in a moment")
	}
	problem.Write(w, r, err)
}

// Status is the status that a process has answered with; 0 when none has answered.
func Status(err error) int {
	if said, is := errors.AsType[*endpoints.Refused](err); is {
		return said.Status
	}
	return 0
}

// Watch sends what look sees whenever it has changed, until the page leaves or closing is closed. It is always the
// whole of it, so that whoever comes back after a break, or to another console, has missed nothing.
func Watch(w http.ResponseWriter, r *http.Request, closing <-chan struct{}, pace time.Duration, look func(context.Context) (any, error)) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // it lasts as long as the page
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for shown := []byte(nil); ; {
		seen, err := look(r.Context())
		text, failed := json.Marshal(seen)
		if err == nil && failed == nil && !bytes.Equal(text, shown) { // an error passes: a service that crashed comes back
			shown = text
			if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-ticks.C:
		case <-r.Context().Done():
			return
		case <-closing:
			return
		}
	}
}
