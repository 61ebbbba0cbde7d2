package sagas

import (
	"fmt"
	"maps"
	"slices"
	"syscall"
	"testing"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/pkg/events"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

const (
	first  = "saga.order.OrderCreated.v1"
	second = "saga.order.OrderCreated.v2"
)

// TestVersions_AMixedFleet is the way of the upcaster: whoever hears orders hears both versions, so every order process
// may speak the one that it speaks, and they are upgraded one after the other while customers go on ordering.
func TestVersions_AMixedFleet(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{
		Replicas: map[string]int{"order": 2, "inventory": 2},
		Env:      map[string]map[string]string{"order-2": {"ORDER_CREATED_VERSION": "2"}},
	})
	old, upgraded := w.Through(t, "order"), w.Through(t, "order-2")
	t.Run("each speaks its version, and both are consumed", func(t *testing.T) {
		for customers, version := range map[*kit.System]string{old: first, upgraded: second} {
			id := customers.Place(t, client.One("widget", 1))
			if got := customers.Ends(t, id); got.Status != order.CONFIRMED {
				t.Errorf("published as %s the order is %s because of %q", version, got.Status, kit.Deref(got.Reason))
			}
			w.consumed(t, id, version)
		}
	})
	t.Run("a rolling upgrade under load loses nothing", func(t *testing.T) { rollingUpgrade(t, w, upgraded) })
	w.noDeadLetters(t)
	for _, customers := range []*kit.System{w.System, old, upgraded} { // what any of them was promised is kept
		customers.Holds(t, w.Secrets()...)
	}
}

// consumed wants inventory to have consumed an order in one version, and in no other.
func (w *system) consumed(t *testing.T, id, version string) {
	t.Helper()
	got := kit.Query[[]string](t, w.At.Databases["inventory"],
		`SELECT coalesce(array_agg(type), '{}') FROM inbox WHERE key = $1 AND type LIKE 'saga.order.OrderCreated.%'`, id)
	if !slices.Equal(got, []string{version}) {
		t.Errorf("inventory has consumed order %s as %v, want %s", id, got, version)
	}
}

// rollingUpgrade begins with all of them speaking the first version, and ends with the second, one process after
// the other. Customers go on ordering at both; whoever meets one that restarts asks again.
func rollingUpgrade(t *testing.T, w *system, elsewhere *kit.System) {
	speak := func(process, version string) {
		kit.Must(t, w.Restart(t.Context(), process, map[string]string{"ORDER_CREATED_VERSION": version}))
	}
	speak("order-2", "1")
	before := w.announced(t)
	w.underLoad(t, func() {
		other := &system{elsewhere}
		other.underLoad(t, func() {
			w.more(t, first, before)
			speak("order", "2")
			speak("order-2", "2")
			w.more(t, second, before)
		})
	})
	// The last word is the new one's alone.
	last := w.announced(t)
	for _, customers := range []*kit.System{w.System, elsewhere} {
		customers.Ends(t, customers.Place(t, client.One("widget", 1)))
	}
	after := w.announced(t)
	if after[first] != last[first] || after[second] != last[second]+2 {
		t.Errorf("after the upgrade orders are announced as %v, and were %v before these two", after, last)
	}
	t.Logf("announced: %v", after)
}

// announced is how many orders have been announced in each version.
func (w *system) announced(t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, version := range []string{first, second} {
		n[version] = w.Count(t, "order", `SELECT count(*)::int FROM outbox WHERE type = $1`, version)
	}
	return n
}

// more waits until more orders than before have been announced in a version.
func (w *system) more(t *testing.T, version string, before map[string]int) {
	t.Helper()
	kit.Eventually(t, "orders to be announced as "+version, func() error {
		if n := w.announced(t)[version]; n < before[version]+16 {
			return fmt.Errorf("there are %d, and were %d", n, before[version])
		}
		return nil
	})
}

func (w *system) noDeadLetters(t *testing.T) {
	t.Helper()
	all := 0
	for _, service := range events.Consumers {
		n := w.Count(t, string(service), `SELECT count(*)::int FROM dead_letter`)
		if all += n; n != 0 {
			t.Errorf("%s has %d dead letters", service, n)
		}
	}
	t.Logf("measured: %d events not handled", all)
}

