package sagas

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/shop"
	"example.com/ordersaga/apps/system"
	"example.com/ordersaga/pkg/fault"
	order "example.com/ordersaga/services/order/api"
)

// TestTheSystem is everything that one quiet system shows: nothing dies here.
func TestTheSystem(t *testing.T) {
	t.Parallel()
	w := open(t, system.Options{Faults: true, Env: map[string]map[string]string{
		"gateway": {"SLOW_DELAY": "3s"}, // time enough to cancel while the gateway thinks
	}})
	t.Run("together", func(t *testing.T) { // ends when all of them have
		t.Run("outcomes", func(t *testing.T) { t.Parallel(); outcomes(t, w) })
		t.Run("a cancel comes in time", func(t *testing.T) { t.Parallel(); cancelInTime(t, w) })
		t.Run("a cancel comes too late", func(t *testing.T) { t.Parallel(); cancelTooLate(t, w) })
		t.Run("fifty want ten", func(t *testing.T) { t.Parallel(); fiftyWantTen(t, w) })
		t.Run("one key, a thousand requests", func(t *testing.T) { t.Parallel(); oneKey(t, w) })
		t.Run("logins", func(t *testing.T) { t.Parallel(); databaseLogins(t, w); brokerLogins(t, w) })
	})
	w.holds(t)
	t.Run("bad input", func(t *testing.T) { badInput(t, w) }) // alone: nothing may be stored meanwhile
	w.holds(t)
}

// outcomes are the ways in which a saga ends by itself, and what each service has to show for it.
func outcomes(t *testing.T, w *world) {
	for _, test := range []struct {
		name                           string
		wish                           func(*shop.Wish)
		status                         order.Status
		reason                         string // a part of it
		reservation, payment, shipment string // states; empty: the service never heard of the order
		captured, refunded             int
	}{
		{"success", func(*shop.Wish) {}, order.CONFIRMED, "", "SOLD", "CAPTURED", "CREATED", 1, 0},
		{"out of stock", func(o *shop.Wish) { o.Items[0].Sku = "unobtainium" }, order.CANCELLED, "out_of_stock", "REJECTED", "", "", 0, 0},
		{"declined", func(o *shop.Wish) { o.Token = "tok_declined" }, order.CANCELLED, "card_declined", "RELEASED", "DECLINED", "", 0, 0},
		{"shipping fails", func(o *shop.Wish) { o.Country = "AQ" }, order.CANCELLED, "destination_not_served", "RELEASED", "REFUNDED", "FAILED", 1, 1},
		{"the gateway's answer is lost", func(o *shop.Wish) { o.Token = "tok_lost_response" }, order.CONFIRMED, "", "SOLD", "CAPTURED", "CREATED", 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wish := shop.One("gadget", 2)
			test.wish(&wish)
			id := w.place(t, wish)
			got := w.ends(t, id)
			if got.Status != test.status || !strings.Contains(deref(got.Reason), test.reason) {
				t.Errorf("the order is %s because of %q, want %s because of %q", got.Status, deref(got.Reason), test.status, test.reason)
			}
			if shipped := got.ShipmentId != nil; shipped != (test.status == order.CONFIRMED) {
				t.Errorf("the order shows a shipment: %v", shipped)
			}
			w.awaitState(t, "inventory", "reservation", id, test.reservation)
			w.awaitState(t, "payment", "payment", id, test.payment)
			w.awaitState(t, "shipping", "shipment", id, test.shipment)
			captured, refunded := w.gateway(t, id)
			if captured != test.captured || refunded != test.refunded {
				t.Errorf("the gateway has %d charges and %d refunds, want %d and %d", captured, refunded, test.captured, test.refunded)
			}
		})
	}
}

// cancelInTime: the gateway still thinks when the customer changes their mind, so what it captures is
// given back.
func cancelInTime(t *testing.T, w *world) {
	wish := shop.One("gizmo", 1)
	wish.Token = "tok_slow"
	id := w.place(t, wish)
	if _, err := w.shop.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := w.shop.Cancel(t.Context(), id); err != nil {
		t.Errorf("a second cancel: %v", err)
	}
	if got := w.ends(t, id); got.Status != order.CANCELLED {
		t.Errorf("the order is %s", got.Status)
	}
	w.awaitState(t, "shipping", "shipment", id, "FENCED")
	if captured, refunded := w.gateway(t, id); captured != refunded {
		t.Errorf("the gateway has %d charges and %d refunds of a cancelled order", captured, refunded)
	}
	if _, err := w.shop.Cancel(t.Context(), id); status(err) != http.StatusConflict {
		t.Errorf("a cancel of a cancelled order: %v, want 409", err)
	}
}

// cancelTooLate: the shipment exists and the order service has not heard of it yet, when the customer
// cancels. The wish is recorded, and the order is confirmed in spite of it.
func cancelTooLate(t *testing.T, w *world) {
	wish := shop.One("gizmo", 1)
	wish.Token = "tok_slow" // so that the order service is deaf before there is something to hear
	id := w.place(t, wish)
	release := w.hold(t, "order", fault.InboxReceived, id)
	w.awaitState(t, "shipping", "shipment", id, "CREATED")
	if got, err := w.shop.Cancel(t.Context(), id); err != nil || got.Status != order.CANCELLING {
		t.Errorf("the cancel: the order is %s (%v), want CANCELLING", got.Status, err)
	}
	release()
	if got := w.ends(t, id); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s, although it was shipped", got.Status)
	}
	w.awaitState(t, "shipping", "shipment", id, "CREATED")
	if captured, refunded := w.gateway(t, id); captured != 1 || refunded != 0 {
		t.Errorf("the gateway has %d charges and %d refunds of a shipped order", captured, refunded)
	}
	if _, err := w.shop.Cancel(t.Context(), id); status(err) != http.StatusConflict {
		t.Errorf("a cancel of a confirmed order: %v, want 409", err)
	}
}

// fiftyWantTen: exactly ten of fifty concurrent orders get one of ten pieces.
func fiftyWantTen(t *testing.T, w *world) {
	if _, err := w.shop.SetStock(t.Context(), "last-one", 10, "ten for fifty"); err != nil {
		t.Fatal(err)
	}
	var customers errgroup.Group
	var mu sync.Mutex
	count := map[order.Status]int{}
	for range 50 {
		customers.Go(func() error {
			id, err := w.tryPlace(t.Context(), shop.One("last-one", 1))
			if err != nil {
				return err
			}
			got, err := w.tryEnd(t.Context(), id)
			mu.Lock()
			defer mu.Unlock()
			count[got.Status]++
			return err
		})
	}
	must(t, customers.Wait())
	if count[order.CONFIRMED] != 10 || count[order.CANCELLED] != 40 {
		t.Errorf("the orders ended %v, want 10 confirmed and 40 cancelled", count)
	}
	eventually(t, "the stock to be sold", func() error { return w.stockIs(t, "last-one", 0, 0, 10) })
}
