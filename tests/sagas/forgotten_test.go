package sagas

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/internal/natsadmin"
	"example.com/ordersaga/pkg/events"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// lost is an event that its consumer never gets: it is away for longer than the stream keeps messages.
type lost struct {
	event    events.Event
	consumer events.Service
	held     events.Service // is away while the order is placed, so that the event is not published too soon
	before   string         // what is waited for then: a table of a service and its state
	wish     client.NewOrder
	cancels  bool // the customer does, before the event is published; otherwise at the end, if the order is pending then
	ends     order.Status
}

// TestForgotten_EveryOrderComesToItsEnd loses each event that somebody waits for, and everything else that its consumer
// had not handled by then. Nobody repairs anything.
func TestForgotten_EveryOrderComesToItsEnd(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Env: map[string]map[string]string{
		"order":     {"CANCEL_BUDGET": "1s", "REPEAT_PAUSE": "1s"},
		"inventory": {"REPEAT_PAUSE": "1s"},
	}})
	plain, declined, nowhere, none := client.One("widget", 1), client.One("widget", 1), client.One("widget", 1), client.One("unobtainium", 1)
	declined.Token, nowhere.Country = "tok_declined", "AQ"
	for _, l := range []lost{ // one after the other, since all of them lose what the stream has
		{events.OrderCancelRequested{}, events.Shipping, events.Shipping, "payment CAPTURED", plain, true, order.CANCELLED},
		{events.ShipmentFailed{}, events.Payment, events.Shipping, "payment CAPTURED", nowhere, false, order.CANCELLED},
		{events.PaymentRefunded{}, events.Inventory, events.Shipping, "payment CAPTURED", nowhere, false, order.CANCELLED},
		{events.PaymentFailed{}, events.Inventory, events.Payment, "inventory RESERVED", declined, false, order.CANCELLED},
		{events.PaymentVoided{}, events.Inventory, events.Inventory, "", plain, true, order.CANCELLED},
		{events.InventoryReleased{}, events.Order, events.Payment, "inventory RESERVED", declined, false, order.CANCELLED},
		{events.InventoryRejected{}, events.Order, events.Inventory, "", none, false, order.CANCELLED},
		{events.ShipmentCreated{}, events.Order, events.Shipping, "payment CAPTURED", plain, false, order.CONFIRMED},
		{events.ShipmentCreated{}, events.Inventory, events.Shipping, "payment CAPTURED", plain, false, order.CONFIRMED},
	} {
		t.Run(fmt.Sprintf("%s on its way to %s", l.event.Type().Name, l.consumer), func(t *testing.T) { loses(t, w, l) })
	}
	holdsButInTheStream(t, w)
}

func loses(t *testing.T, w *system, l lost) {
	kit.Must(t, w.Down(t.Context(), string(l.held)))
	id := w.Place(t, l.wish)
	switch l.before {
	case "payment CAPTURED":
		w.AwaitState(t, "payment", "payment", id, "CAPTURED")
	case "inventory RESERVED":
		w.AwaitState(t, "inventory", "reservation", id, "RESERVED")
	}
	if l.consumer != l.held {
		kit.Must(t, w.Down(t.Context(), string(l.consumer)))
		kit.Must(t, w.Up(t.Context(), string(l.held)))
	}
	if l.cancels {
		_, err := w.Shop.Cancel(t.Context(), id)
		kit.Must(t, err)
	}
	typ := l.event.Type()
	kit.Eventually(t, typ.Name+" to be published", func() error {
		if w.Count(t, string(typ.Service), `SELECT count(*)::int FROM outbox WHERE key = $1 AND type = $2 AND published_at IS NOT NULL`, id, typ.String()) == 0 {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	if typ == (events.ShipmentCreated{}).Type() && l.consumer == events.Order {
		w.AwaitState(t, "inventory", "reservation", id, "SOLD") // the other one that consumes it
	}
	w.forgets(t)
	if l.consumer == events.Inventory && l.ends == order.CONFIRMED {
		kit.Must(t, w.Restart(t.Context(), "inventory", map[string]string{"HOLD_BUDGET": "1s"}))
	} else {
		kit.Must(t, w.Up(t.Context(), string(l.consumer)))
	}
	if !l.cancels && l.ends != "" {
		kit.Eventually(t, "the cancel to be answered", func() error {
			_, err := w.Shop.Cancel(t.Context(), id) // of an order that is pending
			if got, failed := w.Shop.Get(t.Context(), id); failed == nil && (got.Status == order.CONFIRMED || got.Status == order.CANCELLED) {
				return nil
			}
			return err
		})
	}
	if got := w.Ends(t, id); got.Status != l.ends {
		t.Errorf("the order is %s because of %q, want %s", got.Status, kit.Deref(got.Reason), l.ends)
	}
	if l.ends == order.CONFIRMED {
		w.AwaitState(t, "inventory", "reservation", id, "SOLD")
		return
	}
	if state := w.State(t, "inventory", "reservation", id); state != "RELEASED" && state != "REJECTED" {
		t.Errorf("its stock is %s", state)
	}
	if captured, refunded := w.Gateway(t, id); captured != refunded {
		t.Errorf("%d charges and %d refunds", captured, refunded)
	}
}

// forgets has the stream keep messages for a second only, until it has none.
func (w *system) forgets(t *testing.T) {
	t.Helper()
	env, err := w.Environment(supervisor.Provisioner)
	kit.Must(t, err)
	nc, err := nats.Connect(env["NATS_URL"], nats.CustomInboxPrefix(natsadmin.InboxPrefix(natsadmin.Provisioner)))
	kit.Must(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	kit.Must(t, err)
	stream, err := js.Stream(t.Context(), events.Stream)
	kit.Must(t, err)
	keeps := stream.CachedInfo().Config
	for _, age := range []time.Duration{0, time.Second} { // without an age in between the server goes by the old one
		short := keeps
		short.MaxAge, short.Duplicates = age, time.Second
		_, err = js.UpdateStream(t.Context(), short)
		kit.Must(t, err)
	}
	defer func() {
		_, err := js.UpdateStream(context.WithoutCancel(t.Context()), keeps)
		kit.Must(t, err)
	}()
	kit.Eventually(t, "the stream to forget", func() error {
		info, err := stream.Info(t.Context())
		if err == nil && info.State.Msgs > 0 {
			err = fmt.Errorf("it has %d messages", info.State.Msgs)
		}
		return err
	})
}

// holdsButInTheStream checks every invariant but the one that what was published is there now.
func holdsButInTheStream(t *testing.T, w *system) {
	t.Helper()
	report, err := verify.Check(t.Context(), w.At, verify.Options{AtRest: true, Within: 30 * time.Second, Secrets: w.Secrets()})
	kit.Must(t, err)
	for _, result := range report.Results {
		if !result.Holds && result.ID != "I14" {
			t.Errorf("%s does not hold: %s: %v", result.ID, result.Sentence, result.Offenders)
		}
	}
}
