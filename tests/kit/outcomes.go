package kit

import (
	"net/http"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/client"
	order "example.com/ordersaga/services/order/api"
)

// Outcomes are the ways in which a saga ends by itself, and what each service has to show for it.
func Outcomes(t *testing.T, s *System) {
	for _, test := range []struct {
		name                           string
		wanted                         func(*client.NewOrder)
		status                         order.Status
		reason                         string // a part of it
		reservation, payment, shipment string // states; empty: the service knows nothing of the order
		captured, refunded             int
	}{
		{"success", func(*client.NewOrder) {}, order.CONFIRMED, "", "SOLD", "CAPTURED", "CREATED", 1, 0},
		{"out of stock", func(o *client.NewOrder) { o.Items[0].Sku = "unobtainium" }, order.CANCELLED, "out_of_stock", "REJECTED", "", "", 0, 0},
		{"declined", func(o *client.NewOrder) { o.Token = "tok_declined" }, order.CANCELLED, "card_declined", "RELEASED", "DECLINED", "", 0, 0},
		{"shipping fails", func(o *client.NewOrder) { o.Country = "AQ" }, order.CANCELLED, "destination_not_served", "RELEASED", "REFUNDED", "FAILED", 1, 1},
		{"the gateway's answer is lost", func(o *client.NewOrder) { o.Token = "tok_lost_response" }, order.CONFIRMED, "", "SOLD", "CAPTURED", "CREATED", 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wanted := client.One("gadget", 2)
			test.wanted(&wanted)
			id := s.Place(t, wanted)
			got := s.Ends(t, id)
			if got.Status != test.status || !strings.Contains(Deref(got.Reason), test.reason) {
				t.Errorf("the order is %s because of %q, want %s because of %q", got.Status, Deref(got.Reason), test.status, test.reason)
			}
			if shipped := got.ShipmentId != nil; shipped != (test.status == order.CONFIRMED) {
				t.Errorf("the order shows a shipment: %v", shipped)
			}
			s.AwaitState(t, "inventory", "reservation", id, test.reservation)
			s.AwaitState(t, "payment", "payment", id, test.payment)
			s.AwaitState(t, "shipping", "shipment", id, test.shipment)
			captured, refunded := s.Gateway(t, id)
			if captured != test.captured || refunded != test.refunded {
				t.Errorf("the gateway has %d charges and %d refunds, want %d and %d", captured, refunded, test.captured, test.refunded)
			}
		})
	}
}

// CancelInTime has a customer change their mind while the gateway still thinks, so that what it captures is
// refunded.
func CancelInTime(t *testing.T, s *System) {
	wanted := client.One("gizmo", 1)
	wanted.Token = "tok_slow"
	id := s.Place(t, wanted)
	if _, err := s.Shop.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Shop.Cancel(t.Context(), id); err != nil {
		t.Errorf("a second cancel: %v", err)
	}
	if got := s.Ends(t, id); got.Status != order.CANCELLED {
		t.Errorf("the order is %s", got.Status)
	}
	s.AwaitState(t, "shipping", "shipment", id, "FENCED")
	if captured, refunded := s.Gateway(t, id); captured != refunded {
		t.Errorf("the gateway has %d charges and %d refunds of a cancelled order", captured, refunded)
	}
	if _, err := s.Shop.Cancel(t.Context(), id); Status(err) != http.StatusConflict {
		t.Errorf("a cancel of a cancelled order: %v, want 409", err)
	}
}

// Mails informs two customers of what became of their orders: one that it was received, the other one that it is
// cancelled, too. The mails are read where any mail server keeps them: at the far end.
func Mails(t *testing.T, s *System) {
	kept, lost := client.One("widget", 1), client.One("unobtainium", 1)
	kept.Email, lost.Email = "ada@customers.example", "bob@customers.example"
	confirmed, cancelled := s.Place(t, kept), s.Place(t, lost)
	s.AwaitMails(t, confirmed, "We have received your order")
	s.AwaitMails(t, cancelled, "We have received your order", "Your order is cancelled")
	for _, mail := range s.Mails(t, cancelled) {
		if mail.Subject == "Your order is cancelled" && mail.InReplyTo != cancelled+".received@shop.example" {
			t.Errorf("the cancel answers %q", mail.InReplyTo)
		}
		if mail.To != lost.Email {
			t.Errorf("%q went to %q", mail.Subject, mail.To)
		}
	}
}
