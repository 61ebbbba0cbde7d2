package stepper

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/apps/observe"
	"example.com/ordersaga/pkg/events"
)

// pace is how often an order that somebody watches is looked at: faster than a hand, slower than a screen.
const pace = 150 * time.Millisecond

// picture is all there is to see of an order that is being led.
type picture struct {
	Holding []events.Service  `json:"holding"` // where its next event has arrived and waits
	Events  []json.RawMessage `json:"events"`  // what was published about it, oldest first
}

// serveWatch sends the picture whenever it has changed. It is always the whole one, so that whoever comes back after
// a break, or to another console, has missed nothing.
func (s *Stepper) serveWatch(w http.ResponseWriter, r *http.Request) {
	stream, err := s.open()
	if err != nil {
		refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	ticks := time.NewTicker(pace)
	defer ticks.Stop()
	for shown := []byte(nil); ; {
		seen, err := s.look(r.Context(), stream, chi.URLParam(r, "id"))
		if err == nil && !bytes.Equal(seen, shown) { // an error passes: a service that crashed comes back
			shown = seen
			if _, err := fmt.Fprintf(w, "data: %s\n\n", seen); err != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-ticks.C:
		case <-r.Context().Done():
			return
		case <-s.closing:
			return
		}
	}
}

func (s *Stepper) look(ctx context.Context, stream *observe.Stream, id string) ([]byte, error) {
	seen := picture{Holding: []events.Service{}, Events: []json.RawMessage{}}
	for _, service := range events.Services {
		faults, err := s.holds(ctx, service, id)
		if err != nil {
			return nil, err
		}
		for _, f := range faults {
			if f.Holding > 0 {
				seen.Holding = append(seen.Holding, service)
				break
			}
		}
	}
	err := stream.History(ctx, id, func(e observe.Seen) error {
		seen.Events = append(seen.Events, e.Raw)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(seen)
}

// open connects to the broker when the first order is watched, so that a console that nobody uses needs none.
func (s *Stepper) open() (*observe.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.stream == nil {
		s.stream, err = observe.Open(s.system.NATS)
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
