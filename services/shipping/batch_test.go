package shipping

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// One call decides about all of its orders, and answers each in its place: one that is shipped, one that was fenced off
// before, one that cannot be delivered.
func TestShip_ABatchAnswersEachInItsPlace(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	fenced := newOrderID(t)
	if _, err := batch(t.Context(), pool, cancelOf(fenced)); err != nil {
		t.Fatal(err)
	}
	paid := []events.PaymentProcessed{
		paidOrder(newOrderID(t), "CH"), paidOrder(fenced, "CH"), paidOrder(newOrderID(t), "AQ"),
	}
	var answers []events.Event
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
		answers, err = ship(t.Context(), tx, paid)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	created, is := answers[0].(events.ShipmentCreated)
	if stored := shipmentIn(t, pool, paid[0].OrderID); !is || created.OrderID != paid[0].OrderID || created.ShipmentID != stored.ShipmentID {
		t.Errorf("what is shipped was answered by %+v, stored is %+v", answers[0], stored)
	}
	if answers[1] != nil || shipmentIn(t, pool, fenced).State != Fenced {
		t.Errorf("what was fenced off was answered by %+v", answers[1])
	}
	if failed, is := answers[2].(events.ShipmentFailed); !is || failed.OrderID != paid[2].OrderID {
		t.Errorf("what cannot be delivered was answered by %+v", answers[2])
	}
}

// On another database, with another cause, the same order is the same parcel: nobody sends two.
func TestShip_WhoDecidesAgainSendsTheSameParcel(t *testing.T) {
	t.Parallel()
	order := paidOrder(newOrderID(t), "CH")
	var ids []string
	for range 2 {
		pool := database(t).Pool
		ctx := outbox.WithCause(t.Context(), outbox.Cause{EventID: newOrderID(t)})
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			answers, err := ship(ctx, tx, []events.PaymentProcessed{order})
			if err == nil {
				ids = append(ids, answers[0].(events.ShipmentCreated).ShipmentID)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if ids[0] != ids[1] || len(ids[0]) != len("shp_")+36 {
		t.Errorf("the parcels of one order are %v", ids)
	}
}
