package notification

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/pkg/events"
)

func TestReceipt_HasTheOrderInWords(t *testing.T) {
	t.Parallel()
	order := createdFor("019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42", ada)
	for currency, want := range map[string]string{"USD": "39.98 USD", "JPY": "3998 JPY", "BHD": "3.998 BHD"} {
		order.Total.Currency = currency
		m := receipt(order)
		for _, want := range []string{order.OrderID, "2 × widget", "In all: " + want + "."} {
			if !strings.Contains(m.Body, want) {
				t.Errorf("the mail lacks %q: %s", want, m.Body)
			}
		}
		same(t, "state", m.State, Waiting)
		same(t, "salutation", m.salutation(), "Dear Ada Lövelace,\n\n")
	}
	for _, blank := range []string{"", "   ", "\t"} {
		order.ShipTo.Recipient = blank
		same(t, "salutation without a name", receipt(order).salutation(), "Dear customer,\n\n")
	}
}

func TestCancellation_NamesNoReasonThatIsNotTrue(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"customer": "is cancelled as you asked.", "deadline": "is cancelled because we could not carry it out in time.",
		"out_of_stock: widget":       "is cancelled because there is not enough in stock.",
		"destination_not_served: AQ": "is cancelled because we cannot deliver there.",
		"insufficient_funds":         "is cancelled because the payment did not succeed.",
		"card_declined":              "is cancelled because the payment did not succeed.",
		"not_charged":                "is cancelled because the payment did not succeed.",
		// How the money came back, and codes that nobody knows, are no reasons.
		"manual_settlement": "is cancelled.", "cancelled": "is cancelled.", "a_new_code": "is cancelled.", "": "is cancelled.", ":": "is cancelled.",
	} {
		if body := cancellation(cancelledFor("an order", ada, reason), nil).Body; !strings.HasPrefix(body, "your order an order "+want+" Nothing") {
			t.Errorf("%q is told as %q", reason, body)
		}
	}
}

func TestAddressed_EndsAMailToNobodyAtOnce(t *testing.T) {
	t.Parallel()
	for _, recipient := range []string{"   ", "ada", "ada@", "@customers.example", "a@b.example, c@d.example", "Ada <ada@customers.example>",
		"ada@customers.example\r\nBcc: all@customers.example", "<ada@customers.example>", " ada@customers.example"} {
		m := addressed(Mail{Recipient: recipient})
		same(t, fmt.Sprintf("a mail to %q", recipient), []any{m.State, m.Problem}, []any{Refused, "the recipient is not a mail address"})
	}
	same(t, "a mail to Ada", addressed(Mail{Recipient: ada}).State, Waiting)
}

func TestCancellation_GoesWhereTheReceiptWent(t *testing.T) {
	t.Parallel()
	earlier := []Mail{{Recipient: ada, Name: "Ada"}}
	same(t, "without an address in the event", cancellation(cancelledFor("id", "", "customer"), earlier).Recipient, ada)
	m := cancellation(cancelledFor("id", "bob@customers.example", "customer"), earlier)
	same(t, "with one", []string{m.Recipient, m.Name}, []string{"bob@customers.example", "Ada"})
	same(t, "with none at all", cancellation(events.OrderCancelled{}, nil).Recipient, "")
}

func TestPause_GrowsToAMinute(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1000: time.Minute,
	} {
		same(t, fmt.Sprintf("after %d attempts", attempts), pause(attempts), want)
	}
}

func TestWords_AreStorableAndNameNobody(t *testing.T) {
	t.Parallel()
	got := words(errors.New("550 <ada@customers.example> gibt's nicht \xfcberhaupt\x00"), Mail{Recipient: ada})
	same(t, "words", got, "550 <the recipient> gibt's nicht ?berhaupt?")
	same(t, "no words", words(nil, Mail{}), "")
}
