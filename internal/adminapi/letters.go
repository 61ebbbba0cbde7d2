package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/problem"
)

// Letter is a dead letter with all that is known about it.
type Letter struct {
	DeadLetter
	Payload json.RawMessage `json:"payload"`                  // null when the message is no JSON
	Base64  []byte          `json:"payload_base64,omitempty"` // the message, when it is no JSON
	Actions []Done          `json:"actions"`                  // what was done, oldest first
}

// LetterTarget is the kind of target of actions on dead letters.
const LetterTarget = "dead letter"

// Filter selects dead letters; an empty field matches all.
type Filter struct {
	Type   string `json:"type"`   // a part of the type
	Reason string `json:"reason"` // a part of the reason
	Order  string `json:"order"`  // the order id in the message
}

func (f Filter) check() error { return storable(f.Type, f.Reason, f.Order) }

// storable refuses what the database can neither hold nor look for.
func storable(texts ...string) error {
	for _, text := range texts {
		if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			return problem.New(http.StatusBadRequest, "A text is not UTF-8, or has the character NUL in it.")
		}
	}
	return nil
}

const letterColumns = `id::text, event_id, key, type, subject, reason, attempts,
	first_at, last_at, closed_at, closed_as`

func letterFields(l *DeadLetter) []any {
	return []any{&l.ID, &l.EventID, &l.OrderID, &l.Type, &l.Subject, &l.Reason, &l.Attempts, &l.FirstAt, &l.LastAt,
		&l.ClosedAt, &l.ClosedAs}
}

func collectLetters(rows pgx.Rows) ([]DeadLetter, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (l DeadLetter, err error) {
		return l, row.Scan(letterFields(&l)...)
	})
}

// matches has the filter as its first three arguments.
const matches = `($1 = '' OR position($1 IN type) > 0)
	AND ($2 = '' OR position($2 IN reason) > 0) AND ($3 = '' OR key = $3)`

// letters is a page of those that match and one more, newest first.
func (a API) letters(ctx context.Context, f Filter, p page) ([]DeadLetter, error) {
	// Planned for what is asked: so the index of the open ones, or of an order's, serves where these are.
	rows, err := a.Pool.Query(ctx, `
		SELECT `+letterColumns+` FROM dead_letter
		WHERE `+matches+`
		  AND ($4::boolean IS NOT TRUE OR closed_at IS NULL) AND ($4 IS NOT FALSE OR closed_at IS NOT NULL)
		  AND (first_at, id) < (coalesce($5::timestamptz, 'infinity'), coalesce($6::uuid, '`+lastID+`'))
		ORDER BY first_at DESC, dead_letter.id DESC LIMIT $7`, pgx.QueryExecModeCacheDescribe, f.Type, f.Reason,
		f.Order, p.open, p.since, p.id, p.limit+1)
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return collectLetters(rows)
}

// letter is the one with an id, with its message and what was done to it.
func (a API) letter(ctx context.Context, id string) (l Letter, err error) {
	found, message, err := readLetter(ctx, a.Pool, id, "")
	if err != nil {
		return l, err
	}
	l = Letter{DeadLetter: found}
	if json.Valid(message) && utf8.Valid(message) {
		l.Payload = message
	} else {
		l.Base64 = message
	}
	l.Actions, err = a.history(ctx, LetterTarget, found.ID)
	return l, err
}

// readLetter is a letter and its message; a problem of status 404 when there is none.
func readLetter(ctx context.Context, q querier, id, lock string) (l DeadLetter, message []byte, err error) {
	none := problem.New(http.StatusNotFound, "There is no such dead letter.")
	key, err := uuid.Parse(id)
	if err != nil {
		return l, nil, none
	}
	err = q.QueryRow(ctx, `SELECT `+letterColumns+`, payload FROM dead_letter WHERE id = $1 `+lock,
		key).Scan(append(letterFields(&l), &message)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return l, nil, none
	}
	if err != nil {
		return l, nil, fmt.Errorf("read dead letter %s: %w", id, err)
	}
	return l, message, nil
}

// requireUnchanged refuses a letter that has changed since the operator saw it; the problem has its present state.
func requireUnchanged(l DeadLetter, attempts int) error {
	if l.ClosedAs != nil {
		return problem.New(http.StatusConflict,
			"The dead letter is "+*l.ClosedAs+" since "+l.ClosedAt.UTC().Format(time.RFC3339)+".")
	}
	if l.Attempts != attempts {
		return problem.New(http.StatusConflict, fmt.Sprintf("It has been tried %d times by now, the last time at %s: %s",
			l.Attempts, l.LastAt.UTC().Format(time.RFC3339), l.Reason))
	}
	return nil
}
