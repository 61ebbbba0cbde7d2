//go:build crashmatrix

package crash

import (
	"net/http"
	"testing"

	"example.com/ordersaga/apps/system/client"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// scenario is a kind of saga.
type scenario struct {
	name   string
	change func(*client.NewOrder) // what is special about the order
	cancel bool                   // the customer cancels while the gateway takes its time: in time, with the charge still open
	end    order.Status
}

// scenarios are the kinds of sagas that every point is tried in.
var scenarios = []scenario{
	{name: "success", change: func(*client.NewOrder) {}, end: order.CONFIRMED},
	{name: "declined", change: token("tok_declined"), end: order.CANCELLED},
	{name: "shipping fails", change: func(o *client.NewOrder) { o.Country = "AQ" }, end: order.CANCELLED},
	{name: "cancelled", change: token("tok_slow"), cancel: true, end: order.CANCELLED},
}

// token is an order that is paid in another way.
func token(name string) func(*client.NewOrder) { return func(o *client.NewOrder) { o.Token = name } }

// play is what a customer does, who goes on asking, with the same key, until there is an answer: any of the
// requests may be the one that the service dies of. A cancel that comes too late is tried with another order.
func (sc scenario) play(t *testing.T, l *lane) (id string) {
	t.Helper()
	place := func() {
		id = another(t, l, func(o *client.NewOrder) {
			o.Email = "ada@customers.example"
			sc.change(o)
		})
	}
	if !sc.cancel {
		place()
		return id
	}
	kit.Eventually(t, "an order is cancelled in time", func() error {
		place()
		kit.Eventually(t, "the charge is open", func() error { return get(t.Context(), l.At.URLs["payment"]+"/v1/payments/"+id) })
		return cancel(t, l, id)
	})
	return id
}

// cancel asks until there is an answer. It fails if the order is confirmed already.
func cancel(t *testing.T, l *lane, id string) (tooLate error) {
	t.Helper()
	kit.Eventually(t, "the cancel is answered", func() error {
		_, err := l.Shop.Cancel(t.Context(), id)
		if kit.Status(err) != http.StatusConflict {
			return err
		}
		if got := l.Ends(t, id); got.Status == order.CONFIRMED {
			tooLate = err
		}
		return nil
	})
	return tooLate
}

// another places one more order.
func another(t *testing.T, l *lane, change func(*client.NewOrder)) (id string) {
	t.Helper()
	o := client.One("widget", 1)
	change(&o)
	return l.Place(t, o)
}
