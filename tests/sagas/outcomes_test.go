package sagas

import (
	"net/http"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/internal/failpoint"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// TestSystem_Outcomes is everything that one quiet system shows: nothing dies here.
func TestSystem_Outcomes(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Faults: true, Env: map[string]map[string]string{
		"gateway": {"SLOW_DELAY": "3s"}, // time enough to cancel while the gateway thinks
	}})
	t.Run("together", func(t *testing.T) { // ends when all of them have
		t.Run("outcomes", func(t *testing.T) { t.Parallel(); kit.Outcomes(t, w.System) })
		t.Run("a cancel comes in time", func(t *testing.T) { t.Parallel(); kit.CancelInTime(t, w.System) })
		t.Run("a cancel comes too late", func(t *testing.T) { t.Parallel(); cancelTooLate(t, w) })
		t.Run("mails", func(t *testing.T) { t.Parallel(); kit.Mails(t, w.System) })
		t.Run("fifty want ten", func(t *testing.T) { t.Parallel(); fiftyWantTen(t, w) })
		t.Run("one key, a thousand requests", func(t *testing.T) { t.Parallel(); oneKey(t, w) })
		t.Run("both versions of the API", func(t *testing.T) { t.Parallel(); bothAPIs(t, w) })
		t.Run("rows of an order", func(t *testing.T) { t.Parallel(); rowsOfAnOrder(t, w) })
		t.Run("HEAD", func(t *testing.T) { t.Parallel(); heads(t, w) })
		t.Run("logins", func(t *testing.T) { t.Parallel(); databaseLogins(t, w); brokerLogins(t, w) })
	})
	w.Holds(t, w.Secrets()...)
	t.Run("bad input", func(t *testing.T) { badInput(t, w) }) // alone: nothing may be stored meanwhile
	w.Holds(t, w.Secrets()...)
}

// cancelTooLate: the shipment exists and the order service has not heard of it yet, when the customer
// cancels. The wanted is recorded, and the order is confirmed in spite of it.
func cancelTooLate(t *testing.T, w *system) {
	wanted := client.One("gizmo", 1)
	wanted.Token = "tok_slow" // so that the order service is deaf before there is something to hear
	id := w.Place(t, wanted)
	release := w.hold(t, "order", failpoint.InboxReceived, id)
	w.AwaitState(t, "shipping", "shipment", id, "CREATED")
	if got, err := w.Shop.Cancel(t.Context(), id); err != nil || got.Status != order.CANCELLING {
		t.Errorf("the cancel: the order is %s (%v), want CANCELLING", got.Status, err)
	}
	release()
	if got := w.Ends(t, id); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s, although it was shipped", got.Status)
	}
	w.AwaitState(t, "shipping", "shipment", id, "CREATED")
	if captured, refunded := w.Gateway(t, id); captured != 1 || refunded != 0 {
		t.Errorf("the gateway has %d charges and %d refunds of a shipped order", captured, refunded)
	}
	if _, err := w.Shop.Cancel(t.Context(), id); kit.Status(err) != http.StatusConflict {
		t.Errorf("a cancel of a confirmed order: %v, want 409", err)
	}
}

// fiftyWantTen: exactly ten of fifty concurrent orders get one of ten pieces.
func fiftyWantTen(t *testing.T, w *system) {
	if _, err := w.Shop.SetStock(t.Context(), "last-one", 10, "ten for fifty"); err != nil {
		t.Fatal(err)
	}
	var customers errgroup.Group
	var mu sync.Mutex
	count := map[order.Status]int{}
	for range 50 {
		customers.Go(func() error {
			id, err := w.TryPlace(t.Context(), client.One("last-one", 1))
			if err != nil {
				return err
			}
			got, err := w.TryEnd(t.Context(), id)
			mu.Lock()
			defer mu.Unlock()
			count[got.Status]++
			return err
		})
	}
	kit.Must(t, customers.Wait())
	if count[order.CONFIRMED] != 10 || count[order.CANCELLED] != 40 {
		t.Errorf("the orders ended %v, want 10 confirmed and 40 cancelled", count)
	}
	kit.Eventually(t, "the stock to be sold", func() error { return w.StockIs(t, "last-one", 0, 0, 10) })
}
