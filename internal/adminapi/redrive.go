package adminapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/idempotency"
)

// Failed is the outcome of a redrive that failed again; the others are what the letter is closed as.
const Failed = "failed"

// Outcome is what became of a dead letter that was worked on.
type Outcome struct {
	ID       string `json:"id"`
	Outcome  string `json:"outcome"` // redriven, duplicate, discarded, failed or, among many, skipped
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason"` // of the last failure
}

// standing is a letter in the record of an action.
type standing struct {
	State    string `json:"state"` // open, or what it is closed as
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason"`
	SHA256   string `json:"payload_sha256,omitempty"` // of what was handled
	Edited   string `json:"payload,omitempty"`        // what was handled, where it is not the letter's own
}

func stands(l DeadLetter) standing {
	s := standing{State: "open", Attempts: l.Attempts, Reason: l.Reason}
	if l.ClosedAs != nil {
		s.State = *l.ClosedAs
	}
	return s
}

func digest(message []byte) string {
	sum := sha256.Sum256(message)
	return hex.EncodeToString(sum[:])
}

// redriving is a letter that is wanted to take effect.
type redriving struct {
	Wish
	id       string
	attempts int                         // as the operator has seen them
	edit     func(message []byte) []byte // nil: as it is
}

// redriveNow handles a letter again and records it, in one transaction.
func (d Desk) redriveNow(ctx context.Context, request idempotency.Request, r redriving) ([]byte, bool, error) {
	answer, replayed, err := d.Do(ctx, request, func(tx pgx.Tx) (Action, error) {
		letter, message, err := readLetter(ctx, tx, r.id, "FOR UPDATE")
		if err == nil {
			err = as(letter, r.attempts)
		}
		if err != nil {
			return Action{}, err
		}
		before := stands(letter)
		before.SHA256 = digest(message)
		handled := message
		if r.edit != nil {
			handled = r.edit(message)
		}
		if letter, err = d.redeliver(ctx, tx, letter, handled); err != nil {
			return Action{}, err
		}
		after := stands(letter)
		after.SHA256 = digest(handled)
		if !bytes.Equal(handled, message) {
			after.Edited = strings.ReplaceAll(string(handled), "\x00", "\uFFFD") // which jsonb cannot hold
		}
		return letterAction(r.Wish, "redrive", letter, before, after), nil
	})
	if err == nil && !replayed {
		d.Outbox.Wake()
	}
	return answer, replayed, err
}

func letterAction(w Wish, name string, l DeadLetter, before, after standing) Action {
	outcome := Outcome{ID: l.ID, Outcome: after.State, Attempts: l.Attempts, Reason: l.Reason}
	if l.ClosedAs == nil {
		outcome.Outcome = Failed
	}
	return Action{By: w.By, Why: w.Why, Action: name, TargetKind: LetterTarget, TargetID: l.ID, Before: before,
		After: after, Answer: outcome}
}

// discardNow closes a letter for good and records it, in one transaction.
func (d Desk) discardNow(ctx context.Context, request idempotency.Request, id string, w Wish,
	attempts int) ([]byte, bool, error) {
	answer, replayed, err := d.Do(ctx, request, func(tx pgx.Tx) (Action, error) {
		letter, _, err := readLetter(ctx, tx, id, "FOR UPDATE")
		if err == nil {
			err = as(letter, attempts)
		}
		if err != nil {
			return Action{}, err
		}
		before := stands(letter)
		if letter, err = d.closeLetter(ctx, tx, letter, Discarded); err != nil {
			return Action{}, err
		}
		return letterAction(w, "discard", letter, before, stands(letter)), nil
	})
	if err == nil && !replayed {
		d.Outbox.Wake()
	}
	return answer, replayed, err
}
