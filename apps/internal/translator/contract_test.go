package translator

import (
	"fmt"
	"testing"

	"example.com/ordersaga/contracts/pact"
	"example.com/ordersaga/contracts/pacttest"
	"example.com/ordersaga/pkg/events"
)

func TestPacts_TranslatorReads(t *testing.T) {
	t.Parallel()
	outcome := func(message []byte) (string, error) {
		translated, err := translate(message)
		if err != nil {
			return "", err
		}
		envelope, event, err := events.Decode(translated.Data)
		envelope.TraceParent, envelope.Data = "", nil // a trace goes on where there is one, and nobody is promised one
		return fmt.Sprintf("%s %+v %+v", translated.Subject, envelope, event), err
	}
	pacttest.Keep(t, "translator", map[string][]pact.Interaction{
		string(events.Order): {pacttest.Consumes(t, events.OrderCreatedV2{}.Type(), outcome)},
	})
}
