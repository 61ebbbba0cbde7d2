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

// Open reads the envelope and the type of the event in it: a known one, whatever its data may be. With an error comes
// what could be read of the envelope: a person looks for a dead letter by its order.
func Open(message []byte) (Envelope, Type, error) {
	var envelope Envelope
	if err := json.Unmarshal(message, &envelope); err != nil {
		return readable(message), Type{}, fmt.Errorf("not a CloudEvents message: %w", err)
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

// readable is the envelope with those of its texts that can be read, whatever the other attributes are.
func readable(message []byte) (e Envelope) {
	var attributes map[string]json.RawMessage
	if json.Unmarshal(message, &attributes) != nil {
		return e
	}
	for name, text := range map[string]*string{
		"id": &e.ID, "source": &e.Source, "type": &e.Type, "subject": &e.Subject, "causationid": &e.CausationID,
		"traceparent": &e.TraceParent,
	} {
		if json.Unmarshal(attributes[name], text) != nil {
			*text = "" // missing, or no text
		}
	}
	return e
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
