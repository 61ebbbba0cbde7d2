package sagas

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	notification "example.com/ordersaga/services/notification/api"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// TestMail_LostOnTheWay is about what lies between notification and the mail server.
func TestMail_LostOnTheWay(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Faults: true})
	t.Run("notification dies when a mail is sent and not marked", func(t *testing.T) { diesAfterSending(t, w) })
	t.Run("the mail server is down", func(t *testing.T) { mailServerDown(t, w) })
	t.Run("mails wait at the upgrade", func(t *testing.T) { mailsWaitAtTheUpgrade(t, w) })
	w.Holds(t, w.Secrets()...)
}

// mailsWaitAtTheUpgrade: the release before has left mails in order's own table, and its events had no address. One of
// the orders is cancelled already, and neither of its mails was sent.
func mailsWaitAtTheUpgrade(t *testing.T, w *system) {
	kept, lost := w.Place(t, client.One("widget", 1)), w.Place(t, client.One("unobtainium", 1))
	w.Ends(t, kept)
	w.Ends(t, lost)
	env, err := w.Environment("order")
	kit.Must(t, err)
	conn, err := pgx.Connect(t.Context(), env["MIGRATIONS_URL"])
	kit.Must(t, err)
	_, err = conn.Exec(t.Context(), fmt.Sprintf(`
		UPDATE orders SET contact_email = 'ada@customers.example' WHERE id IN ('%[1]s', '%[2]s');
		INSERT INTO mail (order_id, kind) VALUES ('%[1]s', 'received'), ('%[2]s', 'received'), ('%[2]s', 'cancelled')`, kept, lost))
	kit.Must(t, errors.Join(err, conn.Close(context.WithoutCancel(t.Context()))))
	w.AwaitMails(t, kept, received)
	w.AwaitMails(t, lost, received, cancelled)
	for _, id := range []string{kept, lost} {
		for _, mail := range w.Mails(t, id) {
			if mail.Deliveries != 1 {
				t.Errorf("%q has come %d times", mail.Subject, mail.Deliveries)
			}
		}
	}
}

const received, cancelled = "We have received your order", "Your order is cancelled"

// diesAfterSending: nobody knows that the mail has arrived, so it is sent again. The receiver can tell by its
// Message-ID, and keeps one.
func diesAfterSending(t *testing.T, w *system) {
	deaths := w.Deaths("notification")
	w.Arm(t, "notification", failpoint.Armament{Point: failpoint.MailSent, Kind: failpoint.Crash})
	wanted := client.One("widget", 1)
	wanted.Email = "ada@customers.example"
	id := w.Place(t, wanted)
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
	if w.Deaths("notification") == deaths {
		t.Error("notification has not died")
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
		mails, err := w.Shop.Mails(t.Context(), ids[0])
		if err == nil && (len(mails) != 1 || mails[0].State != notification.WAITING || mails[0].Attempts == 0) {
			err = fmt.Errorf("they are %+v", mails)
		}
		return err
	})
	kit.Must(t, w.Up(t.Context(), supervisor.Mail))
	w.AwaitMails(t, ids[0], received)
	w.AwaitMails(t, ids[1], received, cancelled)
}
