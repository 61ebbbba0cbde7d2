// Package traces receives the spans of all processes, keeps the newest in a ring of bounded memory, and shows those of
// an order as a waterfall.
//
// It is a viewer beside the system: nobody waits for it, and what it has forgotten is lost to nobody else. Whoever
// exports to another place, or to none, loses these pages alone.
package traces

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ordersaga/apps/internal/console/httpx"
	"example.com/ordersaga/pkg/problem"
)

// Codes of the problems that a trace is refused with; see [API.Routes].
const (
	CodeOff     = "tracing_off"   // no span has arrived from anybody
	CodeNoTrace = "trace_unknown" // the ring has none of this order
)

const (
	// mostListed and usuallyListed are how many traces a list has.
	mostListed, usuallyListed = 500, 50
)

// API takes spans and answers about them.
type API struct {
	ring *ring
}

// New makes an API whose ring is empty.
func New() *API { return &API{ring: newRing(budget)} }

// Routes are what the pages, and sagactl, ask about traces.
//
//	GET …/orders/{order}/trace                      a Trace; 404 with a code when there is none
//	GET …/traces?state=slow|failed|all&limit=1…500  a List: the newest orders, or the slowest first
func (a *API) Routes(router chi.Router) {
	router.Get("/orders/{order}/trace", a.serveTrace)
	router.Get("/traces", a.serveList)
}

// Register adds how full the ring is to a process' metrics.
func (a *API) Register(metrics prometheus.Registerer) {
	count := func(name, help string, value func(Ring) float64) prometheus.Collector {
		read := func() float64 { return value(a.ring.numbers()) }
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, read)
	}
	metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "console_traces_bytes", Help: "Memory that the ring of traces accounts for.",
		}, func() float64 { return float64(a.ring.numbers().Bytes) }),
		count("console_spans_received_total", "Spans that were stored.",
			func(r Ring) float64 { return float64(r.Received) }),
		count("console_spans_dropped_total", "Spans that were refused: invalid, or of a trace that is too large.",
			func(r Ring) float64 { return float64(r.Dropped) }),
	)
}

func (a *API) serveTrace(w http.ResponseWriter, r *http.Request) {
	order := chi.URLParam(r, "order")
	id, err := uuid.Parse(order)
	if err != nil || id.String() != order {
		problem.Write(w, r, problem.New(http.StatusNotFound, "that is not the id of an order"))
		return
	}
	trace, found := a.ring.trace(id)
	switch {
	case found:
		httpx.Answer(w, r, trace, nil)
	case a.ring.numbers().Received == 0:
		problem.Write(w, r, &problem.Error{Status: http.StatusNotFound, Code: CodeOff, Detail: off(r)})
	default:
		problem.Write(w, r, &problem.Error{
			Status: http.StatusNotFound, Code: CodeNoTrace,
			Detail: "there is no trace of this order: it was not recorded, has not arrived yet, or made room for newer ones",
		})
	}
}

// off explains how to have spans sent to the console that the request was sent to.
func off(r *http.Request) string {
	return fmt.Sprintf("tracing is off, no span has arrived: start the processes with "+
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://%s/otlp", r.Host)
}

func (a *API) serveList(w http.ResponseWriter, r *http.Request) {
	state, limit := State(r.URL.Query().Get("state")), usuallyListed
	if state == "" {
		state = All
	}
	if !slices.Contains([]State{All, Failed, Slow}, state) {
		problem.Write(w, r, problem.New(http.StatusUnprocessableEntity, "state must be slow, failed or all"))
		return
	}
	if text := r.URL.Query().Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > mostListed {
			detail := fmt.Sprintf("limit must be a number from 1 to %d", mostListed)
			problem.Write(w, r, problem.New(http.StatusUnprocessableEntity, detail))
			return
		}
	}
	list := a.ring.list(state, limit)
	if list.Ring.Received == 0 {
		list.Off = off(r)
	}
	httpx.Answer(w, r, list, nil)
}
