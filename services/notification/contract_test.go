package notification

import (
	"testing"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/pacttest"
	"example.com/ordersaga/pkg/events"
)

func TestPacts_NotificationReads(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	found := map[string][]pact.Interaction{}
	for _, event := range events.Subscriptions[events.Notification] {
		reads := pacttest.Consumes(t, event, func(message []byte) (string, error) {
			return pacttest.Outcome(t.Context(), pool, message, react, "mail")
		})
		found[string(event.Service)] = append(found[string(event.Service)], reads)
	}
	pacttest.Keep(t, "notification", found)
}

func TestPacts_NotificationAnswersWhatIsRead(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	pacttest.Answers(t, "notification", routes(server{pool}), map[string]pacttest.State{
		"an order has a mail without an answer": func(t *testing.T, _ map[string]string) map[string]string {
			t.Helper()
			id := ordered(t, pool, ada)[0]
			exec(t, pool, `UPDATE mail SET attempts = 2, state = 'UNKNOWN', problem = 'no answer', ended_at = now()`)
			return map[string]string{"order_id": id}
		},
	})
}
