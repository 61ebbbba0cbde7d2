package order

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// One call confirms those of its orders that have not ended, and answers each of them and nobody else.
func TestShipped_ABatchConfirmsThoseThatHaveNotEnded(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	ids := orders(t, pool, 3, time.Hour)
	deliver(t, pool, rejected(ids[1]))
	var shipments []events.ShipmentCreated
	for _, id := range ids {
		shipments = append(shipments, shipment(id).(events.ShipmentCreated))
	}
	var answers []events.Event
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
		causes := make([]outbox.Cause, len(ids))
		for i := range ids {
			causes[i].EventID = newID(t)
		}
		answers, err = shipped(outbox.WithCause(t.Context(), causes...), tx, shipments)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Status{Confirmed, Cancelled, Confirmed} {
		if got := read(t, pool, ids[i]).Status; got != want {
			t.Errorf("order %d is %s, want %s", i, got, want)
		}
		confirmed, is := answers[i].(events.OrderConfirmed)
		if is != (want == Confirmed) || is && confirmed.OrderID != ids[i] {
			t.Errorf("order %d was answered by %+v", i, answers[i])
		}
	}
	same(t, "rows of history with their event", count(t, pool, `
		SELECT count(DISTINCT event_id) FROM order_history WHERE status = 'CONFIRMED' AND event_id IS NOT NULL`), 2)
}
