package sagaview_test

import (
	"bytes"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/apps/system/sagaview"
	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/pacttest"
	"example.com/ordersaga/pkg/events"
)

func TestPacts_TimelineReads(t *testing.T) {
	t.Parallel()
	found := map[string][]pact.Interaction{}
	for _, event := range pacttest.Published(t) {
		found[string(event.Service)] = append(found[string(event.Service)], pacttest.Consumes(t, event, shown))
	}
	pacttest.Keep(t, "timeline", found)
}

// shown is what a person sees of an event, and of the saga after it.
func shown(message []byte) (string, error) {
	envelope, event, err := events.Decode(message)
	if err != nil {
		return "", err
	}
	var screen bytes.Buffer
	line := sagaview.New(&screen, 0, true)
	line.Note(envelope.Subject, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), events.Order, "it begins")
	line.Show(eventlog.Seen{Envelope: envelope, Event: event})
	line.End(envelope.Subject)
	return screen.String(), nil
}
