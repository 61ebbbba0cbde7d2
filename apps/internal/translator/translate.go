package translator

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/contracts/payload"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
)

// translate is a message in the version that older consumers know. It is pure: the same message always becomes the
// same bytes under the same id, so a duplicate has no effect. An error is about the message, and a retry does not
// help.
func translate(message []byte) (*nats.Msg, error) {
	envelope, typ, err := events.Open(message)
	if err != nil {
		return nil, err
	}
	if err := payload.Validate(typ, envelope.Data); err != nil {
		return nil, err
	}
	event, err := envelope.Event()
	if err != nil {
		return nil, err
	}
	second, is := event.(events.OrderCreatedV2)
	if !is {
		return nil, fmt.Errorf("%s is not what is translated here", event.Type())
	}
	first, err := second.Downcast()
	if err != nil {
		return nil, err
	}
	id, err := derivedID(envelope.ID, first.Type())
	if err != nil {
		return nil, err
	}
	// When it happened stays; what it follows from is the event that it was translated from.
	cause := events.Cause{EventID: envelope.ID, TraceParent: envelope.TraceParent}
	data, err := events.Encode(id, envelope.Time, cause, first)
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: first.Type().SubjectOf(first.Order()), Data: data, Header: nats.Header{
		jetstream.MsgIDHeader: []string{id},
		"Content-Type":        []string{events.ContentType},
	}}, nil
}

// derivedID is the id of an event that was translated: a UUID of version 5 whose name space is the id of the
// original, so that no two originals share one.
func derivedID(original string, as events.Type) (string, error) {
	space, err := uuid.Parse(original)
	if err != nil {
		return "", fmt.Errorf("the original's id: %w", err)
	}
	return messaging.TranslatedID(space, as.String()).String(), nil
}
