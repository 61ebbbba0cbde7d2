package adminapi

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
	"example.com/ordersaga/internal/incident"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// DeadLetter is a message that could not be handled. The ids and the type are what the message contains, if anything.
type DeadLetter struct {
	ID       string     `json:"id"`
	EventID  string     `json:"event_id"`
	OrderID  string     `json:"order_id"`
	Type     string     `json:"type"`
	Subject  string     `json:"subject"`
	Reason   string     `json:"reason"` // of the last attempt
	Attempts int        `json:"attempts"`
	FirstAt  time.Time  `json:"first_at"`
	LastAt   time.Time  `json:"last_at"`
	ClosedAt *time.Time `json:"closed_at"`
	ClosedAs *string    `json:"closed_as"` // redriven, duplicate or discarded
}

// Cursor is its place in lists of dead letters.
func (l DeadLetter) Cursor() string { return Cursor(l.FirstAt, l.ID) }

// What a dead letter is closed as.
const (
	Redriven  = "redriven"  // it took effect
	Duplicate = "duplicate" // its event had taken effect already
	Discarded = "discarded" // somebody decided that it shall not take effect
)

// redeliver handles a message of a dead letter as the inbox handles what is delivered, in the caller's transaction,
// which must have locked the letter; the broker has no part in it. When it fails once more, that is no error: what
// it had done is undone, the letter stays open with one more attempt and the new reason. The message may be an edited
// one, about the same event. Call Wake after the commit.
func (a API) redeliver(ctx context.Context, tx pgx.Tx, letter DeadLetter, message []byte) (DeadLetter, error) {
	if err := a.Faults.At(ctx, failpoint.RedriveBegun, letter.OrderID); err != nil {
		return letter, err
	}
	applied, failure := false, sameEvent(letter, message)
	if failure == nil {
		applied, failure = a.Outbox.Redeliver(ctx, tx, message)
	}
	if err := a.Faults.At(ctx, failpoint.RedriveHandled, letter.OrderID); err != nil {
		return letter, err
	}
	switch {
	case failure == nil && applied:
		return a.closeLetter(ctx, tx, letter, Redriven)
	case failure == nil:
		return a.closeLetter(ctx, tx, letter, Duplicate)
	}
	err := tx.QueryRow(ctx, `
		UPDATE dead_letter SET attempts = attempts + 1, reason = $2, last_at = now() WHERE id = $1
		RETURNING attempts, reason, last_at`,
		letter.ID, outbox.Storable(failure.Error())).Scan(&letter.Attempts, &letter.Reason, &letter.LastAt)
	if err != nil {
		return letter, fmt.Errorf("count an attempt at dead letter %s: %w", letter.ID, err)
	}
	return letter, nil
}

// sameEvent refuses an edited message with another id: the inbox would not recognise an event that has taken effect. A
// message that cannot be read is refused later.
func sameEvent(letter DeadLetter, message []byte) error {
	envelope, _, err := events.Open(message)
	if err == nil && envelope.ID != letter.EventID && messaging.IsID(letter.EventID) {
		return fmt.Errorf("the edited message has the id %q, and must keep the event's own, %q", envelope.ID, letter.EventID)
	}
	return nil
}

func (a API) closeLetter(ctx context.Context, tx pgx.Tx, letter DeadLetter, as string) (DeadLetter, error) {
	err := tx.QueryRow(ctx, `
		UPDATE dead_letter SET closed_at = now(), closed_as = $2 WHERE id = $1
		RETURNING closed_at, closed_as`, letter.ID, as).Scan(&letter.ClosedAt, &letter.ClosedAs)
	if err != nil {
		return letter, fmt.Errorf("close dead letter %s: %w", letter.ID, err)
	}
	return letter, incident.CloseDeadLetter(ctx, tx, a.Outbox.Service, letter.OrderID, "the dead letter is closed: "+as)
}
