package payment

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
	"example.com/ordersaga/services/payment/charge"
)

// One call records all of its charges, each with its own cause, but for an order that was voided before. That one alone
// is answered, because it is asked about again.
func TestIntend_ABatchRecordsWhatIsNew(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	orders := []events.InventoryReserved{
		reserved(newID(t), "tok_visa"), reserved(newID(t), "tok_visa"), reserved(newID(t), "tok_visa"),
	}
	s.handle(cancelled(orders[1].OrderID))
	orders[1].Attempt = 2
	causes := make([]outbox.Cause, len(orders))
	for i := range causes {
		causes[i].EventID = newID(t)
	}
	var answers []events.Event
	err := pgx.BeginFunc(t.Context(), s.db.Pool, func(tx pgx.Tx) (err error) {
		answers, err = intend(outbox.WithCause(t.Context(), causes...), tx, orders)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []charge.State{charge.Intent, charge.Voided, charge.Intent} {
		if got := s.state(orders[i].OrderID); got != want {
			t.Errorf("payment %d is %s, want %s", i, got, want)
		}
		cause := text(t, s.db.Pool, `SELECT coalesce(cause_id, '') FROM payment WHERE order_id = $1`, orders[i].OrderID)
		if want == charge.Intent && cause != causes[i].EventID {
			t.Errorf("payment %d is caused by %q, want %q", i, cause, causes[i].EventID)
		}
	}
	voided, is := answers[1].(events.PaymentVoided)
	if answers[0] != nil || answers[2] != nil || !is || voided.OrderID != orders[1].OrderID {
		t.Errorf("answered by %+v", answers)
	}
}
