package sagas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
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
	t.Run("a cancel is settled outside the gateway", func(t *testing.T) { cancelIsSettled(t, w) })
	t.Run("faults in notification, and another mail of the same kind", func(t *testing.T) { faultsInNotification(t, w) })
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

// cancelIsSettled: the gateway refuses to refund what a customer has cancelled, and an operator returns the money
// elsewhere. The mail has the customer's own reason: how the money came back is none.
func cancelIsSettled(t *testing.T, w *system) {
	wanted := client.One("widget", 1)
	wanted.Email, wanted.Token = "ada@customers.example", "tok_refund_refused"
	release := w.hold(t, "payment", failpoint.GatewayAfterCharge, "")
	id := w.Place(t, wanted)
	w.AwaitState(t, "payment", "payment", id, "INTENT")
	_, err := w.Shop.Cancel(t.Context(), id)
	kit.Must(t, err)
	w.AwaitState(t, "shipping", "shipment", id, "FENCED")
	release()
	saga := w.awaitSaga(t, id, "to need attention", func(s order.Saga) bool {
		return len(s.Incidents) == 1 && s.Incidents[0].Kind == "refund_refused"
	})
	w.sagactl(t, "incidents", "resolve", saga.Incidents[0].Id, "--outcome", "settlement", "--reference", "transfer 4711", "--by", "grace", "--why", "it was refused")
	if got := w.Ends(t, id); got.Status != order.CANCELLED || kit.Deref(got.Reason) != "customer" {
		t.Errorf("the order ended %s: %s", got.Status, kit.Deref(got.Reason))
	}
	w.AwaitState(t, "payment", "payment", id, "SETTLED")
	w.AwaitMails(t, id, received, cancelled)
	if body := w.Mails(t, id)[1].Body; !strings.Contains(body, "is cancelled as you asked.") || strings.Contains(body, "payment") {
		t.Errorf("the customer reads %s", body)
	}
}

// faultsInNotification: each point that notification passes can be armed, and fires; no other can be armed. On the way an
// event that asks for another mail than the first one is a dead letter, until somebody has put it right.
func faultsInNotification(t *testing.T, w *system) {
	defer w.Disarm(t, "notification")
	refused, err := w.Sagactl(t.Context(), t, "faults", "arm", "notification", "relay.taken=crash").CombinedOutput()
	if err == nil || !strings.Contains(string(refused), "notification never passes relay.taken, only ") ||
		!strings.Contains(string(refused), "faults points notification") {
		t.Errorf("a point that it never passes: %v %s", err, refused)
	}
	listed := string(w.sagactl(t, "faults", "points", "notification"))
	var wanted []failpoint.Point
	for _, p := range failpoint.Points() {
		passes := len(p.Services) == 0 || slices.Contains(p.Services, "notification")
		err := w.At.AskAdmin(t.Context(), endpoints.AdminRequest{
			Process: "notification", Method: http.MethodPost, Path: "/faults", Body: failpoint.Armament{Point: p.Point, Kind: failpoint.Delay, Delay: "1ms"},
		}, nil)
		if passes != (err == nil) || !passes && kit.Status(err) != http.StatusUnprocessableEntity || passes != strings.Contains(listed, string(p.Point)) {
			t.Errorf("%s is passed: %v; it is armed with %v", p.Point, passes, err)
		}
		switch p.Point {
		case failpoint.InboxOpened, failpoint.InboxBeforeReturn, failpoint.SweepBeforeDelete, failpoint.SweepDeleted:
			// at the start, at the end, and after days: the crash matrix passes them
		default:
			if passes {
				wanted = append(wanted, p.Point)
			}
		}
	}
	w.anotherMail(t)
	kit.Eventually(t, "all of them to fire", func() error {
		var list struct{ Faults []failpoint.Armament }
		kit.Must(t, w.At.AskAdmin(t.Context(), endpoints.AdminRequest{Process: "notification", Method: http.MethodGet, Path: "/faults"}, &list))
		silent := slices.DeleteFunc(slices.Clone(wanted), func(at failpoint.Point) bool {
			return slices.ContainsFunc(list.Faults, func(a failpoint.Armament) bool { return a.Point == at && a.Fired > 0 })
		})
		if len(silent) > 0 || len(wanted) < 15 {
			return fmt.Errorf("of %v these have not: %v", wanted, silent)
		}
		return nil
	})
}

// anotherMail has an order's event published once more, when the mail that was left for it had another recipient.
func (w *system) anotherMail(t *testing.T) {
	t.Helper()
	wanted := client.One("widget", 1)
	wanted.Email = "ada@customers.example"
	id := w.Place(t, wanted)
	w.Ends(t, id)
	w.AwaitMails(t, id, received)
	w.asOwner(t, "notification", `UPDATE mail SET recipient = 'eve@customers.example' WHERE order_id = $1`, id)
	w.asOwner(t, "order", `INSERT INTO mail (order_id, kind) VALUES ($1, 'received')`, id)
	var letter string
	kit.Eventually(t, "the dead letter", func() error {
		var page struct {
			Letters []struct{ ID, Service, Reason string } `json:"dead_letters"`
		}
		kit.Must(t, json.Unmarshal(w.sagactl(t, "dead-letters", "list", "--order", id, "-o", "json"), &page))
		if len(page.Letters) != 1 || page.Letters[0].Service != "notification" || !strings.Contains(page.Letters[0].Reason, "another recipient") {
			return fmt.Errorf("there are %+v", page.Letters)
		}
		letter = page.Letters[0].ID
		return nil
	})
	w.asOwner(t, "notification", `UPDATE mail SET recipient = 'ada@customers.example' WHERE order_id = $1`, id)
	w.sagactl(t, "dead-letters", "redrive", letter, "--by", "grace", "--why", "the recipient is right")
	if mails := w.Mails(t, id); len(mails) != 1 || mails[0].Deliveries != 1 {
		t.Errorf("the customer has %+v", mails)
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
