package outbox

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/outbox/ownership"
)

// Message is an event as it is stored in the outbox, and published.
type Message struct {
	ID      uuid.UUID // of the event, the same on every delivery; one that begins with a time keeps new rows side by side
	Key     uuid.UUID // what the event is about; within a batch, events with one key keep their order
	Type    string    // for people who read the table
	Subject string    // of the broker
	Payload []byte
	// TraceParent is the W3C Trace Context of the span that has made the message; empty: nothing is recorded about it.
	TraceParent string
}

// Cause is what a new event follows from.
type Cause struct {
	EventID     string // the id of the causing event; empty when a request did
	TraceParent string // W3C Trace Context; empty when there is none
}

// Received is a message as the codec has read it.
type Received struct {
	// ID and Key are UUIDs as text. Beside an error they are whatever the message contains, or empty.
	ID, Key string
	// Type is the name that [Codec] gives to events like this one: it selects the handler.
	Type string
	// WireType is the type as the message names it; it is stored in the inbox and in dead letters.
	WireType string
	// TraceParent is handed on to the events that follow from this one.
	TraceParent string
	// Event is what the handler gets, of the handler's type.
	Event any
}

// Codec turns the application's events into messages and back. It is called by many goroutines.
type Codec interface {
	// Type names the kind of an event, for example "OrderCreated v1". It is also called with the zero value of a
	// handler's event type, to find out what the handler is for.
	Type(event any) string
	// Encode makes a message of an event. Its id should follow from the cause, so that a step that is done again, on a
	// database that has lost its last commits, publishes nothing new. An error is final: the event that has led to this
	// one is dead-lettered.
	Encode(event any, cause Cause) (Message, error)
	// Decode reads and validates a message. An error is final: the message is dead-lettered. What could be read
	// is returned beside the error.
	Decode(payload []byte) (Received, error)
}

type causesKey struct{}

// WithCause returns a context under which [CausesOf] are the causes, and [CauseOf] is the only one of them.
func WithCause(ctx context.Context, causes ...Cause) context.Context {
	return context.WithValue(ctx, causesKey{}, causes)
}

// CauseOf is the event that the running step reacts to. It is zero outside of a step, and in a step of several
// events: see [CausesOf].
func CauseOf(ctx context.Context) Cause {
	if causes := CausesOf(ctx); len(causes) == 1 {
		return causes[0]
	}
	return Cause{}
}

// CausesOf are the events that the running step of [HandleBatch] reacts to, in their order.
func CausesOf(ctx context.Context) []Cause {
	causes, _ := ctx.Value(causesKey{}).([]Cause)
	return causes
}

// Publish stores messages in the outbox, in the caller's transaction, in one statement. This process's relay publishes
// them after the commit, in about the order in which they are given. What is there already, by its id, is not published
// again.
func Publish(ctx context.Context, tx pgx.Tx, messages ...Message) error {
	n := len(messages)
	if n == 0 {
		return nil
	}
	ids, keys, payloads := make([]uuid.UUID, n), make([]uuid.UUID, n), make([][]byte, n)
	types, subjects, traces := make([]string, n), make([]string, n), make([]string, n)
	for i, m := range messages {
		ids[i], keys[i], types[i], subjects[i], payloads[i] = m.ID, m.Key, m.Type, m.Subject, m.Payload
		traces[i] = m.TraceParent
	}
	_, err := tx.Exec(ctx, `
		WITH written AS (
			INSERT INTO outbox_message (id, key, type, subject, payload, traceparent, created_at)
			SELECT id, key, type, subject, payload, nullif(trace, ''), clock_timestamp()
			FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[])
			     WITH ORDINALITY AS row (id, key, type, subject, payload, trace, n)
			ORDER BY n
			ON CONFLICT (id) DO NOTHING
			RETURNING position, id)
		INSERT INTO outbox_due (owner, position, id) SELECT $7, position, id FROM written`,
		ids, keys, types, subjects, payloads, traces, ownership.Process)
	if err != nil {
		return fmt.Errorf("store %d messages in the outbox: %w", n, err)
	}
	return nil
}
