//go:build crashmatrix

package crash

import (
	"slices"
	"strings"

	"example.com/ordersaga/internal/failpoint"
)

var (
	publishers  = []string{"order", "inventory", "payment", "shipping"}
	allServices = append(slices.Clone(publishers), "notification")
)

// homes are the services that have the point.
func homes(p failpoint.Point) []string {
	area, _, _ := strings.Cut(string(p), ".")
	switch area {
	case "inbox", "sweep", "redrive", "operator":
		return allServices
	case "outbox", "relay":
		return publishers
	case "mail":
		return []string{"notification"}
	case "gateway", "reconcile":
		return []string{"payment"}
	case "idempotency":
		if p == failpoint.IdempotencyBegun || p == failpoint.IdempotencyReaped {
			return []string{"order", "inventory", "payment"}
		}
		return []string{"inventory", "payment"} // order's are those of its intake
	}
	return []string{"order"}
}

// healing says what makes up for a crash, by the point's area and moment.
func healing(p failpoint.Point) (inFlight, heals, customer string) {
	for _, h := range healings {
		if strings.HasPrefix(string(p), h.prefix) {
			return h.inFlight, h.heals, h.customer
		}
	}
	return "", "", ""
}

type healed struct{ prefix, inFlight, heals, customer string }

const (
	waits   = "the order takes up to 5 s longer"
	nothing = "nothing"
	again   = "no answer; the same request with the same key gets it"
)

// healings are looked through from the top; the first that fits counts.
var healings = []healed{
	{"inbox.before_park", "a message that nobody understands", "it is delivered again, and becomes a dead letter then", nothing},
	{"inbox.parked", "a dead letter, and a broker that does not know of it", "it is delivered again; that is the same dead letter", nothing},
	{"inbox.opened", "nothing", "the consumer is opened again; the broker kept its place", nothing},
	{"inbox.before_return", "prefetched messages", "the broker delivers them again when their wait is over", waits},
	{"inbox.after_commit", "effects that are committed, and a broker that does not know", "the event is delivered again, and the inbox row recognises it", nothing},
	{"inbox.acked", "an acknowledgement", "the event may be delivered again, and the inbox row recognises it", nothing},
	{"inbox", "a transaction that is not committed", "Postgres rolls it back; the broker delivers the events again", waits},
	{"outbox.after_commit", "rows in the outbox that no relay was told of", "the relay looks at the outbox when it starts", nothing},
	{"outbox", "a transaction that is not committed", "Postgres rolls it back; who asked asks again", again},
	{"relay.before_replay", "marks that are being taken back", "rolled back; the broker is met again at the start, and found to be another", nothing},
	{"relay.replayed", "rows to be published again", "they are unmarked in the outbox", nothing},
	{"relay.marked", "nothing", "the rows are marked", nothing},
	{"relay.taken", "rows of the outbox", "they are not marked, so they are taken again", nothing},
	{"relay", "events that are published and not marked", "they are published again; the stream recognises the message id, and the inboxes the event id", nothing},
	{"sweep", "old rows", "they are swept later", nothing},
	{"redrive", "a dead letter's message that is handled, and not committed", "Postgres rolls it back; the operator asks again", nothing},
	{"operator.committed", "an action that is done, and an operator who does not know", "the operator asks again with the same key, and gets the recorded answer", nothing},
	{"operator", "an action that is not committed", "Postgres rolls it back with its record; the operator asks again", nothing},
	{"intake.after_commit", "an order that is accepted, and a client that does not know", "the client asks again with the same key, and gets the stored answer", again},
	{"intake", "a group of orders that is not committed", "Postgres rolls it back; the clients ask again", again},
	{"cancel.after_commit", "a cancel that is accepted, and a client that does not know", "asking again is accepted, and asks for nothing more", again},
	{"cancel", "a cancel that is not committed", "the client asks again", again},
	{"deadline", "overdue orders", "the sweeper finds them again, or their cancel is committed", nothing},
	{"mail.marked", "nothing", "the mail is marked", nothing},
	{"mail", "a mail that is claimed, and perhaps sent", "its lease expires, and it is sent again under the same Message-ID, by which the receiver drops a repeat", "the mail comes up to 15 s later"},
	{"idempotency.reaped", "expired keys", "they are deleted later, or are deleted", nothing},
	{"idempotency.committed", "work that is done, and a client that does not know", "the client asks again with the same key, and gets the stored answer", again},
	{"idempotency", "a request that is not committed", "Postgres rolls it back; the client asks again", again},
	{"gateway.before_claim", "a payment that is due", "it is due after the start, too", waits},
	{"gateway.claimed", "a leased payment, no call made", "the lease expires, and another worker calls", waits},
	{"gateway.before", "a leased payment, perhaps a call", "the lease expires, and another worker calls with the same key", waits},
	{"gateway.charge_sent", "a leased payment, and a request that the gateway has or gets", "the lease expires, and another worker calls with the same key", waits},
	{"gateway.after", "the gateway's answer", "the lease expires; the same key gets the same answer", waits},
	{"gateway.finished", "nothing", "outcome and event are committed", nothing},
	{"reconcile", "a difference between two ledgers", "the next reconciliation finds it, or it is booked", nothing},
}
