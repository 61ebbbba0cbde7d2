package mailbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/contracts/payload"
	"example.com/ordersaga/pkg/events"
)

type causeKey struct{}

// WithCause makes events that are put under the returned context follow from cause.
func WithCause(ctx context.Context, cause events.Cause) context.Context {
	return context.WithValue(ctx, causeKey{}, cause)
}

// CauseOf is what the running step reacts to; zero outside of a step.
func CauseOf(ctx context.Context) events.Cause {
	cause, _ := ctx.Value(causeKey{}).(events.Cause)
	return cause
}

// caused is an event that brings its own cause.
type caused struct {
	events.Event
	cause events.Cause
}

// CausedBy gives an event a cause of its own, where one statement stores events that follow from
// different things: the orders of many requests that are committed as a group.
func CausedBy(cause events.Cause, event events.Event) events.Event { return caused{event, cause} }

// Put stores events in the outbox, in the caller's transaction; the cause is the one in ctx, or the
// event's own (see [CausedBy]). However many events there are, it is one statement. They are published
// in about the order in which they are given, once the transaction has been committed.
func Put(ctx context.Context, tx pgx.Tx, event ...events.Event) error {
	return PutAll(ctx, tx, event)
}

// PutAll is [Put] for a slice.
func PutAll(ctx context.Context, tx pgx.Tx, list []events.Event) error {
	rows := newOutboxRows(len(list))
	for _, event := range list {
		if err := rows.add(CauseOf(ctx), event); err != nil {
			return fmt.Errorf("put into the outbox: %w", err)
		}
	}
	return rows.store(ctx, tx)
}

// outboxRows are rows of the outbox by column, as one INSERT takes them.
type outboxRows struct {
	ids, orders     []uuid.UUID
	types, subjects []string
	payloads        [][]byte
}

func newOutboxRows(n int) *outboxRows {
	return &outboxRows{
		ids: make([]uuid.UUID, 0, n), orders: make([]uuid.UUID, 0, n),
		types: make([]string, 0, n), subjects: make([]string, 0, n), payloads: make([][]byte, 0, n),
	}
}

func (r *outboxRows) add(cause events.Cause, event events.Event) error {
	if own, ok := event.(caused); ok {
		cause, event = own.cause, own.Event
	}
	if event == nil {
		return errors.New("a nil event")
	}
	order, err := uuid.Parse(event.Order())
	if err != nil || order.String() != event.Order() {
		return fmt.Errorf("%s is about order %q, which is not a UUID in its canonical form", event.Type().Name, event.Order())
	}
	// Version 7 begins with the time, so that new rows lie side by side in the index.
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make an event id: %w", err)
	}
	payload, err := encode(id.String(), cause, event)
	if err != nil {
		return err
	}
	r.ids = append(r.ids, id)
	r.orders = append(r.orders, order)
	r.types = append(r.types, event.Type().String())
	r.subjects = append(r.subjects, event.Type().SubjectOf(event.Order()))
	r.payloads = append(r.payloads, payload)
	return nil
}

// encode makes a message of an event, of one that its schema allows: what is published stays published, so a
// promise that is broken must not get farther than the transaction that would break it.
func encode(id string, cause events.Cause, event events.Event) ([]byte, error) {
	envelope, err := events.Wrap(id, time.Now(), cause, event)
	if err != nil {
		return nil, err
	}
	if err := payload.Validate(event.Type(), envelope.Data); err != nil {
		return nil, err
	}
	return envelope.Encode()
}

func (r *outboxRows) store(ctx context.Context, tx pgx.Tx) error {
	if len(r.ids) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO outbox (id, order_id, type, subject, payload)
		SELECT id, order_id, type, subject, payload
		FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[])
		     WITH ORDINALITY AS row (id, order_id, type, subject, payload, n)
		ORDER BY n`,
		r.ids, r.orders, r.types, r.subjects, r.payloads)
	if err != nil {
		return fmt.Errorf("put into the outbox: %w", err)
	}
	return nil
}
