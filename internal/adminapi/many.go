package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/idempotency"
	"example.com/ordersaga/pkg/problem"
)

// bulkCommand redrives the dead letters that a filter selects. A request handles up to a limit of them, for mostTime;
// the client sends more requests, each with the until of the first answer, until none remains.
type bulkCommand struct {
	Command
	Filter
	Replace string     `json:"replace"` // a text of the messages that is wrong
	With    string     `json:"with"`    // what it should have been
	Until   *time.Time `json:"until"`   // only letters that were not tried since; absent: now
	Limit   int        `json:"limit"`   // absent: mostAtOnce
}

// What one request handles at most, each letter in a transaction of its own. On a slow machine the time is the bound: a
// client waits for ten seconds.
const (
	mostAtOnce = 100
	mostTime   = 2 * time.Second
)

func (m *bulkCommand) check() error {
	switch {
	case m.Limit == 0:
		m.Limit = mostAtOnce
	case m.Limit < 0 || m.Limit > mostAtOnce:
		return problem.New(http.StatusBadRequest, fmt.Sprintf("limit is 1 to %d; the answer says how many remain.",
			mostAtOnce))
	}
	if m.Replace == "" && m.With != "" {
		return problem.New(http.StatusBadRequest, "Say replace, too: what is to be replaced.")
	}
	return errors.Join(m.Filter.check(), storable(m.Replace, m.With), m.Check())
}

// edit is what is done to every message; nil: nothing.
func (m *bulkCommand) edit() func([]byte) []byte {
	if m.Replace == "" {
		return nil
	}
	return func(message []byte) []byte { return bytes.ReplaceAll(message, []byte(m.Replace), []byte(m.With)) }
}

// Tally is what became of many dead letters.
type Tally struct {
	Redriven   int       `json:"redriven"`
	Duplicates int       `json:"duplicates"`
	Failed     int       `json:"failed"`
	Skipped    int       `json:"skipped"`   // somebody else was there first
	Remaining  int       `json:"remaining"` // open, matching, and not tried since
	Until      time.Time `json:"until"`
	Letters    []Outcome `json:"letters"` // each one that was tried, in this order
}

// Add makes it the tally of another lot, too.
func (t *Tally) Add(other Tally) {
	for _, o := range other.Letters {
		t.add(o)
	}
	t.Remaining, t.Until = other.Remaining, other.Until
}

func (t *Tally) add(o Outcome) {
	switch o.Outcome {
	case Redriven:
		t.Redriven++
	case Duplicate:
		t.Duplicates++
	case Failed:
		t.Failed++
	default:
		t.Skipped++
	}
	t.Letters = append(t.Letters, o)
}

// redriveMany handles letters one after the other, each once under this key. A request that ends in the middle is sent
// again: what was done stays done and is not done again.
func (a API) redriveMany(ctx context.Context, request idempotency.Request, m bulkCommand) ([]byte, bool, error) {
	if answer, found, err := Answered(ctx, a.Pool, request); err != nil || found {
		return answer, found, err
	}
	letters, until, err := a.lot(ctx, m)
	if err != nil {
		return nil, false, err
	}
	tally := Tally{Until: until, Letters: []Outcome{}}
	for began := time.Now(); len(letters) > 0 && time.Since(began) < mostTime; letters = letters[1:] {
		letter := letters[0]
		outcome, err := a.oneOf(ctx, request, m, letter)
		if err != nil {
			return nil, false, err
		}
		tally.add(outcome)
	}
	return a.Do(ctx, request, func(tx pgx.Tx) (Action, error) {
		err := tx.QueryRow(ctx, `SELECT count(*) FROM dead_letter WHERE `+matches+` AND `+untried,
			m.Type, m.Reason, m.Order, until).Scan(&tally.Remaining)
		if err != nil {
			return Action{}, fmt.Errorf("count dead letters: %w", err)
		}
		return Action{
			By: m.By, Why: m.Why, Action: "redrive all", TargetKind: LetterTarget + "s", TargetID: "those that match",
			Before: m, After: tally, Answer: tally,
		}, nil
	})
}

// untried has a moment as its fourth argument. What has failed since then is not tried again by the same command.
const untried = `closed_at IS NULL AND last_at <= $4`

// lot is the next letters, oldest first, as events are handled, and the until of the command.
func (a API) lot(ctx context.Context, m bulkCommand) (letters []DeadLetter, until time.Time, err error) {
	if err := a.Pool.QueryRow(ctx, `SELECT coalesce($1, now())`, m.Until).Scan(&until); err != nil {
		return nil, until, fmt.Errorf("ask the database for the time: %w", err)
	}
	rows,
		err := a.Pool.Query(ctx,
		`SELECT `+letterColumns+` FROM dead_letter WHERE `+matches+` AND `+untried+` ORDER BY first_at, id LIMIT $5`,
		m.Type, m.Reason, m.Order, until, m.Limit)
	if err != nil {
		return nil, until, fmt.Errorf("look for dead letters: %w", err)
	}
	letters, err = collectLetters(rows)
	return letters, until, err
}

// oneOf handles one of many, under a key that is made from the request's and the letter's.
func (a API) oneOf(ctx context.Context, request idempotency.Request, m bulkCommand,
	letter DeadLetter) (o Outcome, err error) {
	request.Key += " " + letter.ID
	answer, _, err := a.redriveNow(ctx, request, redriving{m.Command, letter.ID, letter.Attempts, m.edit()})
	if changed, ok := errors.AsType[*problem.Error](err); ok && changed.Status == http.StatusConflict {
		return Outcome{ID: letter.ID, Outcome: "skipped", Attempts: letter.Attempts, Reason: changed.Detail}, nil
	}
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal(answer, &o); err != nil {
		return o, fmt.Errorf("read what became of dead letter %s: %w", letter.ID, err)
	}
	return o, nil
}
