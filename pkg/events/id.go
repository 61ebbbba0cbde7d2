package events

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// ID is the id of an event that follows from a cause, the same whenever the step that leads to it is done again: on a
// database that has lost its last commits, for example. Then the stream and the inboxes recognise what they have. It is
// made of the cause's id, of the type and the order of the event, and of which of several such events it is (see
// [Nth]). Without a cause, a request, a deadline or a person has led to the event, which an order has once.
func ID(cause Cause, event Event) string {
	var which string
	if one, of := event.(Nth); of {
		which = one.Nth()
	}
	near := cause.EventID
	if !hasTime(near) {
		near = event.Order()
	}
	return DerivedID(near, "event", cause.EventID, event.Type().String(), event.Order(), which)
}

// Nth is implemented by events of which one order, or one cause, can have several of a type.
type Nth interface {
	// Nth tells them apart: the number of a request's attempt, or the incident.
	Nth() string
}

// Nth is the number of the attempt; empty in the first request and its answer.
func (r Repeat) Nth() string {
	if !r.Repeated() {
		return ""
	}
	return strconv.Itoa(r.Attempt)
}

// Nth is the incident.
func (e IncidentOpened) Nth() string { return e.IncidentID }

// Nth is the incident.
func (e IncidentResolved) Nth() string { return e.IncidentID }

// DerivedID is a UUIDv8 (RFC 9562, section 5.8) for something that is made of these parts, and of nothing random. It
// begins with the time of another id, a UUIDv7 or one of these, so that what is stored at about one time lies side by
// side in an index. The rest are 74 bits of SHA-256 over the parts, each behind its length.
func DerivedID(near string, parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) //nolint:gosec // no part is that long
		hash.Write([]byte(part))
	}
	id := hash.Sum(nil)[:16]
	if bytes, err := hex.DecodeString(strings.ReplaceAll(near, "-", "")); err == nil && hasTime(near) {
		copy(id[:6], bytes)
	}
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // the version, the variant
	text := hex.EncodeToString(id)
	return strings.Join([]string{text[:8], text[8:12], text[12:16], text[16:20], text[20:]}, "-")
}

// hasTime reports whether an id begins with the time, in milliseconds: a UUIDv7, or a [DerivedID].
func hasTime(id string) bool { return isUUID(id) && (id[14] == '7' || id[14] == '8') }
