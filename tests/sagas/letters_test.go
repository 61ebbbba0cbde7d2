package sagas

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// TestDeadLetters_AThousandPoisonMessages: a publisher has a bug, and what it says of every order for a gizmo makes no sense. The
// thousand orders for widgets between them never notice. Then two operators have the thousand others put right, both at
// the same time, while the service that does it is killed; and every order ends as if nothing had been wrong.
func TestDeadLetters_AThousandPoisonMessages(t *testing.T) {
	t.Parallel()
	const thousand = 1000
	w := open(t, supervisor.Options{})
	w.spoilGizmos(t)
	var customers errgroup.Group
	customers.SetLimit(32)
	for n := range 2 * thousand {
		customers.Go(func() error {
			_, err := w.TryPlace(t.Context(), client.One([]string{"gizmo", "widget"}[n%2], 1))
			return err
		})
	}
	kit.Must(t, customers.Wait())
	w.awaitCount(t, thousand, "order", `SELECT count(*)::int FROM orders WHERE status = 'CONFIRMED'`)
	const open = `SELECT count(*)::int FROM dead_letter WHERE closed_at IS NULL AND reason LIKE '%/lines/0/quantity: it must be at least 1%'`
	w.awaitCount(t, thousand, "inventory", open)
	w.awaitCount(t, thousand, "order", `SELECT count(*)::int FROM order_incident WHERE kind = 'poison' AND service = 'inventory' AND resolved_at IS NULL`)
	w.needsAttention(t)

	var operators errgroup.Group
	for _, name := range []string{"grace", "ada"} {
		operators.Go(func() error { return w.mend(t, name) })
	}
	const redriven = `SELECT count(*)::int FROM operator_action WHERE action = 'redrive' AND after->>'state' = 'redriven'`
	kit.Eventually(t, "some to be redriven", func() error {
		if n := w.Count(t, "inventory", redriven); n < thousand/10 {
			return fmt.Errorf("they are %d", n)
		}
		return nil
	})
	kit.Must(t, w.Kill("inventory", syscall.SIGKILL))
	kit.Must(t, operators.Wait())

	if n := w.Count(t, "inventory", `SELECT count(*)::int FROM dead_letter WHERE closed_at IS NULL OR closed_as <> 'redriven'`); n != 0 {
		t.Errorf("%d dead letters are not redriven", n)
	}
	if n := w.Count(t, "inventory", redriven); n != thousand {
		t.Errorf("%d redrives are recorded, want one of each letter", n)
	}
	w.awaitCount(t, 2*thousand, "order", `SELECT count(*)::int FROM orders WHERE status = 'CONFIRMED'`)
	w.awaitCount(t, 0, "order", `SELECT count(*)::int FROM order_incident WHERE resolved_at IS NULL`)
	w.Holds(t, w.Secrets()...) // among others: every gizmo was sold once, and paid once
}

// spoilGizmos is the publisher's bug: it changes a sign in its own outbox.
func (w *system) spoilGizmos(t *testing.T) {
	t.Helper()
	w.asOwner(t, "order", `
		CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			NEW.payload := convert_to(replace(convert_from(NEW.payload, 'UTF8'), '"sku":"gizmo","quantity":1', '"sku":"gizmo","quantity":-1'), 'UTF8');
			RETURN NEW;
		END $$;
		CREATE TRIGGER spoil BEFORE INSERT ON outbox_message FOR EACH ROW EXECUTE FUNCTION spoil();`)
}

// needsAttention looks at one of the orders as its customer does, and at its letter as an operator does.
func (w *system) needsAttention(t *testing.T) {
	t.Helper()
	var page struct {
		Letters []struct {
			ID      string `json:"id"`
			OrderID string `json:"order_id"`
		} `json:"dead_letters"`
		Next *string `json:"next"`
	}
	kit.Must(t, json.Unmarshal(w.sagactl(t, "dead-letters", "list", "--limit", "1", "--service", "inventory", "-o", "json"), &page))
	letters := page.Letters
	if len(letters) != 1 || page.Next == nil {
		t.Fatalf("%d dead letters are listed with a limit of one, and more: %v", len(letters), page.Next != nil)
	}
	got, err := w.Shop.Get(t.Context(), letters[0].OrderID)
	if err != nil || got.Status != order.NEEDSATTENTION {
		t.Errorf("an order that makes no sense is %s (%v)", got.Status, err)
	}
	if shown := string(w.sagactl(t, "dead-letters", "show", letters[0].ID, "--service", "inventory")); !strings.Contains(shown, `"quantity":-1`) {
		t.Errorf("its letter is shown as\n%s", shown)
	}
}

// mend redrives everything as it should have been said. Who is not answered asks again, with the same key.
func (w *system) mend(t *testing.T, name string) error {
	key := uuid.NewString()
	return kit.Until(t.Context(), name+" to be answered", func() error {
		command := w.Sagactl(t.Context(), t,
			"dead-letters", "redrive", "--all", "--service", "inventory", "--reason", "quantity: it must be at least 1", "--key", key, "--by", name,
			"--replace", `"quantity":-1`, "--with", `"quantity":1`, "--why", "a wrong sign")
		out, err := command.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		t.Logf("%s: %s", name, out)
		return nil
	})
}

func (w *system) awaitCount(t *testing.T, want int, service, sql string) {
	t.Helper()
	kit.Eventually(t, fmt.Sprintf("%d in %s: %s", want, service, sql), func() error {
		if n := w.Count(t, service, sql); n != want {
			return fmt.Errorf("they are %d", n)
		}
		return nil
	})
}
