package sagas

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/pkg/events"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// forgotten is an event that its consumer never gets: it is away for longer than the stream keeps messages.
type forgotten struct {
	event    events.Event
	consumer events.Service
	wanted   client.NewOrder
	held     events.Service // is away until the order has come as far as …
	until    string         // a service, its table and the state there; empty: it is placed
	cancels  bool           // the customer does, before the event is published
	others   string         // what comes of the event elsewhere, in the same words
	asks     events.Event   // is published again
	ends     order.Status
}

// impatience has a service repeat its request soon.
var impatience = map[events.Service]string{events.Order: "CANCEL_BUDGET", events.Inventory: "HOLD_BUDGET"}

// TestStream_ForgetsAnEventAndEveryOrderEnds loses each event that somebody waits for, with all older events of the
// order. The services that were away come back, and nobody repairs anything.
func TestStream_ForgetsAnEventAndEveryOrderEnds(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{})
	js := w.administrator(t)
	plain, declined, nowhere, none := client.One("widget", 1), client.One("widget", 1), client.One("widget", 1), client.One("unobtainium", 1)
	declined.Token, nowhere.Country = "tok_declined", "AQ"
	const captured, reserved, sold, confirmed = "payment payment CAPTURED", "inventory reservation RESERVED", "inventory reservation SOLD", "order CONFIRMED"
	cancel, hold := events.OrderCancelRequested{}, events.InventoryReserved{}
	for _, f := range []forgotten{ // one after the other: they take services away from each other
		{cancel, events.Shipping, plain, events.Shipping, captured, true, "", cancel, order.CANCELLED},
		{events.ShipmentFailed{}, events.Payment, nowhere, events.Shipping, captured, false, "", hold, order.CANCELLED},
		{events.PaymentRefunded{}, events.Inventory, nowhere, events.Shipping, captured, false, "", hold, order.CANCELLED},
		{events.PaymentFailed{}, events.Inventory, declined, events.Payment, reserved, false, "", hold, order.CANCELLED},
		{events.PaymentVoided{}, events.Inventory, plain, events.Inventory, "", true, "", cancel, order.CANCELLED},
		{events.InventoryReleased{}, events.Order, declined, events.Payment, reserved, false, "", cancel, order.CANCELLED},
		{events.InventoryRejected{}, events.Order, none, events.Inventory, "", false, "", cancel, order.CANCELLED},
		{events.ShipmentCreated{}, events.Order, plain, events.Shipping, captured, false, sold, cancel, order.CONFIRMED},
		{events.ShipmentCreated{}, events.Inventory, plain, events.Shipping, captured, false, confirmed, hold, order.CONFIRMED},
	} {
		t.Run(fmt.Sprintf("%s on its way to %s", f.event.Type().Name, f.consumer), func(t *testing.T) { w.loses(t, js, f) })
	}
	w.holdsButForTheStream(t)
}

// loses brings an order to where the event is published and not consumed, has the stream forget it, and waits for the
// order's end.
func (w *system) loses(t *testing.T, js jetstream.JetStream, f forgotten) {
	asker := f.asks.Type().Service
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, service := range []events.Service{f.held, f.consumer} {
			kit.Must(t, w.Up(ctx, string(service)))
		}
		kit.Must(t, w.Restart(ctx, string(asker), map[string]string{impatience[asker]: "", "REPEAT_PAUSE": ""}))
	})
	kit.Must(t, w.Down(t.Context(), string(f.held)))
	id := w.Place(t, f.wanted)
	w.awaitPlace(t, id, f.until)
	if f.consumer != f.held {
		kit.Must(t, w.Down(t.Context(), string(f.consumer)))
		kit.Must(t, w.Up(t.Context(), string(f.held)))
	}
	if f.cancels {
		_, err := w.Shop.Cancel(t.Context(), id)
		kit.Must(t, err)
	}
	w.awaitPublished(t, id, f.event.Type())
	w.awaitPlace(t, id, f.others)
	w.forget(t, js, id, f.event.Type())
	if f.consumer == events.Order {
		w.passDeadline(t, id) // which is over long before the stream forgets
	}
	if f.consumer != asker {
		kit.Must(t, w.Up(t.Context(), string(f.consumer)))
	}
	kit.Must(t, w.Restart(t.Context(), string(asker), map[string]string{impatience[asker]: "1s", "REPEAT_PAUSE": "1s"}))

	if got := w.Ends(t, id); got.Status != f.ends {
		t.Errorf("the order is %s because of %q, want %s", got.Status, kit.Deref(got.Reason), f.ends)
	}
	stock := "SOLD"
	if f.ends == order.CANCELLED {
		stock = "RELEASED"
	}
	if f.event.Type() == (events.InventoryRejected{}).Type() {
		stock = "REJECTED"
	}
	w.AwaitState(t, "inventory", "reservation", id, stock)
	if captured, refunded := w.Gateway(t, id); captured-refunded != map[string]int{"SOLD": 1}[stock] {
		t.Errorf("the stock is %s; %d charges and %d refunds", stock, captured, refunded)
	}
	if w.Count(t, string(asker), `SELECT count(*)::int FROM outbox WHERE key = $1 AND type = $2`, id, f.asks.Type().String()) < 2 {
		t.Errorf("%s was not published again, so nothing was shown", f.asks.Type().Name)
	}
}

