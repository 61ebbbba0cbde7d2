package simulator

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
)

// pace is how often an order that somebody watches is looked at: faster than a hand, slower than a screen.
const pace = 150 * time.Millisecond

// picture is all there is to see of an order that is being led.
type picture struct {
	Holding []events.Service  `json:"holding"` // where its next event has arrived and waits
	Events  []json.RawMessage `json:"events"`  // what was published about it, oldest first
}

// serveWatch sends the picture whenever it has changed.
func (s *Stepper) serveWatch(w http.ResponseWriter, r *http.Request) {
	stream, err := s.open()
	if err != nil {
		httpx.Refuse(w, r, err)
		return
	}
	httpx.Watch(w, r, s.closing, pace, func(ctx context.Context) (any, error) {
		return s.look(ctx, stream, chi.URLParam(r, "id"))
	})
}

func (s *Stepper) look(ctx context.Context, stream *eventlog.Stream, id string) (picture, error) {
	seen := picture{Holding: []events.Service{}, Events: []json.RawMessage{}}
	for _, service := range events.Services {
		faults, err := s.holds(ctx, service, id)
		if err != nil {
			return picture{}, err
		}
		for _, f := range faults {
			if f.Holding > 0 {
				seen.Holding = append(seen.Holding, service)
				break
			}
		}
	}
	err := stream.History(ctx, id, func(e eventlog.Seen) error {
		seen.Events = append(seen.Events, e.Raw)
		return nil
	})
	return seen, err
}

// open connects to the broker when the first order is watched, so that a console that nobody uses needs none.
func (s *Stepper) open() (*eventlog.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.stream == nil {
		s.stream, err = eventlog.Open(s.system.NATS)
	}
	return s.stream, err
}

// Close ends the connection to the broker.
func (s *Stepper) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		s.stream.Close()
	}
}
