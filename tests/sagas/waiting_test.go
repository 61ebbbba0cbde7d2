package sagas

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// TestOrder_OneThatWaitsShowsWhy is about what a customer and an operator see while a saga does not go on.
func TestOrder_OneThatWaitsShowsWhy(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Faults: true, Env: map[string]map[string]string{
		"order":   {"CANCEL_BUDGET": "1s"},
		"payment": {"GATEWAY_TIMEOUT": "3s", "GATEWAY_HORIZON": "4s", "CHARGE_BUDGET": "3s", "RECONCILE_EVERY": "1s", "RECONCILE_GRACE": "2s"},
		"gateway": {"IN_FLIGHT_HORIZON": "4s"},
	}})
	t.Run("the gateway says nothing", func(t *testing.T) { gatewaySilent(t, w) })
	t.Run("shipping is down, and the customer cancels", func(t *testing.T) { shippingDown(t, w) })
	w.Holds(t, w.Secrets()...)
}

// TestOrder_IsAcceptedWhileAnotherServiceIsDown asks each customer once: nobody has to repeat a request because of a service
// that takes part later.
func TestOrder_IsAcceptedWhileAnotherServiceIsDown(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{})
	kit.Must(t, w.Down(t.Context(), "payment"))
	const orders = 50
	var accepted []string
	for range orders {
		wanted := client.One("widget", 1)
		wanted.Key = uuid.NewString()
		if got, _, err := w.Shop.Place(t.Context(), wanted); err == nil {
			accepted = append(accepted, got.Id)
		}
	}
	t.Logf("measured: %d of %d orders accepted", len(accepted), orders)
	if len(accepted) != orders {
		t.Errorf("%d of %d orders were accepted", len(accepted), orders)
	}
	kit.Must(t, w.Up(t.Context(), "payment"))
	for _, id := range accepted {
		if got := w.Ends(t, id); got.Status != order.CONFIRMED {
			t.Errorf("the order %s ended %s: %s", id, got.Status, kit.Deref(got.Reason))
		}
	}
	w.Holds(t, w.Secrets()...)
}

func gatewaySilent(t *testing.T, w *system) {
	placing := client.One("widget", 1)
	placing.Token = "tok_error_always"
	id := w.Place(t, placing)
	saga := w.awaitSaga(t, id, "to wait for the gateway", func(s order.Saga) bool {
		return s.WaitingFor != nil && s.WaitingFor.Attempts > 0 && s.WaitingFor.Why == "the gateway answered 500"
	})
	if saga.WaitingFor.Step != "charge" || saga.WaitingFor.Service != "payment" || saga.Steps[1].Attempts == 0 {
		t.Errorf("it waits for %+v; charge is %+v", *saga.WaitingFor, saga.Steps[1])
	}
	if got := progress(saga); got != "Committed Processing Pending" {
		t.Errorf("the steps are %s", got)
	}
	if got := w.Ends(t, id); got.Status != order.CANCELLED || got.WaitingFor != nil {
		t.Errorf("it ended %s and waits for %v", got.Status, got.WaitingFor)
	}
	if got := progress(w.saga(t, id)); got != "Compensated Compensated Pending" {
		t.Errorf("the steps are %s at the end", got)
	}
}

// shippingDown: nobody else can decide whether a cancel comes in time. It is accepted, it is told that it takes
// too long and why, and everything is well by itself when shipping is there again.
func shippingDown(t *testing.T, w *system) {
	kit.Must(t, w.Down(t.Context(), "shipping"))
	id := w.Place(t, client.One("widget", 1))
	screen := w.watch(t, id)
	saga := w.awaitSaga(t, id, "to wait for shipping", func(s order.Saga) bool { return s.WaitingFor != nil && s.WaitingFor.Step == "ship" })
	if saga.WaitingFor.Why != "shipping cannot be reached" || saga.Direction != order.SagaDirectionForward || saga.Expected.Service != "shipping" {
		t.Errorf("it waits for %+v, and goes %s to %+v", *saga.WaitingFor, saga.Direction, *saga.Expected)
	}
	shows(t, screen, "In Progress, forward: waits for ship by shipping for", "shipping cannot be reached; next: ShipmentCreated or ShipmentFailed")
	if got, err := w.Shop.Cancel(t.Context(), id); err != nil || got.Status != order.CANCELLING {
		t.Errorf("the cancel: the order is %s (%v), want CANCELLING", got.Status, err)
	}
	saga = w.awaitSaga(t, id, "to need attention", func(s order.Saga) bool { return len(s.Incidents) == 1 })
	if i := saga.Incidents[0]; saga.Status != order.NEEDSATTENTION || i.Kind != "overdue" || i.Service != "order" {
		t.Errorf("the order is %s with %+v", saga.Status, i)
	}
	got, err := w.Shop.Get(t.Context(), id)
	if err != nil || got.WaitingFor == nil || got.WaitingFor.Step != "fence" || got.WaitingFor.Why != "shipping cannot be reached" {
		t.Errorf("the order waits for %+v (%v)", got.WaitingFor, err)
	}
	kit.Must(t, w.Up(t.Context(), "shipping"))
	// Both had waited for it: the paid order, and the placing to cancel. Either may be first.
	got = w.Ends(t, id)
	if late := got.Status == order.CONFIRMED; late != (got.ShipmentId != nil) || late && kit.Deref(got.Reason) != "cancel_too_late" {
		t.Errorf("the order ended %+v", got)
	}
	w.awaitSaga(t, id, "to need no attention", func(s order.Saga) bool { return len(s.Incidents) == 0 && s.WaitingFor == nil })
	shows(t, screen, "IncidentOpened       overdue: neither shipped nor cancelled", "saga "+string(w.saga(t, id).State))
}

