// Package events is the contract between the four services: what can happen in the saga of one
// order, who publishes it, and who consumes it. It needs nothing beyond the standard library, so a service
// in another repository can import it alone.
//
// An event is a fact in the past tense. Once published it never changes; a new meaning is a new
// major version. On the wire it is a CloudEvents 1.0 message in structured JSON mode (see
// [Envelope]), published on the subject
//
//	saga.<service>.<event>.v<major>.<order_id>
//
// What each service does on an event stands once, in [Saga].
package events
