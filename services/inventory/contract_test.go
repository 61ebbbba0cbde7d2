package inventory

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/pacttest"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/idempotency"
)

func TestPacts_InventoryReads(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	found := map[string][]pact.Interaction{}
	for _, event := range events.Subscriptions[events.Inventory] {
		reads := pacttest.Consumes(t, event, func(message []byte) (string, error) {
			return pacttest.Outcome(t.Context(), pool, message, handlePrepared, "stock", "reservation")
		})
		found[string(event.Service)] = append(found[string(event.Service)], reads)
	}
	pacttest.Keep(t, "inventory", found)
}

// handlePrepared is a step as the inbox calls it. There must be something to sell before a shipment means anything.
func handlePrepared(ctx context.Context, tx pgx.Tx, event events.Event) (events.Event, error) {
	list := []events.Event{event}
	if _, shipped := event.(events.ShipmentCreated); shipped {
		list = append([]events.Event{orderFor(event.Order(), "widget", 2)}, list...)
	}
	if err := lockBatch(ctx, tx, list); err != nil {
		return nil, err
	}
	var answer events.Event
	for _, event := range list {
		var err error
		if answer, err = react(ctx, tx, event); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

func TestPacts_InventoryPublishesWhatIsRead(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	about := events.Subject{OrderID: newOrderID(t)}
	answers, err := batch(t.Context(), pool,
		orderFor(about.OrderID, "widget", 2), orderFor(newOrderID(t), "unobtainium", 1), events.PaymentVoided{Subject: about, Reason: "cancelled"})
	if err != nil {
		t.Fatal(err)
	}
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return messaging.Publish(t.Context(), tx, answers...) }); err != nil {
		t.Fatal(err)
	}
	pacttest.Publishes(t, events.Inventory, pool)
}

func TestPacts_InventoryAnswersWhatIsRead(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	once := idempotency.Once{Do: func(ctx context.Context, fn func(pgx.Tx) error) error { return pgx.BeginFunc(ctx, pool, fn) }}
	pacttest.Answers(t, "inventory", routes(server{pool, once}), map[string]pacttest.State{
		"there is stock": func(*testing.T, map[string]string) map[string]string { return nil },
		"an order is reserved": func(t *testing.T, _ map[string]string) map[string]string {
			t.Helper()
			id := newOrderID(t)
			if _, err := batch(t.Context(), pool, orderFor(id, "widget", 2)); err != nil {
				t.Fatal(err)
			}
			return map[string]string{"order_id": id}
		},
	})
}
