package sagas

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// inFlight is how many sagas are under way when the broker forgets.
const inFlight = 200

// TestBroker_DataLoss has 200 sagas wait in the middle, with their events acknowledged by the broker, and
// then takes those away from it: everything, or the end. The services publish again what is missing.
func TestBroker_DataLoss(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{})
	for name, forget := range map[string]func(*testing.T, *system) []string{
		"everything":                       forgetEverything,
		"the last of what it acknowledged": forgetTail,
	} {
		t.Run(name, func(t *testing.T) { // one after the other: it is the same broker
			for _, id := range forget(t, w) {
				if got := w.Ends(t, id); got.Status != order.CONFIRMED {
					t.Errorf("order %s is %s because of %q", id, got.Status, kit.Deref(got.Reason))
				}
			}
			w.Holds(t, w.Secrets()...)
		})
	}
}

// forgetEverything loses the broker's volume.
func forgetEverything(t *testing.T, w *system) []string {
	orders := w.midway(t)
	kit.Must(t, w.WipeBroker(t.Context()))
	kit.Must(t, w.Up(t.Context(), "shipping"))
	return orders
}

// forgetTail has the broker go on with an older copy of its files, as after a power loss.
func forgetTail(t *testing.T, w *system) []string {
	kit.Must(t, w.AwaitReady(t.Context()))
	older := t.TempDir()
	kit.Must(t, w.Down(t.Context(), supervisor.NATS))
	kit.Must(t, os.CopyFS(older, os.DirFS(w.BrokerStore())))
	kit.Must(t, w.Up(t.Context(), supervisor.NATS))
	orders := w.midway(t)
	kit.Must(t, w.Down(t.Context(), supervisor.NATS))
	kit.Must(t, os.RemoveAll(w.BrokerStore()))
	kit.Must(t, os.CopyFS(w.BrokerStore(), os.DirFS(older)))
	kit.Must(t, w.Up(t.Context(), supervisor.NATS))
	kit.Must(t, w.Up(t.Context(), "shipping"))
	return orders
}

// midway places orders that are paid, announced to shipping, and not shipped: shipping is away.
func (w *system) midway(t *testing.T) []string {
	t.Helper()
	kit.Must(t, w.AwaitReady(t.Context()))
	kit.Must(t, w.Down(t.Context(), "shipping"))
	began := time.Now()
	orders := make([]string, inFlight)
	var customers errgroup.Group
	customers.SetLimit(32)
	for i := range orders {
		customers.Go(func() (err error) {
			orders[i], err = w.TryPlace(t.Context(), client.One("widget", 1))
			return err
		})
	}
	kit.Must(t, customers.Wait())
	kit.Eventually(t, "every payment to be announced", func() error {
		n := w.Count(t, "payment", `SELECT count(*)::int FROM outbox WHERE key = ANY($1::uuid[]) AND type LIKE '%PaymentProcessed%' AND published_at IS NOT NULL`, orders)
		if n < inFlight {
			return fmt.Errorf("%d of %d are", n, inFlight)
		}
		return nil
	})
	t.Logf("%d sagas under way after %v", inFlight, time.Since(began).Round(time.Millisecond))
	return orders
}
