package sagas

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// TestSystem_UnderFire kills, stops and starts everything there is, while sagas are under way.
func TestSystem_UnderFire(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Faults: true})
	for _, test := range midway {
		t.Run(test.victim+" is killed in the middle of a saga", func(t *testing.T) { test.run(t, w) })
	}
	w.Holds(t, w.Secrets()...)
	t.Run("every process is killed under load", func(t *testing.T) { everyoneUnderLoad(t, w) })
	t.Run("the servers are restarted under load", func(t *testing.T) { serversUnderLoad(t, w) })
	w.Holds(t, w.Secrets()...)
	t.Run("a deadline passes", func(t *testing.T) { deadline(t, w) })
	w.Holds(t, w.Secrets()...)
}

// killing is a process that dies while a saga needs it. It is paused first, so that the saga surely has not
// gone past it, and is killed when the saga has come to it.
type killing struct {
	victim string
	paused string // who holds the saga up
	until  func(t *testing.T, w *system, id string)
}

var midway = []killing{
	{"inventory", "inventory", func(t *testing.T, w *system, id string) { w.published(t, "order", id) }},
	{"payment", "payment", func(t *testing.T, w *system, id string) {
		w.AwaitState(t, "inventory", "reservation", id, "RESERVED")
	}},
	{"gateway", "gateway", func(t *testing.T, w *system, id string) { w.attempted(t, id) }},
	{"ambassador", "ambassador", func(t *testing.T, w *system, id string) { w.attempted(t, id) }},
	{"shipping", "shipping", func(t *testing.T, w *system, id string) { w.AwaitState(t, "payment", "payment", id, "CAPTURED") }},
	{"order", "shipping", func(t *testing.T, w *system, id string) { w.AwaitState(t, "payment", "payment", id, "CAPTURED") }},
	{supervisor.Provisioner, "shipping", func(t *testing.T, w *system, id string) { w.AwaitState(t, "payment", "payment", id, "CAPTURED") }},
	{supervisor.NATS, "shipping", func(t *testing.T, w *system, id string) { w.AwaitState(t, "payment", "payment", id, "CAPTURED") }},
	{supervisor.Postgres, "shipping", func(t *testing.T, w *system, id string) { w.AwaitState(t, "payment", "payment", id, "CAPTURED") }},
}

func (k killing) run(t *testing.T, w *system) {
	deaths := w.Deaths(k.victim)
	kit.Must(t, w.Pause(k.paused))
	id := w.Place(t, client.One("widget", 1))
	k.until(t, w, id)
	kit.Must(t, w.Kill(k.victim, syscall.SIGKILL))
	kit.Eventually(t, "the death of "+k.victim, func() error {
		if w.Deaths(k.victim) == deaths {
			return fmt.Errorf("it lives")
		}
		return nil
	})
	if k.paused != k.victim {
		kit.Must(t, w.Continue(k.paused))
	}
	if got := w.Ends(t, id); got.Status != order.CONFIRMED {
		t.Errorf("the order is %s because of %q", got.Status, kit.Deref(got.Reason))
	}
	if captured, refunded := w.Gateway(t, id); captured != 1 || refunded != 0 {
		t.Errorf("the gateway has %d charges and %d refunds", captured, refunded)
	}
}

// published waits until the order's event has left the order service.
func (w *system) published(t *testing.T, service, id string) {
	t.Helper()
	kit.Eventually(t, "the event to be published", func() error {
		if n := w.Count(t, service, `SELECT count(*)::int FROM outbox WHERE key = $1 AND published_at IS NOT NULL`, id); n == 0 {
			return fmt.Errorf("it is not")
		}
		return nil
	})
}

// attempted waits until payment has begun to ask for the charge.
func (w *system) attempted(t *testing.T, id string) {
	t.Helper()
	kit.Eventually(t, "the charge to be asked for", func() error {
		if n := w.Count(t, "payment", `SELECT count(*)::int FROM payment WHERE order_id = $1 AND attempts > 0`, id); n == 0 {
			return fmt.Errorf("it is not")
		}
		return nil
	})
}

