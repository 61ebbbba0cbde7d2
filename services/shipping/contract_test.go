package shipping

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/pacttest"
	"example.com/ordersaga/internal/messaging"
	"example.com/ordersaga/pkg/events"
)

func TestPacts_ShippingReads(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	found := map[string][]pact.Interaction{}
	for _, event := range events.Subscriptions[events.Shipping] {
		reads := pacttest.Consumes(t, event, func(message []byte) (string, error) {
			return pacttest.Outcome(t.Context(), pool, message, react, "shipment")
		})
		found[string(event.Service)] = append(found[string(event.Service)], reads)
	}
	pacttest.Keep(t, "shipping", found)
}

func TestPacts_ShippingPublishesWhatIsRead(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	answers, err := batch(t.Context(), pool, paidOrder(newOrderID(t), "GB"), paidOrder(newOrderID(t), "AQ"), cancelOf(newOrderID(t)))
	if err != nil {
		t.Fatal(err)
	}
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return messaging.Publish(t.Context(), tx, answers...) }); err != nil {
		t.Fatal(err)
	}
	pacttest.Publishes(t, events.Shipping, pool)
}

func TestPacts_ShippingAnswersWhatIsRead(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	pacttest.Answers(t, "shipping", routes(server{pool}), map[string]pacttest.State{
		"an order is shipped": func(t *testing.T, _ map[string]string) map[string]string {
			t.Helper()
			id := newOrderID(t)
			if _, err := batch(t.Context(), pool, paidOrder(id, "GB")); err != nil {
				t.Fatal(err)
			}
			return map[string]string{"order_id": id}
		},
	})
}
