package timeline_test

import (
	"bytes"
	"testing"
	"time"

	"example.com/ordersaga/apps/observe"
	"example.com/ordersaga/apps/timeline"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/pact"
	"example.com/ordersaga/pkg/testkit/pacts"
)

func TestWhatTheTimelineReadsIsInItsPacts(t *testing.T) {
	t.Parallel()
	found := map[string][]pact.Interaction{}
	for _, event := range pacts.Published(t) {
		found[string(event.Service)] = append(found[string(event.Service)], pacts.Hears(t, event, shown))
	}
	pacts.Keep(t, "timeline", found)
}

// shown is what a person sees of an event, and of the saga after it.
func shown(message []byte) (string, error) {
	envelope, event, err := events.Decode(message)
	if err != nil {
		return "", err
	}
	var screen bytes.Buffer
	line := timeline.New(&screen, 0, true)
	line.Note(envelope.Subject, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), events.Order, "it begins")
	line.Show(observe.Seen{Envelope: envelope, Event: event})
	line.End(envelope.Subject)
	return screen.String(), nil
}
