package mailbox

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/failpoint"
)

// DeadLetter is a message that was parked. The ids and the type are what the message says, if it says so.
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

// What a dead letter is closed as.
const (
	Redriven  = "redriven"  // it took effect
	Duplicate = "duplicate" // its event had taken effect already
	Discarded = "discarded" // somebody decided that it shall not take effect
)

// Redrive handles a message of a dead letter as the inbox handles what is delivered: its event is remembered, its step
// runs, and the answer goes into the outbox. All of it is in the caller's transaction, which must have locked the
// letter; the broker has no part in it. When it fails again, that is no error: what it had done is undone, the letter
// stays open with one more attempt and the new reason. The message may be an edited one, about the same event.
//
// Whoever commits calls [Mailbox.Wake].
func (m *Mailbox) Redrive(ctx context.Context, tx pgx.Tx, letter DeadLetter, message []byte) (DeadLetter, error) {
	if err := m.Faults.At(ctx, failpoint.RedriveBegun, letter.OrderID); err != nil {
		return letter, err
	}
	as, failure := m.inbox.redrive(ctx, tx, letter, message)
	if err := m.Faults.At(ctx, failpoint.RedriveHandled, letter.OrderID); err != nil {
		return letter, err
	}
	if failure == nil {
		return m.closeLetter(ctx, tx, letter, as)
	}
	err := tx.QueryRow(ctx, `
		UPDATE dead_letter SET attempts = attempts + 1, reason = $2, last_at = now() WHERE id = $1
		RETURNING attempts, reason, last_at`,
		letter.ID, text(failure.Error())).Scan(&letter.Attempts, &letter.Reason, &letter.LastAt)
	if err != nil {
		return letter, fmt.Errorf("count an attempt at dead letter %s: %w", letter.ID, err)
	}
	return letter, nil
}

// Discard closes a dead letter without any effect, in a transaction that has locked it.
func (m *Mailbox) Discard(ctx context.Context, tx pgx.Tx, letter DeadLetter) (DeadLetter, error) {
	return m.closeLetter(ctx, tx, letter, Discarded)
}

// Wake has the relay and the service's workers look for what a transaction with a [Mailbox.Redrive] has left for them.
func (m *Mailbox) Wake() { m.inbox.committed() }

// redrive is a batch of one, inside of a savepoint: what a step that fails has done is undone, and the letter can
// still be told why.
func (in *inbox) redrive(ctx context.Context, tx pgx.Tx, letter DeadLetter, message []byte) (as string, err error) {
	d, err := in.understand(message)
	if err == nil && d.envelope.ID != letter.EventID && isCanonical(letter.EventID) {
		// Under another id the inbox would not recognise an event that has taken effect.
		err = fmt.Errorf("the edited message has the id %q, and must keep the event's own, %q", d.envelope.ID, letter.EventID)
	}
	if err != nil {
		return "", err
	}
	as = Duplicate
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		fresh, err := in.apply(ctx, tx, []delivery{d})
		if len(fresh) > 0 {
			as = Redriven
		}
		return err
	})
	return as, err
}

func (m *Mailbox) closeLetter(ctx context.Context, tx pgx.Tx, letter DeadLetter, as string) (DeadLetter, error) {
	err := tx.QueryRow(ctx, `
		UPDATE dead_letter SET closed_at = now(), closed_as = $2 WHERE id = $1
		RETURNING closed_at, closed_as`, letter.ID, as).Scan(&letter.ClosedAt, &letter.ClosedAs)
	if err != nil {
		return letter, fmt.Errorf("close dead letter %s: %w", letter.ID, err)
	}
	return letter, m.inbox.closePoison(ctx, tx, letter.OrderID, "the dead letter is closed: "+as)
}
