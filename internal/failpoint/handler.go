package failpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/ordersaga/internal/ijson"
	problems "example.com/ordersaga/pkg/problem"
)

// Armament is a fault as JSON: what arms one, and what a list shows.
type Armament struct {
	ID      string     `json:"id,omitempty"`
	Point   Point      `json:"point"`
	Kind    Kind       `json:"kind"`
	Text    string     `json:"text,omitempty"`
	Delay   string     `json:"delay,omitempty"` // a duration such as "200ms"
	Order   string     `json:"order,omitempty"`
	Times   *int       `json:"times,omitempty"` // 1 when it is not given; 0: any number
	Percent int        `json:"percent,omitempty"`
	For     string     `json:"for,omitempty"` // a duration
	Since   *time.Time `json:"since,omitempty"`
	Hits    int        `json:"hits"`
	Fired   int        `json:"fired"`
	Holding int        `json:"holding"`
}

// Handler serves a set over HTTP, for the admin listener; whoever mounts it sees to it that only those get
// there who may.
//
//	GET    /faults               {"faults": […]}: what is armed, and what has become of it
//	POST   /faults               arms one: {"point", "kind", "delay", "text", "order", "times", "percent", "for"}
//	DELETE /faults               disarms all
//	DELETE /faults/{id}          disarms one
//	POST   /faults/{id}/release  lets go who is held by it
//	GET    /faults/fired         {"fired": […]}: what has fired last, oldest first
//	GET    /faults/points        {"points": […]}: where faults can be armed
func Handler(s *Set) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		list := s.List()
		faults := make([]Armament, len(list))
		for i, a := range list {
			faults[i] = a.armament()
		}
		answer(w, http.StatusOK, map[string]any{"faults": faults})
	})
	mux.HandleFunc("GET /faults/points", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"points": Points()})
	})
	mux.HandleFunc("GET /faults/fired", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"fired": append([]Fired{}, s.Fired()...)})
	})
	mux.HandleFunc("POST /faults", s.serveArm)
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, _ *http.Request) {
		s.Clear("")
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /faults/{id}", byID(s.Clear))
	mux.HandleFunc("POST /faults/{id}/release", byID(s.Release))
	for _, path := range []string{"/faults", "/faults/{id}", "/faults/{id}/release"} {
		mux.HandleFunc(path, refused(http.StatusMethodNotAllowed, "this address does not know the method"))
	}
	mux.HandleFunc("/", refused(http.StatusNotFound, "there is nothing at this address"))
	return mux
}

func (s *Set) serveArm(w http.ResponseWriter, r *http.Request) {
	if refused, is := errors.AsType[*problems.Error](ijson.Encoded(r.Header)); is {
		problem(w, refused.Status, refused.Detail)
		return
	}
	f, err := readFault(w, r)
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	id, err := s.Arm(f)
	if err != nil {
		problem(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	w.Header().Set("Location", "/faults/"+id)
	answer(w, http.StatusCreated, Armed{Fault: f, ID: id, Since: time.Now()}.armament())
}

func readFault(w http.ResponseWriter, r *http.Request) (Fault, error) {
	var a Armament
	if err := ijson.Read(http.MaxBytesReader(w, r.Body, 4<<10), &a); err != nil {
		return Fault{}, fmt.Errorf("the body is not a fault: %w", err)
	}
	f := Fault{Point: a.Point, Kind: a.Kind, Text: a.Text, Order: a.Order, Times: 1, Percent: a.Percent}
	if a.Times != nil {
		f.Times = *a.Times
	}
	var err error
	if f.Delay, err = duration(a.Delay); err == nil {
		f.For, err = duration(a.For)
	}
	return f, err
}

func duration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("delay and for are durations such as 200ms")
	}
	return d, nil
}

func (a Armed) armament() Armament {
	out := Armament{ID: a.ID, Point: a.Point, Kind: a.Kind, Text: a.Text, Order: a.Order, Times: &a.Times,
		Percent: a.Percent, Since: &a.Since, Hits: a.Hits, Fired: a.Fired, Holding: a.Holding}
	if a.Delay != 0 {
		out.Delay = a.Delay.String()
	}
	if a.For != 0 {
		out.For = a.For.String()
	}
	return out
}

// byID serves what concerns one fault, if it is there.
func byID(do func(id string) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !do(r.PathValue("id")) {
			problem(w, http.StatusNotFound, "there is no such fault")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func refused(status int, detail string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { problem(w, status, detail) }
}

func answer(w http.ResponseWriter, status int, body any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

// problem answers as RFC 9457 wants it.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	answer(w, status, map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}
