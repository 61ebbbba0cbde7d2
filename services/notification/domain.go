// Package notification writes to customers what became of their orders. It takes no part in the saga: it publishes
// nothing, and no order waits for it.
package notification

import (
	"cmp"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"example.com/ordersaga/pkg/events"
)

// Kind is what a mail is about.
type Kind string

// An order has at most one mail of each. What was sent cannot be unsent: the second one compensates the first.
const (
	Received  Kind = "received"
	Cancelled Kind = "cancelled"
)

// State is what became of a mail.
type State string

// All but the first are final.
const (
	Waiting State = "WAITING" // it is to be sent
	Sent    State = "SENT"    // the mail server has taken it
	Refused State = "REFUSED" // the mail server never takes it, or the address is none
	Unknown State = "UNKNOWN" // it was handed over, and the mail server never answered: it may have arrived
)

// Mail is a mail about an order.
type Mail struct {
	OrderID    string
	Kind       Kind
	Recipient  string
	Name       string // of the customer; empty: unknown
	Body       string
	State      State
	Problem    string // why the last attempt did not deliver it
	Attempts   int
	Unanswered int // attempts after which the server may have it
	CreatedAt  time.Time
	EndedAt    *time.Time
}

// receipt is the mail that an order was received.
func receipt(order events.OrderCreatedV2) Mail {
	var lines strings.Builder
	for _, line := range order.Lines {
		fmt.Fprintf(&lines, "  %d × %s\n", line.Quantity, line.SKU)
	}
	return addressed(Mail{
		OrderID: order.OrderID, Kind: Received, Recipient: order.ContactEmail, Name: order.ShipTo.Recipient,
		Body: fmt.Sprintf("we have received your order %s:\n\n%s\nIn all: %s.\n\n"+
			"Should we not be able to carry it out, we will write again.\n", order.OrderID, lines.String(), order.Total),
	})
}

// cancellation is the mail that an order is cancelled. What the event does not have it has of an earlier mail.
func cancellation(order events.OrderCancelled, earlier []Mail) Mail {
	var first Mail
	if len(earlier) > 0 {
		first = earlier[0]
	}
	return addressed(Mail{
		OrderID: order.OrderID, Kind: Cancelled,
		Recipient: cmp.Or(order.ContactEmail, first.Recipient), Name: first.Name,
		Body: fmt.Sprintf("your order %s is cancelled%s. Nothing will be shipped. What you have paid has been returned.\n",
			order.OrderID, because(order.Reason)),
	})
}

// addressed ends a mail at once whose recipient is no address: no attempt could deliver it.
func addressed(m Mail) Mail {
	m.State = Waiting
	if parsed, err := mail.ParseAddress(m.Recipient); m.Recipient != "" && (err != nil || parsed.Address != m.Recipient) {
		m.State, m.Problem = Refused, "the recipient is not a mail address"
	}
	return m
}

// because is the reason in words. A code that is not in the list names none: better no reason than a wrong one.
func because(reason string) string {
	code, _, _ := strings.Cut(reason, ":") // details may follow
	switch code {
	case "customer":
		return " as you asked"
	case "deadline":
		return " because we could not carry it out in time"
	case "out_of_stock":
		return " because there is not enough in stock"
	case "destination_not_served":
		return " because we cannot deliver there"
	case "card_declined", "insufficient_funds", "fraudulent", "not_charged", "invalid_request":
		return " because the payment did not succeed"
	}
	return ""
}

// salutation begins the body.
func (m Mail) salutation() string {
	return "Dear " + cmp.Or(strings.TrimSpace(m.Name), "customer") + ",\n\n"
}

// maxUnanswered is how many copies a customer may get of a mail that the server takes without an answer.
const maxUnanswered = 3

// words are a problem as it is stored: a mail server may answer in any bytes, and repeats the customer's address.
func words(problem error, m Mail) string {
	if problem == nil {
		return ""
	}
	text := strings.ReplaceAll(strings.ToValidUTF8(problem.Error(), "?"), "\x00", "?")
	return strings.ReplaceAll(text, m.Recipient, "the recipient")
}

// pause is how long to wait before the next attempt: doubling from a second, at most a minute. A server that is back
// has everything within that.
func pause(attempts int) time.Duration {
	return min(time.Minute, time.Second<<min(attempts-1, 6))
}
