package sagas

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/pkg/problem"
)

const (
	// frame is how often a page is told at most: often enough for the eye, and under load one message has many sagas.
	frame = 30 * time.Millisecond
	// heartbeat is how often a page is told that there is nothing to tell, so that it knows a dead connection.
	heartbeat = 15 * time.Second
)

// Routes are what the pages ask about sagas. What never ends by itself ends when closing is closed.
//
//	GET …/stream?order=   server-sent events: News, again and again; the id is the sequence to go on with
//	GET …/{order}         every event of an order, oldest first
//	GET …/{order}/parts   each service's part, as that service tells it to the order service
//	GET …/{order}/rows?event=ID&event=…   each service's rows, and the gateway's
func (b *Board) Routes(system endpoints.Description, customer *client.Client, closing <-chan struct{}) func(chi.Router) {
	return func(router chi.Router) {
		router.Get("/stream", func(w http.ResponseWriter, r *http.Request) { b.stream(w, r, closing) })
		router.Get("/{order}", b.events)
		router.Get("/{order}/parts", func(w http.ResponseWriter, r *http.Request) { parts(w, r, customer) })
		router.Get("/{order}/rows", func(w http.ResponseWriter, r *http.Request) { rows(w, r, system) })
	}
}

// stream tells a page what changes until it leaves. A page that comes back says what it was told last.
func (b *Board) stream(w http.ResponseWriter, r *http.Request, closing <-chan struct{}) {
	sequence, _ := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64) // anything else is somebody new
	defer b.visit()()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // it lasts as long as the page
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	for {
		news, more := b.since(sequence, r.URL.Query().Get("order"))
		if err := tell(w, news); err != nil || control.Flush() != nil {
			return // the page has gone
		}
		sequence = news.To
		if !wait(r, closing, more, news.More) {
			return
		}
	}
}

// wait waits for more news, and says whether anybody still wants them.
func wait(r *http.Request, closing, news <-chan struct{}, more bool) bool {
	if more {
		return r.Context().Err() == nil
	}
	select {
	case <-news:
	case <-time.After(heartbeat):
	case <-r.Context().Done():
		return false
	case <-closing:
		return false
	}
	select {
	case <-time.After(frame):
		return true
	case <-r.Context().Done():
	case <-closing:
	}
	return false
}

func tell(w http.ResponseWriter, news News) error {
	body, err := json.Marshal(news)
	if err != nil {
		return fmt.Errorf("tell a page: %w", err)
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: sagas\ndata: %s\n\n", news.To, body)
	return err
}

// Event is an event of an order as a page gets it.
type Event struct {
	Sequence uint64          `json:"sequence"`
	ID       string          `json:"id"`
	Cause    string          `json:"cause,omitempty"`
	Service  string          `json:"service"`
	Name     string          `json:"name"`
	Mark     string          `json:"mark"` // see timeline.Describe
	Detail   string          `json:"detail"`
	At       time.Time       `json:"at"`
	Repeated bool            `json:"repeated"` // it stands in the stream a second time; the inboxes ignore it
	Message  json.RawMessage `json:"message"`
}

// errEnough ends the reading of an order that has more events than anybody would read.
var errEnough = errors.New("enough")

// most bounds how many events of an order are shown; a saga has six to ten.
const most = 200

// events answers with every event of an order, read from the stream.
func (b *Board) events(w http.ResponseWriter, r *http.Request) {
	order, err := orderOf(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	stream, err := eventlog.Open(b.nats)
	if err != nil {
		problem.Write(w, r, problem.New(http.StatusServiceUnavailable, "the broker cannot be reached"))
		return
	}
	defer stream.Close()
	found, known := []Event{}, map[string]bool{}
	err = stream.History(r.Context(), order, func(seen eventlog.Seen) error {
		if seen.Problem == nil {
			found = append(found, shown(seen, known[seen.Envelope.ID]))
			known[seen.Envelope.ID] = true
		}
		if len(found) == most {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		problem.Write(w, r, err)
		return
	}
	httpx.With(w, http.StatusOK, map[string]any{"events": found})
}

// orderOf is the order that a request is about.
func orderOf(r *http.Request) (string, error) {
	order := chi.URLParam(r, "order")
	if parsed, err := uuid.Parse(order); err != nil || parsed.String() != order {
		return "", problem.New(http.StatusNotFound, "that is not the id of an order")
	}
	return order, nil
}

// parts asks the order service, which asks the others. What it refuses is refused here in its words.
func parts(w http.ResponseWriter, r *http.Request, customer *client.Client) {
	saga, err := customer.Saga(r.Context(), chi.URLParam(r, "order"))
	if refused, is := errors.AsType[*endpoints.Refused](err); is {
		err = problem.New(refused.Status, refused.Detail)
	} else if err != nil {
		err = problem.New(http.StatusServiceUnavailable, "the order service does not answer")
	}
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	httpx.With(w, http.StatusOK, saga)
}

func shown(seen eventlog.Seen, repeated bool) Event {
	mark, detail := sagaview.Describe(seen.Event)
	typ := seen.Event.Type()
	return Event{
		Sequence: seen.Sequence, ID: seen.Envelope.ID, Cause: seen.Envelope.CausationID, Service: string(typ.Service),
		Name: typ.Name, Mark: mark, Detail: detail, At: seen.Envelope.Time, Repeated: repeated, Message: seen.Raw,
	}
}
