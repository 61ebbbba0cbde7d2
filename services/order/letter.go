package order

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"example.com/ordersaga/pkg/events"
)

// The kinds of mails. The second one takes back what the first one said.
const (
	mailReceived  = "received"
	mailCancelled = "cancelled"
)

// Letter is a mail about an order, to be written.
type Letter struct {
	Kind     string
	To       string
	Order    events.Snapshot
	Reason   string    // why the order is cancelled
	At       time.Time // when it became true
	Attempts int       // this one included
}

// messageID is the mail's name for ever (RFC 5322, 3.6.4). It is made of the order and the kind alone, so that
// whoever gets the mail twice can tell.
func (l Letter) messageID(kind, domain string) string {
	return fmt.Sprintf("<%s.%s@%s>", l.Order.OrderID, kind, domain)
}

// write is the mail as it goes over the wire, the same bytes at every attempt.
func (l Letter) write(from string) []byte {
	_, domain, _ := strings.Cut(from, "@")
	subject, body := "We have received your order", l.received()
	if l.Kind == mailCancelled {
		subject, body = "Your order is cancelled", l.cancelled()
	}
	var b bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("Message-ID", l.messageID(l.Kind, domain))
	if l.Kind == mailCancelled {
		header("In-Reply-To", l.messageID(mailReceived, domain))
		header("References", l.messageID(mailReceived, domain))
	}
	header("Date", l.At.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	header("From", from)
	header("To", l.To)
	header("Subject", mime.QEncoding.Encode("utf-8", subject))
	header("Auto-Submitted", "auto-generated") // nobody's holiday notice answers it
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	encoded := quotedprintable.NewWriter(&b)
	// A buffer takes everything that it is given.
	_, _ = encoded.Write([]byte(strings.ReplaceAll(body, "\n", "\r\n")))
	_ = encoded.Close()
	return b.Bytes()
}

func (l Letter) received() string {
	var items strings.Builder
	for _, line := range l.Order.Lines {
		fmt.Fprintf(&items, "  %d × %s\n", line.Quantity, line.SKU)
	}
	return fmt.Sprintf("Dear %s,\n\nwe have received your order %s:\n\n%s\nIn all: %d.%02d %s.\n\n"+
		"Should we not be able to carry it out, we will write again.\n",
		l.Order.ShipTo.Name, l.Order.OrderID, items.String(), l.Order.Total.Amount/100, l.Order.Total.Amount%100,
		l.Order.Total.Currency)
}

func (l Letter) cancelled() string {
	return fmt.Sprintf("Dear %s,\n\nyour order %s is cancelled %s. "+
		"Nothing will be shipped. What you have paid has been returned.\n",
		l.Order.ShipTo.Name, l.Order.OrderID, because(l.Reason))
}

// because says a reason in words for the customer. Reasons are codes, some followed by a colon and details.
func because(reason string) string {
	code, _, _ := strings.Cut(reason, ":")
	switch code {
	case byCustomer:
		return "as you asked"
	case byDeadline:
		return "because we could not carry it out in time"
	case "out_of_stock":
		return "because there is not enough in stock"
	case "destination_not_served":
		return "because we cannot deliver there"
	}
	return "because the payment did not succeed"
}
