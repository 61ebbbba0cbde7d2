package outbox

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// DeadLetterRow is a message that cannot be handled, as it is stored. EventID, Key and Type are whatever the message
// contains, or empty; they are not to be trusted.
type DeadLetterRow struct {
	ID                 uuid.UUID
	EventID, Key, Type string
	Subject            string
	Payload            []byte
	Reason             string
}

// deadLetter commits the message to dead_letter, and only then ends its delivery. There is no inbox row for it: if the
// same event is published once more when it can be handled, it takes effect.
func (in *inbox) deadLetter(ctx context.Context, d delivery, reason error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workTime)
	defer cancel()
	err := in.failpoint(ctx, InboxPoison, []delivery{d})
	if err == nil {
		err = pgx.BeginFunc(ctx, in.Pool, func(tx pgx.Tx) error {
			return in.storeDeadLetter(ctx, tx, d, d.msg.Subject(), d.msg.Data(), reason)
		})
	}
	if err == nil {
		in.afterCommit() // the application may have written an event as well
		err = in.failpoint(ctx, InboxDeadLetter, []delivery{d})
	}
	if err != nil {
		in.Log.WarnContext(ctx, "dead letter not stored, its message will be redelivered",
			"subject", d.msg.Subject(), "error", err)
		in.nak(ctx, d.msg, backoff(d.Attempt, firstRetryDelay, maxRetryDelay))
		return
	}
	in.Observe(DeadLetters, "", 1)
	in.OnSettled(d.ID)
	in.Log.ErrorContext(ctx, "message dead-lettered",
		in.KeyName, d.Key, "event", d.WireType, "event_id", d.ID, "reason", reason)
	if err := d.msg.TermWithReason("dead letter"); err != nil {
		in.Log.DebugContext(ctx, "delivery of a dead letter not ended, it will be redelivered", "error", err)
	}
}

// storeDeadLetter opens a letter, or an earlier one again; one whose event has taken effect by now stays closed.
func (in *inbox) storeDeadLetter(ctx context.Context, tx pgx.Tx, d delivery, subject string, payload []byte,
	reason error) error {
	row := DeadLetterRow{
		ID: deadLetterID(subject, payload), EventID: Storable(d.ID), Key: Storable(d.Key), Type: Storable(d.WireType),
		Subject: Storable(subject), Payload: payload, Reason: Storable(reason.Error()),
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO dead_letter (id, event_id, key, type, subject, payload, reason) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE SET attempts = dead_letter.attempts + 1, reason = EXCLUDED.reason,
			last_at = now(), closed_at = NULL, closed_as = NULL
		WHERE coalesce(dead_letter.closed_as, 'discarded') = 'discarded'`,
		row.ID, row.EventID, row.Key, row.Type, row.Subject, row.Payload, row.Reason)
	if err != nil {
		return fmt.Errorf("store a dead letter of %s: %w", subject, err)
	}
	if tag.RowsAffected() == 0 {
		return nil
	}
	return in.OnDeadLetter(ctx, tx, row)
}

// deadLetterID is made from the message, which may have no usable id: the same message twice is one dead letter.
func deadLetterID(subject string, payload []byte) uuid.UUID {
	return uuid.NewHash(sha256.New(), uuid.NameSpaceURL, append([]byte(subject+"\n"), payload...), 8)
}

// Storable makes untrusted text acceptable to Postgres, which takes neither NUL nor broken UTF-8: a message that
// cannot be stored would be redelivered for ever. 4 KiB are enough for a person to find the cause.
func Storable(s string) string {
	s = s[:min(len(s), 4<<10)]
	return strings.ReplaceAll(strings.ToValidUTF8(s, string(utf8.RuneError)), "\x00", string(utf8.RuneError))
}
