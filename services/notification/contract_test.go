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