// awaitPlace waits until an order has come as far as a service, its table and the state there; or the order, and its
// status.
func (w *system) awaitPlace(t *testing.T, id, place string) {
	t.Helper()
	switch words := strings.Fields(place); len(words) {
	case 2:
		if got := w.Ends(t, id); string(got.Status) != words[1] {
			t.Fatalf("the order is %s, want %s", got.Status, words[1])
		}
	case 3:
		w.AwaitState(t, words[0], words[1], id, words[2])
	}
}

// awaitPublished waits until an event of an order is, and whatever else the services have to publish about it.
func (w *system) awaitPublished(t *testing.T, id string, typ events.Type) {
	t.Helper()
	kit.Eventually(t, typ.Name+" to be published", func() error {
		if w.Count(t, string(typ.Service), `SELECT count(*)::int FROM outbox WHERE key = $1 AND type = $2 AND published_at IS NOT NULL`, id, typ.String()) == 0 {
			return fmt.Errorf("it is not")
		}
		for _, service := range events.Services {
			if n := w.Count(t, string(service), `SELECT count(*)::int FROM outbox WHERE key = $1 AND published_at IS NULL`, id); n > 0 {
				return fmt.Errorf("%s has %d more events", service, n)
			}
		}
		return nil
	})
}

// forget takes all messages about an order from the stream.
func (w *system) forget(t *testing.T, js jetstream.JetStream, id string, typ events.Type) {
	t.Helper()
	stream, err := js.Stream(t.Context(), events.Stream)
	kit.Must(t, err)
	_, err = stream.GetLastMsgForSubject(t.Context(), typ.SubjectOf(id))
	kit.Must(t, err)
	kit.Must(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject("saga.*.*.*."+id)))
	if _, err = stream.GetLastMsgForSubject(t.Context(), typ.SubjectOf(id)); err == nil {
		t.Fatal("the stream has it still")
	}
}

// passDeadline lets the time pass until an order's deadline.
func (w *system) passDeadline(t *testing.T, id string) {
	t.Helper()
	database, err := url.Parse(w.Superuser())
	kit.Must(t, err)
	database.Path = "/" + string(events.Order)
	conn, err := pgx.Connect(t.Context(), database.String())
	kit.Must(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE orders SET deadline = now() WHERE id = $1`, id)
	kit.Must(t, errors.Join(err, conn.Close(context.WithoutCancel(t.Context()))))
}

// administrator is a connection to the broker that may take messages from the stream. No login of the system may, so
// this broker gets one more.
func (w *system) administrator(t *testing.T) jetstream.JetStream {
	t.Helper()
	file := filepath.Join(filepath.Dir(w.BrokerStore()), "nats.conf")
	config, err := os.ReadFile(file)
	kit.Must(t, err)
	broker, err := url.Parse(w.At.NATS)
	kit.Must(t, err)
	password := rand.Text()
	broker.User = url.UserPassword("administrator", password)
	const users = "users = ["
	if strings.Count(string(config), users) != 1 {
		t.Fatalf("%s has no list of users", file)
	}
	more := strings.Replace(string(config), users, users+fmt.Sprintf("\n    {user: administrator, password: %q}", password), 1)
	kit.Must(t, os.WriteFile(file, []byte(more), 0o600))
	kit.Must(t, w.Kill(supervisor.NATS, syscall.SIGHUP)) // it reads its configuration again
	var nc *nats.Conn
	kit.Eventually(t, "the broker to know its administrator", func() error {
		nc, err = nats.Connect(broker.String())
		return err
	})
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	kit.Must(t, err)
	return js
}

// holdsButForTheStream checks every invariant but the one that what was published is in the stream now.
func (w *system) holdsButForTheStream(t *testing.T) {
	t.Helper()
	kit.Eventually(t, "the invariants to hold", func() (err error) {
		report, failed := verify.Check(t.Context(), w.At, verify.Options{AtRest: true, Within: time.Second, Secrets: w.Secrets()})
		if failed != nil {
			return failed
		}
		for _, result := range report.Results {
			if !result.Holds && result.ID != "I14" {
				err = errors.Join(err, fmt.Errorf("%s does not hold: %s: %v", result.ID, result.Sentence, result.Offenders))
			}
		}
		return err
	})
}
