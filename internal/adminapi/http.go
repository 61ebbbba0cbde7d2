package adminapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"example.com/ordersaga/internal/ijson"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
)

// Routes are what every service's admin listener shows; see [service.Parts].
func (a API) Routes(r chi.Router) {
	r.Get("/incidents", a.getIncidents)
	r.Get("/incidents/{id}", a.getIncident)
	r.Post("/incidents/{id}/close", action(a.close))
	if a.Guard != nil {
		r.Get("/database", a.getDatabase)
		r.Post("/database/accept", action(a.acceptDatabase))
	}
	if a.Waits.Kind != "" {
		r.Post("/incidents/{id}/retry", action(a.retry))
	}
	r.Get("/dead-letters", a.getDeadLetters)
	r.Post("/dead-letters/redrive", action(a.redriveAll))
	r.Get("/dead-letters/{id}", a.getDeadLetter)
	r.Post("/dead-letters/{id}/redrive", action(a.redrive))
	r.Post("/dead-letters/{id}/discard", action(a.discard))
	r.Get("/struggling", a.getRetrying)
	r.Get("/rows", a.getRows(time.Now()))
}

// getIncidents answers GET /incidents?open=true&order=ID&limit=N&after=NEXT.
func (a API) getIncidents(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	wanted, err := readPage(query, most)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	var order *uuid.UUID
	if named := query.Get("order"); named != "" {
		id, err := uuid.Parse(named)
		if err != nil {
			problem.Write(w, r, problem.New(http.StatusBadRequest, "order is the id of an order, a UUID."))
			return
		}
		order = &id
	}
	list, err := a.list(r.Context(), wanted, order)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	shown, next := Cut(list, wanted.limit, Incident.Cursor)
	write(w, r, map[string]any{"incidents": shown, "next": next})
}

// getIncident answers GET /incidents/{id}.
func (a API) getIncident(w http.ResponseWriter, r *http.Request) {
	details, err := a.details(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	write(w, r, details)
}

func write(w http.ResponseWriter, r *http.Request, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	Answer(w, encoded, false)
}

// Answer sends what [API.Do] returned.
func Answer(w http.ResponseWriter, body []byte, replayed bool) {
	header := map[string]string{"Content-Type": "application/json"}
	// A client that left before its answer asks again, under its key.
	_ = idempotency.Write(w, idempotency.Response{Status: http.StatusOK, Header: header, Body: body}, replayed)
}

// Command is part of every command of an operator. A service embeds it in its own commands.
type Command struct {
	By  string `json:"by"`
	Why string `json:"why"`
}

// maxWords is for a name or a sentence or two; a longer story belongs elsewhere, and its address here.
const maxWords = 1000

// Check refuses a command without what a reader of the record needs later.
func (w Command) Check() error {
	for _, said := range []struct{ what, words string }{{"by", w.By}, {"why", w.Why}} {
		if strings.TrimSpace(said.words) == "" || len(said.words) > maxWords || strings.ContainsRune(said.words, 0) {
			return problem.New(http.StatusBadRequest, "Say "+said.what+", in 1 to 1000 bytes: it is kept with what you do.")
		}
	}
	return nil
}

// maxBody is far more than any request of an operator needs.
const maxBody = 64 << 10

// Read reads a request with its Idempotency-Key. A member that nobody knows is refused: it may have been
// meant to keep something from happening.
func Read(w http.ResponseWriter, r *http.Request, into any) (idempotency.Request, error) {
	if err := ijson.Encoded(r.Header); err != nil {
		return idempotency.Request{}, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return idempotency.Request{}, problem.New(http.StatusBadRequest, "The body cannot be read, or is longer than 64 KiB.")
	}
	if err := ijson.Read(bytes.NewReader(body), into); err != nil {
		return idempotency.Request{}, problem.New(http.StatusBadRequest,
			"The body is not the JSON object that is wanted here; the documentation shows one.")
	}
	return idempotency.FromRequest(r, "operator", body)
}
