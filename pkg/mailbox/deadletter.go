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

// kindPoison is the kind of incident of an order about which a message is parked.
const kindPoison = "poison"

// bury stores a message that can never be handled, and opens an incident for the order that it says it is about.
// There is no inbox row: should the message be given out again once it can be handled (a new message with the same
// event in it), it takes effect.
func (in *inbox) bury(ctx context.Context, tx pgx.Tx, subject string, payload []byte, envelope events.Envelope, reason error) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO dead_letter (id, event_id, order_id, type, subject, payload, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE
		SET attempts = dead_letter.attempts + 1, reason = EXCLUDED.reason, last_at = now(), closed_at = NULL, closed_as = NULL`,
		deadLetterID(subject, payload), text(envelope.ID), text(envelope.Subject), text(envelope.Type),
		text(subject), payload, text(reason.Error()))
	if err != nil {
		return fmt.Errorf("park a message on %s: %w", subject, err)
	}
	if !isCanonical(envelope.Subject) { // nobody's order
		return nil
	}
	_, err = OpenIncident(ctx, tx, in.service, envelope.Subject, kindPoison, text(reason.Error()))
	return err
}

// closePoison closes the order's incident when no letter about it is open any more. The incident is locked before
// they are counted: of two letters that are closed at the same time, the second sees that it is the last.
func (in *inbox) closePoison(ctx context.Context, tx pgx.Tx, orderID, resolution string) error {
	if !isCanonical(orderID) {
		return nil
	}
	_, err := tx.Exec(ctx, `SELECT FROM incident WHERE order_id = $1 AND kind = $2 AND resolved_at IS NULL FOR UPDATE`, orderID, kindPoison)
	if err != nil {
		return fmt.Errorf("lock the incident %s of order %s: %w", kindPoison, orderID, err)
	}
	var more bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM dead_letter WHERE order_id = $1 AND closed_at IS NULL)`, orderID).Scan(&more)
	if err != nil {
		return fmt.Errorf("look for more dead letters of order %s: %w", orderID, err)
	}
	if more {
		return nil
	}
	return CloseIncident(ctx, tx, in.service, orderID, kindPoison, resolution)
}

// isCanonical says whether this is an id as every event has to write it.
func isCanonical(id string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed.String() == id
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
