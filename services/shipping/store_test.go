package shipping

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// race runs two steps on two connections: the first one stays open until the second one waits for it,
// then commits. It returns both answers.
func race(t *testing.T, pool *pgxpool.Pool, first, second events.Event) (firstAnswer, secondAnswer events.Event) {
	t.Helper()
	var wg sync.WaitGroup
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
		if firstAnswer, err = react(t.Context(), tx, first); err != nil {
			return err
		}
		wg.Go(func() {
			err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
				secondAnswer, err = react(t.Context(), tx, second)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
		testkit.Eventually(t, 10*time.Second, "the second transaction to wait for the first", func() bool { return waiting(t, pool) })
		return nil
	})
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return firstAnswer, secondAnswer
}

// waiting reports whether some transaction in this database waits for a lock.
func waiting(t *testing.T, pool *pgxpool.Pool) bool {
	t.Helper()
	return count(t, pool, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
}

func TestShip_UnderWayBeatsTheCancel(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order := paidOrder(newOrderID(t), "GB")
	shipped, cancelled := race(t, pool, order, cancelOf(order.OrderID))
	if _, ok := shipped.(events.ShipmentCreated); !ok || cancelled != nil {
		t.Errorf("shipping was answered by %+v and the cancel by %+v, want ShipmentCreated and nothing", shipped, cancelled)
	}
	if got := shipmentIn(t, pool, order.OrderID); got.State != Created {
		t.Errorf("the shipment is %s, want CREATED", got.State)
	}
}

func TestCancel_UnderWayBeatsTheShipment(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order := paidOrder(newOrderID(t), "GB")
	cancelled, shipped := race(t, pool, cancelOf(order.OrderID), order)
	if _, ok := cancelled.(events.ShipmentFailed); !ok || shipped != nil {
		t.Errorf("the cancel was answered by %+v and shipping by %+v, want ShipmentFailed and nothing", cancelled, shipped)
	}
	if got := shipmentIn(t, pool, order.OrderID); got.State != Fenced {
		t.Errorf("the shipment is %s, want FENCED", got.State)
	}
}

func TestShip_OfManyPaymentsAndCancelsAtOnceOneIsAnswered(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	most := 0
	defer func() { t.Logf("measured: %d answers to one order at most", most) }()
	for range 20 {
		order := paidOrder(newOrderID(t), "GB")
		answers := make(chan events.Event, 8)
		var wg sync.WaitGroup
		for i := range cap(answers) {
			event := []events.Event{order, cancelOf(order.OrderID)}[i%2]
			wg.Go(func() { answers <- alone(t, pool, event) })
		}
		wg.Wait()
		close(answers)
		given := 0
		for answer := range answers {
			if answer != nil {
				given++
			}
		}
		if most = max(most, given); given != 1 {
			t.Errorf("%d answers were given, want 1", given)
		}
	}
}

// alone handles one event in a transaction of its own.
func alone(t *testing.T, pool *pgxpool.Pool, event events.Event) events.Event {
	t.Helper()
	answers, err := batch(context.WithoutCancel(t.Context()), pool, event)
	if err != nil {
		t.Error(err)
		return nil
	}
	return answers[0]
}
