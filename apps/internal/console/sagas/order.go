package sagas

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/pkg/problem"
	order "example.com/ordersaga/services/order/api"
)

// Routes are what the pages ask about sagas.
//
//	GET …/watch?order=    an Update whenever something changes (server-sent events); its id is where to continue
//	GET …/{order}         the events of an order, oldest first
//	GET …/{order}/parts   each service's part, which the order service collects
//	GET …/{order}/rows?event=ID&event=…   each service's rows about the order, and the gateway's
func (b *Board) Routes(system endpoints.Description, shop *client.Client) func(chi.Router) {
	return func(router chi.Router) {
		router.Get("/watch", b.watch)
		router.Get("/{order}", b.serveEvents)
		router.Get("/{order}/parts", func(w http.ResponseWriter, r *http.Request) {
			saga, err := shop.Saga(r.Context(), chi.URLParam(r, "order"))
			for i, step := range saga.Steps {
				if step.State != nil {
					saga.Steps[i].Progress = order.StepProgress(sagaview.Shown(sagaview.Progress(step.Progress), *step.State))
				}
			}
			httpx.Answer(w, r, saga, err)
		})
		router.Get("/{order}/rows", func(w http.ResponseWriter, r *http.Request) { serveRows(w, r, system) })
	}
}

// Event is an event of an order as a page gets it.
type Event struct {
	Sequence uint64          `json:"sequence"`
	ID       string          `json:"id"`
	Cause    string          `json:"cause,omitempty"`
	Service  string          `json:"service"`
	Name     string          `json:"name"`
	Mark     string          `json:"mark"` // see sagaview.Describe
	Detail   string          `json:"detail"`
	At       time.Time       `json:"at"`
	Repeated bool            `json:"repeated"` // published a second time; the inboxes ignore it
	Message  json.RawMessage `json:"message"`
}

// noBroker is shown instead of an order's events. The rows are shown all the same.
const noBroker = "the broker does not answer, so its events are not shown; what the services have stored is below"

// maxEvents bounds how many events of an order are shown; a saga has six to ten.
const maxEvents = 200

// errEnough ends the reading of an order with more events.
var errEnough = errors.New("enough")

// serveEvents answers with the events of an order, read from the stream.
func (b *Board) serveEvents(w http.ResponseWriter, r *http.Request) {
	order, err := orderOf(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	stream, err := eventlog.Open(b.nats)
	if err != nil {
		problem.Write(w, r, problem.New(http.StatusServiceUnavailable, noBroker))
		return
	}
	defer stream.Close()
	found, known := []Event{}, map[string]bool{}
	err = stream.History(r.Context(), order, func(seen eventlog.Seen) error {
		if seen.Problem == nil {
			found = append(found, eventOf(seen, known[seen.Envelope.ID]))
			known[seen.Envelope.ID] = true
		}
		if len(found) == maxEvents {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	httpx.Answer(w, r, map[string]any{"events": found}, err)
}

// orderOf is the order that a request is about.
func orderOf(r *http.Request) (string, error) {
	order := chi.URLParam(r, "order")
	if parsed, err := uuid.Parse(order); err != nil || parsed.String() != order {
		return "", problem.New(http.StatusNotFound, "that is not the id of an order")
	}
	return order, nil
}

func eventOf(seen eventlog.Seen, repeated bool) Event {
	mark, detail := sagaview.Describe(seen.Event)
	typ := seen.Event.Type()
	return Event{
		Sequence: seen.Sequence, ID: seen.Envelope.ID, Cause: seen.Envelope.CausationID, Service: string(typ.Service),
		Name: typ.Name, Mark: mark, Detail: detail, At: seen.Envelope.Time, Repeated: repeated, Message: seen.Raw,
	}
}
