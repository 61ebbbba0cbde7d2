package adminapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
)

// getDeadLetters answers GET /dead-letters?open=true&type=PART&reason=PART&order=ID&limit=N&after=NEXT.
func (a API) getDeadLetters(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	filter := Filter{Type: query.Get("type"), Reason: query.Get("reason"), Order: query.Get("order")}
	wanted, err := readPage(query, fewLetters)
	if err == nil {
		err = filter.check()
	}
	var list []DeadLetter
	if err == nil {
		list, err = a.letters(r.Context(), filter, wanted)
	}
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	shown, next := Cut(list, wanted.limit, DeadLetter.Cursor)
	write(w, r, map[string]any{"dead_letters": shown, "next": next})
}

// getDeadLetter answers GET /dead-letters/{id}.
func (a API) getDeadLetter(w http.ResponseWriter, r *http.Request) {
	letter, err := a.letter(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	write(w, r, letter)
}

// letterCommand is a command about one letter, which must have the attempts that the operator saw.
type letterCommand struct {
	Command
	ExpectedAttempts int `json:"expected_attempts"`
}

func (l letterCommand) check() error {
	if l.ExpectedAttempts < 1 {
		return problem.New(http.StatusBadRequest, "Say expected_attempts: how often it had been tried when you decided.")
	}
	return l.Check()
}

// redriveCommand is a [letterCommand] that may have put the message right.
type redriveCommand struct {
	letterCommand
	Payload *json.RawMessage `json:"payload"` // null or absent: as it is
}

// redrive answers POST /dead-letters/{id}/redrive.
func (a API) redrive(r *http.Request, request idempotency.Request, wanted *redriveCommand) ([]byte, bool, error) {
	one := redriving{wanted.Command, chi.URLParam(r, "id"), wanted.ExpectedAttempts, nil}
	if wanted.Payload != nil {
		one.edit = func([]byte) []byte { return *wanted.Payload }
	}
	return a.redriveNow(r.Context(), request, one)
}

// redriveAll answers POST /dead-letters/redrive.
func (a API) redriveAll(r *http.Request, request idempotency.Request, wanted *bulkCommand) ([]byte, bool, error) {
	return a.redriveMany(r.Context(), request, *wanted)
}

// discard answers POST /dead-letters/{id}/discard.
func (a API) discard(r *http.Request, request idempotency.Request, wanted *letterCommand) ([]byte, bool, error) {
	return a.discardNow(r.Context(), request, chi.URLParam(r, "id"), wanted.Command, wanted.ExpectedAttempts)
}

// action answers a POST that asks for one: what is wanted is read and checked, and then done.
func action[T any, P interface {
	*T
	check() error
}](act func(*http.Request, idempotency.Request, P) ([]byte, bool, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		wanted := P(new(T))
		request, err := Read(w, r, wanted)
		if err == nil {
			err = wanted.check()
		}
		var answer []byte
		var replayed bool
		if err == nil {
			answer, replayed, err = act(r, request, wanted)
		}
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		Answer(w, answer, replayed)
	}
}

// getRetrying answers GET /struggling?attempts=N.
func (a API) getRetrying(w http.ResponseWriter, r *http.Request) {
	attempts := messaging.RetryAlert
	if n := r.URL.Query().Get("attempts"); n != "" {
		var err error
		if attempts, err = strconv.Atoi(n); err != nil || attempts < 1 {
			problem.Write(w, r, problem.New(http.StatusBadRequest, "attempts is a number from 1."))
			return
		}
	}
	write(w, r, map[string][]messaging.Retrying{"struggling": a.Outbox.Retrying(attempts)})
}
