package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxSize is how many bytes an encoded event may have. It is checked before an order is accepted,
// well below the broker's own limit of 64 KiB, so that no event of an accepted order is ever too large.
const MaxSize = 48 << 10

// headroom is how much smaller the first event of a saga must be: those that follow carry the same
// snapshot, and besides it a cause, a trace, the id of a charge. An order that is accepted must not
// get stuck because one of them is a few bytes too large.
const headroom = 1 << 10

// ContentType is the media type of an event on the wire: CloudEvents 1.0 in structured JSON mode.
const ContentType = "application/cloudevents+json"

// Envelope is an event on the wire: the attributes of CloudEvents 1.0
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md) and the event as data.
// Attributes that it does not know are ignored when it is read. The three ids are UUIDs in their
// canonical text form: databases key on them, so anything else could never be stored.
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
	TraceParent string `json:"traceparent,omitempty"`
	// Request is that of the client; empty where none has led to the event.
	Request
	Data json.RawMessage `json:"data"`
}

// Request is a client's request under an idempotency key, which a service whose database has lost it needs: the same
// request must not be carried out twice.
type Request struct {
	Key        string `json:"idempotencykey,omitempty"`
	Hash       string `json:"requesthash,omitempty"` // SHA-256 of the operation and the body, in hexadecimal
	APIVersion string `json:"apiversion,omitempty"`  // in which it is answered
}

// Cause is what a new event follows from.
type Cause struct {
	EventID     string // the id of the causing event; empty when a request did
	TraceParent string // W3C Trace Context; empty when there is none
}

// Encode wraps an event for the wire: [Wrap] and [Envelope.Encode] in one.
func Encode(id string, at time.Time, cause Cause, event Event) ([]byte, error) {
	envelope, err := Wrap(id, at, cause, event)
	if err != nil {
		return nil, err
	}
	return envelope.Encode()
}

// Wrap puts an event into its envelope. The id must be unique for ever: a UUIDv7. Attributes that [Decode]
// would refuse are an error.
func Wrap(id string, at time.Time, cause Cause, event Event) (Envelope, error) {
	typ := event.Type()
	data, err := json.Marshal(event)
	if err != nil {
		return Envelope{}, fmt.Errorf("encode %s: %w", typ.Name, err)
	}
	envelope := Envelope{
		SpecVersion: "1.0",
		ID:          id,
		Source:      "/services/" + string(typ.Service),
		Type:        typ.String(),
		Subject:     event.Order(),
		Time:        at.UTC(),
		ContentType: "application/json",
		DataSchema:  DataSchema(typ),
		CausationID: cause.EventID,
		TraceParent: cause.TraceParent,
		Data:        data,
	}
	if _, err := envelope.check(); err != nil {
		return Envelope{}, fmt.Errorf("encode %s: %w", typ.Name, err)
	}
	return envelope, nil
}

// Encode is the envelope as it is on the wire. One that would be larger than [MaxSize] is an error.
func (e Envelope) Encode() ([]byte, error) {
	message, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.Type, err)
	}
	if holdsNUL(message) {
		return nil, fmt.Errorf("encode %s: %w", e.Type, errNUL)
	}
	limit := MaxSize
	if strings.Contains(e.Type, ".OrderCreated.") {
		limit -= headroom
	}
	if len(message) > limit {
		return nil, fmt.Errorf("encode %s: %d bytes are more than the %d that it may have", e.Type, len(message), limit)
	}
	return message, nil
}

// DataSchema is the dataschema attribute of events of this type, for example "urn:example:ordersaga:OrderCreated.v1".
// CloudEvents 1.0 wants an absolute URI. Before, it was "/schemas/OrderCreated/v1"; a reader takes any.
func DataSchema(t Type) string { return fmt.Sprintf("urn:example:ordersaga:%s.v%d", t.Name, t.Major) }

// SchemaID is the $id of the schema of events of this type, the name of its file: "OrderCreated.v1.json".
func SchemaID(t Type) string { return fmt.Sprintf("%s.v%d.json", t.Name, t.Major) }

// check refuses attributes that this contract does not allow, and reads the type.
func (e Envelope) check() (Type, error) {
	switch {
	case e.SpecVersion != "1.0":
		return Type{}, fmt.Errorf("specversion %q is not 1.0", e.SpecVersion)
	case !isUUID(e.ID):
		return Type{}, fmt.Errorf("id %q is not a UUID", e.ID)
	case !isUUID(e.Subject):
		return Type{}, fmt.Errorf("subject %q is not the id of an order, a UUID", e.Subject)
	case e.CausationID != "" && !isUUID(e.CausationID):
		return Type{}, fmt.Errorf("causationid %q is not a UUID", e.CausationID)
	case len(e.Data) == 0 || bytes.Equal(e.Data, []byte("null")):
		return Type{}, errors.New("no data")
	}
	return ParseType(e.Type)
}

// errNUL is about a character that JSON can express and a database's text cannot hold: an event with one
// could never be stored, however often somebody tried.
var errNUL = errors.New("a text holds the character NUL")

// holdsNUL looks for the escape \u0000, and does not take an escaped backslash before u0000 for one.
func holdsNUL(message []byte) bool {
	nul := []byte(`\u0000`)
	return bytes.Contains(message, nul) && bytes.Contains(bytes.ReplaceAll(message, []byte(`\\`), nil), nul)
}

// isUUID accepts the canonical form alone, in lower case, so that equal ids are equal strings.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}
