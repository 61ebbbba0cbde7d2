package mailbox

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
)

// Two replicas may each have two orders in hand, one as its payment and one as its cancel. Whichever
// arrived first there, both write the rows of these orders in the same turns.
func TestOrdersTakeTheirTurnsByIDAndEventsAsTheyArrived(t *testing.T) {
	t.Parallel()
	first, second := uuid.UUID{15: 1}, uuid.UUID{15: 2}
	var turns []string
	deliver := func(order uuid.UUID, reason string) delivery {
		note := Hear(func(_ context.Context, _ pgx.Tx, e events.OrderCancelRequested) (events.Event, error) {
			turns = append(turns, e.Reason)
			return nil, nil
		})
		return delivery{order: order, handler: note, event: events.OrderCancelRequested{Reason: reason}}
	}
	in := &inbox{service: events.Shipping}
	_, err := in.steps(t.Context(), nil, []delivery{deliver(second, "2a"), deliver(first, "1b"), deliver(second, "2c"), deliver(first, "1a")})
	if want := []string{"1b", "1a", "2a", "2c"}; err != nil || !slices.Equal(turns, want) {
		t.Errorf("the steps ran as %v, %v; want %v", turns, err, want)
	}
}
