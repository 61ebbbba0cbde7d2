package mailbox

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
)

// bury stores a message that can never be handled. There is no inbox row: should the message be given
// out again once it can be handled (a new message with the same event in it), it takes effect.
func bury(ctx context.Context, tx pgx.Tx, subject string, payload []byte, envelope events.Envelope, reason error) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO dead_letter (id, event_id, order_id, type, subject, payload, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE
		SET attempts = dead_letter.attempts + 1, reason = EXCLUDED.reason, last_at = now()`,
		deadLetterID(subject, payload), text(envelope.ID), text(envelope.Subject), text(envelope.Type),
		text(subject), payload, text(reason.Error()))
	if err != nil {
		return fmt.Errorf("park a message on %s: %w", subject, err)
	}
	return nil
}

// deadLetterID is made from the message itself, which may have no id that deserves the name: the same
// message twice is one dead letter, on whatever way it came the second time.
func deadLetterID(subject string, payload []byte) uuid.UUID {
	return uuid.NewHash(sha256.New(), uuid.NameSpaceURL, append([]byte(subject+"\n"), payload...), 8)
}

// text makes what a stranger sent storable: Postgres takes neither NUL nor broken UTF-8, and a message
// that cannot be parked would come back for ever.
func text(s string) string {
	const enough = 4 << 10
	if len(s) > enough {
		s = s[:enough]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.ReplaceAll(s, "\x00", "\uFFFD")
}
