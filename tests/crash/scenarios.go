//go:build crashmatrix

package crash

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"example.com/ordersaga/pkg/testkit/saga"
)

// scenario is a kind of saga.
type scenario struct {
	name   string
	order  saga.Order
	cancel bool // the customer cancels while the gateway takes its time: in time, with the charge still open
	end    string
}

// scenarios are the kinds of sagas that every point is tried in.
var scenarios = []scenario{
	{name: "success", end: "CONFIRMED"},
	{name: "declined", order: saga.Order{Token: "tok_declined"}, end: "CANCELLED"},
	{name: "shipping fails", order: saga.Order{Country: "AQ"}, end: "CANCELLED"},
	{name: "cancelled", order: saga.Order{Token: "tok_slow"}, cancel: true, end: "CANCELLED"},
}

// play is what a customer does, who goes on asking, with the same key, until there is an answer: any of the
// requests may be the one that the service dies of.
func (sc scenario) play(t *testing.T, l *lane) string {
	t.Helper()
	order := sc.order
	order.Key, order.Email = uuid.NewString(), "ada@customers.example"
	var state saga.State
	eventually(t, "the order is accepted", func() (err error) {
		state, err = l.saga.TryPlace(order)
		return err
	})
	if sc.cancel {
		eventually(t, "the charge is open", func() error { return get(t.Context(), l.saga.URLs["payment"]+"/v1/payments/"+state.ID) })
		eventually(t, "the cancel is answered", func() error {
			err := l.saga.TryCancel(state.ID)
			if err != nil && strings.Contains(err.Error(), "409") {
				return nil // too late: the order has ended
			}
			return err
		})
	}
	return state.ID
}