// everyoneUnderLoad kills each of our processes while customers go on ordering.
func everyoneUnderLoad(t *testing.T, w *system) {
	w.underLoad(t, func() {
		for _, victim := range []string{"order", "inventory", "payment", "shipping", "notification", "gateway", "ambassador", supervisor.Provisioner, supervisor.Mail} {
			deaths := w.Deaths(victim)
			kit.Must(t, w.Kill(victim, syscall.SIGKILL))
			kit.Eventually(t, victim+" to be back", func() error {
				if w.Deaths(victim) == deaths {
					return fmt.Errorf("it has not died yet")
				}
				return w.AwaitReady(t.Context(), victim)
			})
		}
	})
}

// serversUnderLoad ends NATS and Postgres, cleanly and by SIGKILL, while customers go on ordering.
func serversUnderLoad(t *testing.T, w *system) {
	w.underLoad(t, func() {
		for _, server := range []string{supervisor.NATS, supervisor.Postgres} {
			kit.Must(t, w.Restart(t.Context(), server, nil))
			kit.Must(t, w.AwaitReady(t.Context()))
			deaths := w.Deaths(server)
			kit.Eventually(t, server+" to run", func() error { return w.Kill(server, syscall.SIGKILL) })
			kit.Eventually(t, server+" to be back", func() error {
				if w.Deaths(server) == deaths {
					return fmt.Errorf("it has not died yet")
				}
				return w.AwaitReady(t.Context())
			})
		}
	})
}

// underLoad has sixteen customers order one thing after the other while something is done, and for a while
// afterwards. Every order that was accepted must end well: nothing is wrong with any of them.
func (w *system) underLoad(t *testing.T, do func()) {
	t.Helper()
	var customers errgroup.Group
	var over atomic.Bool
	var orders atomic.Int64
	for range 16 {
		customers.Go(func() error {
			for more := 2; more > 0; {
				if over.Load() {
					more--
				}
				if err := w.shopping(t.Context()); err != nil {
					return err
				}
				orders.Add(1)
			}
			return nil
		})
	}
	do()
	over.Store(true)
	kit.Must(t, customers.Wait())
	t.Logf("%d orders", orders.Load())
}

func (w *system) shopping(ctx context.Context) error {
	wanted := client.One("gizmo", 1)
	wanted.Email = "ada@customers.example"
	id, err := w.TryPlace(ctx, wanted)
	if err != nil {
		return err
	}
	got, err := w.TryEnd(ctx, id)
	if err == nil && got.Status != order.CONFIRMED {
		err = fmt.Errorf("order %s is %s because of %q", id, got.Status, kit.Deref(got.Reason))
	}
	return err
}

// deadline: inventory is away for longer than an order may take. The order is cancelled by itself, backwards
// through the services, as soon as they can.
func deadline(t *testing.T, w *system) {
	kit.Must(t, w.Restart(t.Context(), "order", map[string]string{"ORDER_DEADLINE": "1s"}))
	kit.Must(t, w.Down(t.Context(), "inventory"))
	id := w.Place(t, client.One("widget", 1))
	w.AwaitState(t, "shipping", "shipment", id, "FENCED")
	w.AwaitState(t, "payment", "payment", id, "VOIDED")
	if got, err := w.Shop.Get(t.Context(), id); err != nil || got.Status != order.CANCELLING {
		t.Errorf("while inventory is away the order is %s (%v), want CANCELLING", got.Status, err)
	}
	kit.Must(t, w.Up(t.Context(), "inventory"))
	got := w.Ends(t, id)
	if got.Status != order.CANCELLED || !strings.Contains(kit.Deref(got.Reason), "deadline") {
		t.Errorf("the order is %s because of %q", got.Status, kit.Deref(got.Reason))
	}
	w.AwaitState(t, "inventory", "reservation", id, "RELEASED")
	if captured, _ := w.Gateway(t, id); captured != 0 {
		t.Errorf("the gateway has %d charges", captured)
	}
}
