package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// MaxSize is how many bytes an encoded event may have. It is checked before an order is accepted,
// well below the broker's own limit of 64 KiB, so that no event of an accepted order is ever too large.
const MaxSize = 48 << 10

// ContentType is the media type of an event on the wire: CloudEvents 1.0 in structured JSON mode.
const ContentType = "application/cloudevents+json"

// Envelope is an event on the wire: the attributes of CloudEvents 1.0
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) and the event as data.
// Attributes that it does not know are ignored when it is read.
type Envelope struct {
	SpecVersion string    `json:"specversion"`     // always "1.0"
	ID          string    `json:"id"`              // the outbox row's id, the same on every delivery
	Source      string    `json:"source"`          // "/services/<name>"
	Type        string    `json:"type"`            // see [Type.String]
	Subject     string    `json:"subject"`         // the order id
	Time        time.Time `json:"time"`            // when it happened, UTC
	ContentType string    `json:"datacontenttype"` // "application/json"
	DataSchema  string    `json:"dataschema"`      // which version of which schema the data follows
	// CausationID is the id of the event that caused this one; empty when a request did.
	CausationID string `json:"causationid,omitempty"`
	// TraceParent continues the trace, as in W3C Trace Context.
	TraceParent string          `json:"traceparent,omitempty"`
	Data        json.RawMessage `json:"data"`
}

// Cause is what a new event follows from.
type Cause struct {
	EventID     string // the id of the causing event; empty when a request did
	TraceParent string // W3C Trace Context; empty when there is none
}

// Encode wraps an event for the wire. The id must be unique for ever: a UUIDv7.
// An event that would be larger than [MaxSize] is an error.
func Encode(id string, at time.Time, cause Cause, event Event) ([]byte, error) {
	data, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", event.Type().Name, err)
	}
	typ := event.Type()
	message, err := json.Marshal(Envelope{
		SpecVersion: "1.0",
		ID:          id,
		Source:      "/services/" + string(typ.Service),
		Type:        typ.String(),
		Subject:     event.Order(),
		Time:        at.UTC(),
		ContentType: "application/json",
		DataSchema:  SchemaID(typ),
		CausationID: cause.EventID,
		TraceParent: cause.TraceParent,
		Data:        data,
	})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", typ.Name, err)
	}
	if len(message) > MaxSize {
		return nil, fmt.Errorf("encode %s: %d bytes are more than the %d that an event may have", typ.Name, len(message), MaxSize)
	}
	return message, nil
}

// SchemaID is the dataschema attribute of events of this type, for example "/schemas/OrderCreated/v1".
func SchemaID(t Type) string { return fmt.Sprintf("/schemas/%s/v%d", t.Name, t.Major) }

// Decode reads an event from the wire. Every error means that this message will never be
// understood: it is poison, and trying again does not help.
func Decode(message []byte) (Envelope, Event, error) {
	var envelope Envelope
	if err := json.Unmarshal(message, &envelope); err != nil {
		return Envelope{}, nil, fmt.Errorf("not a CloudEvents message: %w", err)
	}
	if err := envelope.check(); err != nil {
		return envelope, nil, err
	}
	typ, err := ParseType(envelope.Type)
	if err != nil {
		return envelope, nil, err
	}
	decodeData, known := decoders[typ.Name]
	if !known {
		return envelope, nil, fmt.Errorf("unknown event %q", envelope.Type)
	}
	event, err := decodeData(envelope.Data)
	if err != nil {
		return envelope, nil, fmt.Errorf("data of %s: %w", envelope.Type, err)
	}
	if event.Type() != typ {
		return envelope, nil, fmt.Errorf("event %q is not %q, the one that is known", envelope.Type, event.Type())
	}
	if event.Order() != envelope.Subject {
		return envelope, nil, fmt.Errorf("data of %s is about order %q, its subject is %q", envelope.Type, event.Order(), envelope.Subject)
	}
	return envelope, event, nil
}

func (e Envelope) check() error {
	switch {
	case e.SpecVersion != "1.0":
		return fmt.Errorf("specversion %q is not 1.0", e.SpecVersion)
	case e.ID == "":
		return errors.New("no id")
	case e.Subject == "":
		return errors.New("no subject")
	case len(e.Data) == 0 || bytes.Equal(e.Data, []byte("null")):
		return errors.New("no data")
	}
	return nil
}

func decode[E Event](data []byte) (Event, error) {
	var event E
	if err := json.Unmarshal(data, &event); err != nil {
		return nil, err
	}
	return event, nil
}
