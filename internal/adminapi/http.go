package adminapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
)

// Routes are what every service's admin listener shows; see [service.Parts].
func (d Desk) Routes(r chi.Router) {
	r.Get("/incidents", d.getIncidents)
	r.Get("/incidents/{id}", d.getIncident)
	r.Get("/dead-letters", d.getDeadLetters)
	r.Post("/dead-letters/redrive", action(d.redriveAll))
	r.Get("/dead-letters/{id}", d.getDeadLetter)
	r.Post("/dead-letters/{id}/redrive", action(d.redrive))
	r.Post("/dead-letters/{id}/discard", action(d.discard))
	r.Get("/struggling", d.getStruggling)
	r.Get("/rows", d.getRows(time.Now()))
}

// getIncidents answers GET /incidents?open=true&order=ID.
func (d Desk) getIncidents(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	open := query.Get("open")
	if open != "" && open != "true" && open != "false" {
		problem.Write(w, r, problem.New(http.StatusBadRequest, "open is true or false."))
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
	list, err := d.list(r.Context(), open == "true", order)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	write(w, r, map[string][]Incident{"incidents": append([]Incident{}, list...)})
}

// getIncident answers GET /incidents/{id}.
func (d Desk) getIncident(w http.ResponseWriter, r *http.Request) {
	details, err := d.details(r.Context(), chi.URLParam(r, "id"))
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

// Answer sends what [Desk.Do] returned.
func Answer(w http.ResponseWriter, body []byte, replayed bool) {
	header := map[string]string{"Content-Type": "application/json"}
	// A client that left before its answer asks again, under its key.
	_ = idempotency.Write(w, idempotency.Response{Status: http.StatusOK, Header: header, Body: body}, replayed)
}

// Wish is what every request of an operator says. A service embeds it in what its own requests say.
type Wish struct {
	By  string `json:"by"`
	Why string `json:"why"`
}

// maxWords is for a name or a sentence or two; a longer story belongs elsewhere, and its address here.
const maxWords = 1000

// Check says what is missing, for whoever reads the record later.
func (w Wish) Check() error {
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
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return idempotency.Request{}, problem.New(http.StatusBadRequest, "The body cannot be read, or is longer than 64 KiB.")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	// One value in UTF-8 without a member twice (RFC 7493): what is kept is then what was sent.
	if err := decoder.Decode(into); err != nil || !jsontext.Value(body).IsValid() {
		return idempotency.Request{}, problem.New(http.StatusBadRequest,
			"The body is not the JSON object that is wanted here; the documentation shows one.")
	}
	return idempotency.FromRequest(r, "operator", body)
}
