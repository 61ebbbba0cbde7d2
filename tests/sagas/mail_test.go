package sagas

import (
	"fmt"
	"testing"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// TestMail_LostOnTheWay is about what lies between the order service and the mail server.
func TestMail_LostOnTheWay(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Faults: true})
	t.Run("order dies when a mail is sent and not marked", func(t *testing.T) { diesAfterSending(t, w) })
	t.Run("the mail server is down", func(t *testing.T) { mailServerDown(t, w) })
	w.Holds(t, w.Secrets()...)
}

const received, cancelled = "We have received your order", "Your order is cancelled"

// diesAfterSending: nobody knows that the mail has arrived, so it is sent again. The receiver can tell by its
// Message-ID, and keeps one.
func diesAfterSending(t *testing.T, w *system) {
	deaths := w.Deaths("order")
	w.Arm(t, "order", failpoint.Armament{Point: failpoint.MailSent, Kind: failpoint.Crash})
	wish := client.One("widget", 1)
	wish.Email = "ada@customers.example"
	id := w.Place(t, wish)
	var mails []kit.Mail
	kit.Eventually(t, "the mail to come a second time", func() error {
		mails = w.Mails(t, id)
		if len(mails) == 0 || mails[0].Deliveries < 2 {
			return fmt.Errorf("it has come as %+v", mails)
		}
		return nil
	})
	if len(mails) != 1 || mails[0].ID != id+".received@shop.example" {
		t.Errorf("the mail server keeps %+v, want one message", mails)
	}
	if w.Deaths("order") == deaths {
		t.Error("order has not died")
	}
	w.Ends(t, id)
}

// mailServerDown: orders go on, and their mails come later, in their order.
func mailServerDown(t *testing.T, w *system) {
	kit.Must(t, w.Down(t.Context(), supervisor.Mail))
	kept, lost := client.One("widget", 1), client.One("unobtainium", 1)
	kept.Email, lost.Email = "ada@customers.example", "bob@customers.example"
	ids := []string{w.Place(t, kept), w.Place(t, lost)}
	for i, status := range []order.Status{order.CONFIRMED, order.CANCELLED} {
		if got := w.Ends(t, ids[i]); got.Status != status {
			t.Errorf("order %d ended %s", i, got.Status)
		}
	}
	kit.Eventually(t, "a mail to have been tried", func() error {
		mails := w.saga(t, ids[0]).Mails
		if len(mails) != 1 || mails[0].SentAt != nil || mails[0].Attempts == 0 {
			return fmt.Errorf("they are %+v", mails)
		}
		return nil
	})
	kit.Must(t, w.Up(t.Context(), supervisor.Mail))
	w.AwaitMails(t, ids[0], received)
	w.AwaitMails(t, ids[1], received, cancelled)
}
