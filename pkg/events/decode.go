package events

import (
	"encoding/json"
	"fmt"
)

// Decode reads an event from the wire: [Open] and [Envelope.Event] in one. Every error means that this message
// can never be handled: a retry does not help.
func Decode(message []byte) (Envelope, Event, error) {
	envelope, _, err := Open(message)
	if err != nil {
		return envelope, nil, err
	}
	event, err := envelope.Event()
	return envelope, event, err
}

// Open reads the envelope and the type of the event in it: a known one, whatever its data may be.
func Open(message []byte) (Envelope, Type, error) {
	var envelope Envelope
	if err := json.Unmarshal(message, &envelope); err != nil {
		return Envelope{}, Type{}, fmt.Errorf("not a CloudEvents message: %w", err)
	}
	if holdsNUL(message) {
		return envelope, Type{}, errNUL
	}
	typ, err := envelope.check()
	if err != nil {
		return envelope, Type{}, err
	}
	if _, known := decoders[Version{typ.Name, typ.Major}]; !known {
		return envelope, Type{}, unknown(typ)
	}
	return envelope, typ, nil
}

// Event is what is in an envelope that [Open] has read.
func (e Envelope) Event() (Event, error) {
	typ, err := ParseType(e.Type)
	if err != nil {
		return nil, err
	}
	decodeData, known := decoders[Version{typ.Name, typ.Major}]
	if !known {
		return nil, unknown(typ)
	}
	event, err := decodeData(e.Data)
	if err != nil {
		return nil, fmt.Errorf("data of %s: %w", e.Type, err)
	}
	if event.Type() != typ {
		return nil, fmt.Errorf("event %q is not %q, the one that is known", e.Type, event.Type())
	}
	if event.Order() != e.Subject {
		return nil, fmt.Errorf("data of %s is about order %q, its subject is %q", e.Type, event.Order(), e.Subject)
	}
	return event, nil
}

func decode[E Event](data []byte) (Event, error) {
	var event E
	if err := json.Unmarshal(data, &event); err != nil {
		return nil, err
	}
	return event, nil
}
