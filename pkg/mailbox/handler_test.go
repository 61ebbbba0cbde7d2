package mailbox_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/mailbox"
)

// The catalogue says who hears what; a service that says otherwise does not start.
func TestNewChecksTheHandlers(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/nothing")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	processed, requested := mailbox.Hear(ignore[events.PaymentProcessed]), mailbox.Hear(ignore[events.OrderCancelRequested])
	for name, test := range map[string]struct {
		service  events.Service
		handlers []mailbox.Handler
		err      string
	}{
		"exactly what it hears": {events.Shipping, []mailbox.Handler{processed, requested}, ""},
		"one too few":           {events.Shipping, []mailbox.Handler{processed}, "shipping has no handler of OrderCancelRequested v1"},
		"one too many":          {events.Shipping, []mailbox.Handler{processed, requested, mailbox.Hear(ignore[events.OrderCreated])}, "shipping has a handler of OrderCreated v1, which it does not hear"},
		"one twice":             {events.Shipping, []mailbox.Handler{processed, requested, requested}, "two handlers of OrderCancelRequested v1"},
		"nobody's":              {"billing", []mailbox.Handler{processed, requested}, "not one of the services"},
		"incidents of all services with one handler each": {events.Order, []mailbox.Handler{
			mailbox.Hear(ignore[events.InventoryRejected]), mailbox.Hear(ignore[events.ShipmentCreated]), mailbox.Hear(ignore[events.InventoryReleased]),
			mailbox.Hear(ignore[events.IncidentOpened]), mailbox.Hear(ignore[events.IncidentResolved]),
		}, ""},
	} {
		_, err := mailbox.New(mailbox.Config{Service: test.service, Pool: pool, NATS: &nats.Conn{}, Handlers: test.handlers})
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %v, want %q", name, err, test.err)
		}
	}
	if _, err := mailbox.New(mailbox.Config{Service: events.Shipping}); err == nil {
		t.Error("a mailbox without a database and a broker is made")
	}
}

func TestPoisonIsStillTheError(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	if err := mailbox.Poison(cause); !errors.Is(err, cause) || err.Error() != "cause" {
		t.Errorf("it has become %v", err)
	}
}