// watch follows an order by sagactl until it has ended, and returns what can be read on its screen so far.
func (w *system) watch(t *testing.T, id string) (screen func() string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "screen")
	out, err := os.Create(file)
	kit.Must(t, err)
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	watching := w.Sagactl(ctx, t, "watch", id)
	watching.Stdout, watching.Stderr = out, out
	kit.Must(t, watching.Start())
	t.Cleanup(func() {
		if t.Failed() {
			end() // it may be watching still
		}
		if err := errors.Join(watching.Wait(), out.Close()); err != nil {
			t.Errorf("sagactl watch did not end by itself: %v", err)
		}
		end()
	})
	return func() string {
		text, err := os.ReadFile(file)
		kit.Must(t, err)
		return string(text)
	}
}

// shows waits until a screen shows all of these.
func shows(t *testing.T, screen func() string, lines ...string) {
	t.Helper()
	kit.Eventually(t, "the screen to show it", func() error {
		for _, line := range lines {
			if text := screen(); !strings.Contains(text, line) {
				return fmt.Errorf("%q is not in\n%s", line, text)
			}
		}
		return nil
	})
}

// TestCancel_AStormOfThem: a hundred customers and a hundred cancels of each order at random moments of its life. Whatever
// comes first, each order is shipped and paid, or neither.
func TestCancel_AStormOfThem(t *testing.T) {
	t.Parallel()
	const orders, cancels = 100, 100
	w := open(t, supervisor.Options{Env: map[string]map[string]string{"gateway": {"SLOW_DELAY": "300ms"}}})
	var customers errgroup.Group
	var mu sync.Mutex
	ends := map[order.Status]int{}
	for n := range orders {
		customers.Go(func() error {
			placing := client.One("widget", 1)
			if n%2 == 0 {
				placing.Token = "tok_slow" // so that some cancels meet an open charge
			}
			id, err := w.TryPlace(t.Context(), placing)
			if err != nil {
				return err
			}
			if err := w.storm(t, id, cancels); err != nil {
				return err
			}
			got, err := w.TryEnd(t.Context(), id)
			mu.Lock()
			defer mu.Unlock()
			ends[got.Status]++
			return err
		})
	}
	kit.Must(t, customers.Wait())
	t.Logf("the orders ended %v", ends)
	w.Holds(t, w.Secrets()...) // confirmed: shipped and paid in full; cancelled: not shipped, nothing kept
	if ends[order.CONFIRMED]+ends[order.CANCELLED] != orders || ends[order.CANCELLED] == 0 {
		t.Errorf("the orders ended %v, want all of %d, and cancels among them", ends, orders)
	}
}

// storm cancels an order many times over, each at a moment of its own within what a saga takes. What it is answered
// is that the placing is recorded, or that the order has ended; whoever is not answered asks again.
func (w *system) storm(t *testing.T, id string, cancels int) error {
	moments := make([]time.Duration, cancels)
	for i := range moments {
		moments[i] = rand.N(700 * time.Millisecond) //nolint:gosec // a moment, not a secret
	}
	slices.Sort(moments)
	var calls errgroup.Group
	calls.SetLimit(10)
	began := time.Now()
	for _, moment := range moments {
		<-time.After(moment - time.Since(began))
		calls.Go(func() error {
			return kit.Until(t.Context(), "a cancel of order "+id+" to be answered", func() error {
				if _, err := w.Shop.Cancel(t.Context(), id); kit.Status(err) != http.StatusConflict {
					return err
				}
				return nil
			})
		})
	}
	return calls.Wait()
}

func (w *system) saga(t *testing.T, id string) order.Saga {
	t.Helper()
	saga, err := w.Shop.Saga(t.Context(), id)
	kit.Must(t, err)
	return saga
}

// awaitSaga waits until an order's saga is as wanted.
func (w *system) awaitSaga(t *testing.T, id, what string, wanted func(order.Saga) bool) (saga order.Saga) {
	t.Helper()
	kit.Eventually(t, "order "+id+" "+what, func() (err error) {
		if saga, err = w.Shop.Saga(t.Context(), id); err == nil && !wanted(saga) {
			err = fmt.Errorf("it is %s: %s, %d incidents, waits for %+v", saga.Status, progress(saga), len(saga.Incidents), saga.WaitingFor)
		}
		return err
	})
	return saga
}

// progress is the three steps' words.
func progress(saga order.Saga) string {
	words := make([]string, len(saga.Steps))
	for i, step := range saga.Steps {
		words[i] = string(step.Progress)
	}
	return strings.Join(words, " ")
}
