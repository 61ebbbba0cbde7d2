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
	"example.com/ordersaga/internal/ijson"
	"example.com/ordersaga/pkg/loop"
	"example.com/ordersaga/pkg/problem"
)

const (
	// Off explains an answer of a system whose faults are not enabled.
	Off = "this works only where faults are enabled: make demo enables them, docker compose up too"
	// noAnswer and noAddress stand in a page for a process that could not be asked.
	noAnswer  = "the process does not answer"
	noAddress = "the console does not know its admin address"
)

// Read reads what a page has sent: JSON of at most 4 kB, without unknown fields.
func Read(w http.ResponseWriter, r *http.Request, into any) error {
	return ijson.ReadBody(w, r, 4<<10, into, "the body is not what this address takes")
}

// Answer sends the body as JSON, or the error; see [Refuse].
func Answer(w http.ResponseWriter, r *http.Request, body any, err error) {
	if err != nil {
		Refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the browser has gone
}

// Done answers 204, or with the error; see [Refuse].
func Done(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		Refuse(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Refuse answers with what [Explain] makes of an error.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	err = Explain(err)
	if p, is := errors.AsType[*problem.Error](err); is && p.Detail == noAnswer && r.Method != http.MethodGet {
		err = problem.New(p.Status, noAnswer+"; whether anything was done is not known")
	}
	problem.Write(w, r, err)
}

// Explain makes a *[problem.Error] of what a process has answered, or of its silence. Any other error stays as it is.
func Explain(err error) error {
	if refused, is := errors.AsType[*endpoints.Refused](err); is {
		return problem.New(refused.Status, cmp.Or(refused.Detail, Off))
	}
	if _, is := errors.AsType[*url.Error](err); is {
		return problem.New(http.StatusServiceUnavailable, noAnswer)
	}
	return err
}

// AskAdmin makes a request to the admin listener of a process. Its errors are those of [Explain].
func AskAdmin(ctx context.Context, system endpoints.Description, request endpoints.AdminRequest, into any) error {
	if system.Admin[request.Process] == "" {
		return problem.New(http.StatusServiceUnavailable, noAddress)
	}
	return Explain(system.AskAdmin(ctx, request, into))
}

// Status is the status that a process has answered with; 0 when none has answered.
func Status(err error) int {
	if refused, is := errors.AsType[*endpoints.Refused](err); is {
		return refused.Status
	}
	return 0
}

// Stream begins an answer of server-sent events, which lasts as long as the page. Send sends one event; it fails
// when the page has gone.
func Stream(w http.ResponseWriter) (send func(event string, data any) error) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the listener bounds requests to seconds otherwise
	return func(event string, data any) error {
		text, err := json.Marshal(data)
		if err != nil {
			return fmt.Errorf("send to a page: %w", err)
		}
		if _, err = fmt.Fprintf(w, "%sdata: %s\n\n", event, text); err != nil {
			return fmt.Errorf("send to a page: %w", err)
		}
		return control.Flush()
	}
}

// Heartbeat is the longest time between two events of a stream. A page takes twice as much, and a bit, for a dead one:
// a process that is stopped, or a proxy that holds its answer, closes no connection.
const Heartbeat = 15 * time.Second

// Watch looks every pace and sends the picture when it has changed, until the request's context ends. It is always
// the whole picture, so a page that comes back after a break, or to another console, has missed nothing.
func Watch(w http.ResponseWriter, r *http.Request, pace time.Duration, look func(context.Context) (any, error)) {
	send, sent := Stream(w), time.Time{}
	for shown := []byte(nil); ; {
		seen, err := look(r.Context())
		text, invalid := json.Marshal(seen)
		// An error passes: a service that crashed comes back.
		if err == nil && invalid == nil && (!bytes.Equal(text, shown) || time.Since(sent) > Heartbeat) {
			shown, sent = text, time.Now()
			if send("", json.RawMessage(text)) != nil {
				return
			}
		}
		if !loop.Rest(r.Context(), pace, nil) {
			return
		}
	}
}
