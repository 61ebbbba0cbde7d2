package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/ijson"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
)

// breaking is what the admin listener takes, besides faults at points, where faults are enabled.
//
//	GET    /consumer        {"paused_for", "waiting"}: the events that wait for the service
//	PUT    /consumer/pause  {"for"}: the broker delivers nothing to the service for so long
//	DELETE /consumer/pause  it goes on
//	GET    /process         {"pid", "since"}: which process this is
//	POST   /process/kill    the process ends as by SIGKILL; with {"for"} it stays away for so long, a minute at most
//	POST   /process/end     the process ends as by SIGTERM: it finishes what it has begun
//
// Whoever watches over the process starts it again.
type breaking struct {
	service events.Service
	js      jetstream.JetStream
	since   time.Time // when the process began
}

func (b breaking) routes(r chi.Router) {
	r.Get("/consumer", b.getConsumer)
	r.Put("/consumer/pause", b.pause)
	r.Delete("/consumer/pause", b.resume)
	r.Get("/process", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"pid": os.Getpid(), "since": b.since})
	})
	r.Post("/process/kill", b.kill)
	r.Post("/process/end", func(w http.ResponseWriter, r *http.Request) {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			problem.Write(w, r, fmt.Errorf("end the process: %w", err))
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
}

// longestKill is how long a killed process stays away at most.
const longestKill = time.Minute

func (b breaking) kill(w http.ResponseWriter, r *http.Request) {
	down := time.Duration(0)
	if r.ContentLength != 0 {
		var valid bool
		if down, valid = duration(w, r, longestKill); !valid {
			return
		}
	}
	w.Header().Set("Content-Length", "0") // the answer is whole before the process ends
	w.WriteHeader(http.StatusAccepted)
	_ = http.NewResponseController(w).Flush() // nothing is sent later
	if down > 0 {
		failpoint.DieFor(down)
	}
	failpoint.Die()
}

func (b breaking) getConsumer(w http.ResponseWriter, r *http.Request) {
	status, err := natsadmin.Status(r.Context(), b.js, b.service)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	body := map[string]any{"waiting": status.Pending, "paused_for": ""}
	if status.PausedFor > 0 {
		body["paused_for"] = status.PausedFor.Round(time.Second).String()
	}
	writeJSON(w, body)
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

func (b breaking) pause(w http.ResponseWriter, r *http.Request) {
	if d, valid := duration(w, r, natsadmin.LongestPause); valid {
		b.done(w, r, natsadmin.Pause(r.Context(), b.js, b.service, d))
	}
}

// duration is what a request's {"for"} is. One that is none, or longer than the longest, is refused.
func duration(w http.ResponseWriter, r *http.Request, longest time.Duration) (d time.Duration, valid bool) {
	var wanted struct {
		For string `json:"for"`
	}
	if err := ijson.ReadBody(w, r, 1<<10, &wanted, "the body is not a JSON object with for"); err != nil {
		problem.Write(w, r, err)
		return 0, false
	}
	d, err := time.ParseDuration(wanted.For)
	if err != nil || d <= 0 || d > longest {
		refusal := fmt.Sprintf("for is a duration of %s at most, such as 10s", strings.TrimSuffix(longest.String(), "0s"))
		problem.Write(w, r, problem.New(http.StatusUnprocessableEntity, refusal))
		return 0, false
	}
	return d, true
}

func (b breaking) resume(w http.ResponseWriter, r *http.Request) {
	b.done(w, r, natsadmin.Resume(r.Context(), b.js, b.service))
}

func (b breaking) done(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
