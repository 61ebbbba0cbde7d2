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

// snapshot is a letter in the record of an action.
type snapshot struct {
	State    string `json:"state"` // open, or what it is closed as
	Attempts int    `json:"attempts"`
	Reason   string `json:"reason"`
	SHA256   string `json:"payload_sha256,omitempty"` // of what was handled
	Edited   string `json:"payload,omitempty"`        // what was handled, where it is not the letter's own
}

func snapshotOf(l DeadLetter) snapshot {
	s := snapshot{State: "open", Attempts: l.Attempts, Reason: l.Reason}
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
	Command
	id       string
	attempts int                         // as the operator has seen them
	edit     func(message []byte) []byte // nil: as it is
}

// redriveNow handles a letter again and records it, in one transaction.
func (a API) redriveNow(ctx context.Context, request idempotency.Request, r redriving) ([]byte, bool, error) {
	answer, replayed, err := a.Do(ctx, request, func(tx pgx.Tx) (Action, error) {
		letter, message, err := readLetter(ctx, tx, r.id, "FOR UPDATE")
		if err == nil {
			err = requireUnchanged(letter, r.attempts)
		}
		if err != nil {
			return Action{}, err
		}
		before := snapshotOf(letter)
		before.SHA256 = digest(message)
		handled := message
		if r.edit != nil {
			handled = r.edit(message)
		}
		if letter, err = a.redeliver(ctx, tx, letter, handled); err != nil {
			return Action{}, err
		}
		after := snapshotOf(letter)
		after.SHA256 = digest(handled)
		if !bytes.Equal(handled, message) {
			after.Edited = strings.ReplaceAll(string(handled), "\x00", "\uFFFD") // which jsonb cannot hold
		}
		return letterAction(r.Command, "redrive", letter, before, after), nil
	})
	if err == nil && !replayed {
		a.Outbox.Wake()
	}
	return answer, replayed, err
}

func letterAction(w Command, name string, l DeadLetter, before, after snapshot) Action {
	outcome := Outcome{ID: l.ID, Outcome: after.State, Attempts: l.Attempts, Reason: l.Reason}
	if l.ClosedAs == nil {
		outcome.Outcome = Failed
	}
	return Action{By: w.By, Why: w.Why, Action: name, TargetKind: LetterTarget, TargetID: l.ID, Before: before,
		After: after, Answer: outcome}
}

// discardNow closes a letter for good and records it, in one transaction.
func (a API) discardNow(ctx context.Context, request idempotency.Request, id string, w Command,
	attempts int) ([]byte, bool, error) {
	answer, replayed, err := a.Do(ctx, request, func(tx pgx.Tx) (Action, error) {
		letter, _, err := readLetter(ctx, tx, id, "FOR UPDATE")
		if err == nil {
			err = requireUnchanged(letter, attempts)
		}
		if err != nil {
			return Action{}, err
		}
		before := snapshotOf(letter)
		if letter, err = a.closeLetter(ctx, tx, letter, Discarded); err != nil {
			return Action{}, err
		}
		return letterAction(w, "discard", letter, before, snapshotOf(letter)), nil
	})
	if err == nil && !replayed {
		a.Outbox.Wake()
	}
	return answer, replayed, err
}