// TestVersions_LegacyConsumers is the way of the translator: nobody who hears orders knows their second version, and the
// order service says nothing else any more.
func TestVersions_LegacyConsumers(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Translate: true, Env: map[string]map[string]string{"order": {"ORDER_CREATED_VERSION": "2"}}})
	t.Run("outcomes", func(t *testing.T) { kit.Outcomes(t, w.System) })
	t.Run("the translator is killed under load", func(t *testing.T) {
		w.underLoad(t, func() {
			before := w.announced(t)
			for range 3 {
				w.more(t, second, before)
				before = w.announced(t)
				deaths := w.Deaths(supervisor.Translator)
				kit.Must(t, w.Kill(supervisor.Translator, syscall.SIGKILL))
				kit.Eventually(t, "the translator to be back", func() error {
					if w.Deaths(supervisor.Translator) == deaths {
						return fmt.Errorf("it has not died yet")
					}
					return w.AwaitReady(t.Context(), supervisor.Translator)
				})
			}
		})
	})
	t.Run("the broker loses everything under load", func(t *testing.T) {
		w.underLoad(t, func() {
			kit.Must(t, w.WipeBroker(t.Context()))
			kit.Must(t, w.AwaitReady(t.Context()))
		})
	})
	w.publishedOnce(t)
	w.MetricsAreNamedWell(t) // the translator's among them
	t.Run("the consumers learn the second version under load", func(t *testing.T) { consumersLearn(t, w) })
	w.noDeadLetters(t)
	w.Holds(t, w.Secrets()...)
}

// consumersLearn goes over from the translator to the upcaster. The translator goes on until it has nothing left
// that it was given, so an order may come both ways, and the state guard absorbs it; none comes no way.
func consumersLearn(t *testing.T, w *system) {
	w.underLoad(t, func() {
		kit.Must(t, w.Restart(t.Context(), supervisor.Provisioner, map[string]string{"TRANSLATED": ""}))
		kit.Eventually(t, "inventory to hear the second version", func() error {
			if n := w.Count(t, "inventory", `SELECT count(*)::int FROM inbox WHERE type = $1`, second); n < 16 {
				return fmt.Errorf("it has consumed %d", n)
			}
			return nil
		})
	})
}

// publishedOnce wants the stream to hold each order once in each version, and inventory to have consumed the first alone.
// What the broker had lost is published again for orders that have ended long ago, so it may take a while.
func (w *system) publishedOnce(t *testing.T) {
	t.Helper()
	stream, err := eventlog.Open(w.At.NATS)
	kit.Must(t, err)
	defer stream.Close()
	kit.Eventually(t, "every order to be published once in each version", func() error {
		published := map[string]map[string]int{first: {}, second: {}}
		err := stream.History(t.Context(), "", func(seen eventlog.Seen) error {
			if orders := published[seen.Envelope.Type]; orders != nil {
				orders[seen.Envelope.Subject]++
			}
			return nil
		})
		if err == nil && (len(published[second]) == 0 || !maps.Equal(published[first], published[second])) {
			err = fmt.Errorf("%d orders are published as %s and %d as %s", len(published[first]), first, len(published[second]), second)
		}
		for id, n := range published[first] {
			if n != 1 {
				return fmt.Errorf("order %s is published %d times as %s", id, n, first)
			}
		}
		return err
	})
	if n := w.Count(t, "inventory", `SELECT count(*)::int FROM inbox WHERE type = $1`, second); n != 0 {
		t.Errorf("inventory was given %d orders in the version that it does not know", n)
	}
}

// TestVersions_OneThatNobodyKnows: an event of a version to come is not given to anyone, so its order falls to its
// deadline like one whose event was lost. Nothing is left of it, and nobody else is disturbed. When somebody says
// it after all, in words that are known, it meets the tombstone.
func TestVersions_OneThatNobodyKnows(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Translate: true, Env: map[string]map[string]string{
		// Nobody translates: for these consumers the second version is one to come.
		"order": {"ORDER_CREATED_VERSION": "2", "ORDER_DEADLINE": "2s"},
	}})
	kit.Must(t, w.Down(t.Context(), supervisor.Translator))
	id := w.Place(t, client.One("widget", 1))
	if got := w.Ends(t, id); got.Status != order.CANCELLED || kit.Deref(got.Reason) != "deadline" {
		t.Errorf("the order is %s because of %q", got.Status, kit.Deref(got.Reason))
	}
	kit.Must(t, w.Up(t.Context(), supervisor.Translator))
	kit.Eventually(t, "inventory to hear of it", func() error {
		if n := w.Count(t, "inventory", `SELECT count(*)::int FROM inbox WHERE key = $1 AND type = $2`, id, first); n != 1 {
			return fmt.Errorf("it was told %d times", n)
		}
		return nil
	})
	if got := w.State(t, "inventory", "reservation", id); got != "RELEASED" {
		t.Errorf("the reservation is %s", got)
	}
	kit.Must(t, w.Restart(t.Context(), "order", map[string]string{"ORDER_CREATED_VERSION": "1", "ORDER_DEADLINE": ""}))
	if got := w.Ends(t, w.Place(t, client.One("widget", 1))); got.Status != order.CONFIRMED {
		t.Errorf("an order in a version that is known is %s", got.Status)
	}
	w.noDeadLetters(t)
	w.Holds(t, w.Secrets()...)
}
