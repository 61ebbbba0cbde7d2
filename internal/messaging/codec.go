package messaging

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/contracts/payload"
	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// codec is the wire format of one service's events: CloudEvents with data that the event's schema allows, on the way
// out and on the way in.
type codec struct {
	service events.Service
	types   map[string]bool // that the service subscribes to, by [nameOf]
}

func newCodec(service events.Service) codec {
	types := map[string]bool{}
	for _, t := range events.Subscriptions[service] {
		types[nameOf(t)] = true
	}
	return codec{service, types}
}

// nameOf is the name under which an event is handled. Who published it does not matter: incidents of every service have
// one handler.
func nameOf(t events.Type) string { return t.Name + " v" + strconv.Itoa(t.Major) }

func (codec) Type(event any) string { return nameOf(event.(events.Event).Type()) }

// Encode refuses another service's event, which the broker would refuse to take from this one, for ever.
func (c codec) Encode(event any, cause outbox.Cause) (outbox.Message, error) {
	e := event.(events.Event)
	if e.Type().Service != c.service {
		return outbox.Message{}, fmt.Errorf("answered with %s, which %s does not publish", e.Type(), c.service)
	}
	return encode(e, cause)
}

func (c codec) Decode(message []byte) (outbox.Received, error) {
	envelope, typ, err := events.Open(message)
	r := outbox.Received{
		ID: envelope.ID, Key: envelope.Subject, WireType: envelope.Type, TraceParent: envelope.TraceParent,
	}
	if err != nil {
		return r, err
	}
	r.Type = nameOf(typ)
	if !c.types[r.Type] {
		return r, fmt.Errorf("%s does not subscribe to %s", c.service, typ)
	}
	if !jsontext.Value(message).IsValid() { // or what takes effect would not be what was published
		return r, errors.New("it is not in UTF-8, or an object has two members with one name")
	}
	// Before anything is made of it, so that the reason is in the words of the contract and not in Go's.
	if err := payload.Validate(typ, envelope.Data); err != nil {
		return r, err
	}
	r.Event, err = envelope.Event()
	return r, err
}

// IsID reports whether this is a UUID as every event has to write it: in its canonical form, so that equal ids are
// equal strings.
func IsID(id string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed.String() == id
}

// caused is an event that brings its own cause, and the request that has led to it.
type caused struct {
	events.Event
	cause   outbox.Cause
	request events.Request
	at      time.Time // when it happened; zero: now
	why     string    // it is published although it may have been; empty: it is the first time
}

// CausedBy gives an event a cause of its own, where one call of [Publish] stores events that follow from different
// causes: the orders of many requests that are committed as a batch.
func CausedBy(cause outbox.Cause, event events.Event) events.Event {
	return caused{Event: event, cause: cause}
}

// RequestedBy gives an event the request that has led to it, and the time of the database at which that was stored.
func RequestedBy(request events.Request, at time.Time, cause outbox.Cause, event events.Event) events.Event {
	return caused{Event: event, cause: cause, request: request, at: at}
}

// Again gives an event that may have been published before an id of its own, made of the reason.
func Again(event events.Event, why string) events.Event { return caused{Event: event, why: why} }

// Publish stores events in the outbox, in the caller's transaction; the cause is the one in ctx, or the event's own
// (see [CausedBy]). However many events there are, it is one statement. They are published in about the order in
// which they are given, once the transaction is committed. An event that its schema does not allow is an error.
func Publish(ctx context.Context, tx pgx.Tx, list ...events.Event) error {
	messages := make([]outbox.Message, len(list))
	for i, event := range list {
		var err error
		if messages[i], err = encode(event, outbox.CauseOf(ctx)); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	return outbox.Publish(ctx, tx, messages...)
}

// encode makes a message of an event that its schema allows: what is published stays published, so a broken promise
// must not get farther than its transaction.
func encode(event events.Event, cause outbox.Cause) (outbox.Message, error) {
	own, is := event.(caused)
	if is {
		event, cause = own.Event, own.cause
	}
	if event == nil {
		return outbox.Message{}, errors.New("a nil event")
	}
	typ := event.Type()
	if !IsID(event.Order()) {
		return outbox.Message{}, fmt.Errorf("%s is about order %q, which is not a UUID in its canonical form",
			typ.Name, event.Order())
	}
	cause.TraceParent = traceOf(cause, event)
	at := own.at
	if at.IsZero() {
		at = time.Now()
	}
	id := events.ID(events.Cause(cause), event)
	if own.why != "" {
		id = events.DerivedID(id, "again", id, own.why)
	}
	envelope, err := events.Wrap(id, at, events.Cause(cause), event)
	if err != nil {
		return outbox.Message{}, err
	}
	envelope.Request = own.request
	if err := payload.Validate(typ, envelope.Data); err != nil {
		return outbox.Message{}, err
	}
	payload, err := envelope.Encode()
	message := outbox.Message{
		ID: uuid.MustParse(envelope.ID), Key: uuid.MustParse(event.Order()),
		Type: envelope.Type, Subject: typ.SubjectOf(event.Order()), Payload: payload,
	}
	if tracing.Sampled(cause.TraceParent) {
		message.TraceParent = cause.TraceParent
	}
	return message, err
}

// TranslatedID is the id of an event that the translator makes of another one, of another type: a UUID of version 5
// whose name space is the id of the original, so that no two originals share one.
func TranslatedID(original uuid.UUID, as string) uuid.UUID { return uuid.NewSHA1(original, []byte(as)) }

// Translated reports whether the translator has published an event, and not the service that it names.
func Translated(e events.Envelope) bool {
	original, err := uuid.Parse(e.CausationID)
	return err == nil && e.ID == TranslatedID(original, e.Type).String()
}
