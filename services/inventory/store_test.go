package inventory

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// work is what a transaction does.
type work func(context.Context, pgx.Tx) error

// race runs two transactions on two connections: the first one does its work and stays open until the
// second one waits for it, then commits. It returns what became of both.
func race(t *testing.T, pool *pgxpool.Pool, first, second work, meanwhile ...func()) (firstErr, secondErr error) {
	t.Helper()
	var wg sync.WaitGroup
	firstErr = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if err := first(t.Context(), tx); err != nil {
			return err
		}
		wg.Go(func() {
			secondErr = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return second(t.Context(), tx) })
		})
		testkit.Eventually(t, 10*time.Second, "the second transaction to wait for the first", func() bool { return waiting(t, pool) })
		for _, look := range meanwhile {
			look()
		}
		return nil
	})
	wg.Wait()
	return firstErr, secondErr
}

// waiting reports whether some transaction in this database waits for a lock.
func waiting(t *testing.T, pool *pgxpool.Pool) (waits bool) {
	t.Helper()
	err := pool.QueryRow(t.Context(), `
		SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
	if err != nil {
		t.Fatal(err)
	}
	return waits
}

// stepping is a step as a transaction of its own, which remembers its answer.
func stepping(event events.Event, answer *events.Event, locked bool) work {
	return func(ctx context.Context, tx pgx.Tx) (err error) {
		if locked {
			if err := lockBatch(ctx, tx, []events.Event{event}); err != nil {
				return err
			}
		}
		*answer, err = react(ctx, tx, event)
		return err
	}
}

func TestReserve_TheLastUnitGoesToOneOfTwoOrders(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	var first, second events.Event
	err1, err2 := race(t, pool,
		stepping(orderFor(newOrderID(t), "last-one", 1), &first, true),
		stepping(orderFor(newOrderID(t), "last-one", 1), &second, true))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if _, ok := first.(events.InventoryReserved); !ok {
		t.Errorf("the first one was answered by %+v, want InventoryReserved", first)
	}
	if _, ok := second.(events.InventoryRejected); !ok {
		t.Errorf("the second one was answered by %+v, want InventoryRejected", second)
	}
	checkStock(t, pool)
}

// The lock is taken away here, to see what stands behind it.
func TestReserve_WithoutTheLockTheDatabaseRefuses(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	var answer events.Event
	second := orderFor(newOrderID(t), "last-one", 1)
	err1, err2 := race(t, pool,
		stepping(orderFor(newOrderID(t), "last-one", 1), &answer, false),
		stepping(second, &answer, false))
	var refused *pgconn.PgError
	if err1 != nil || !errors.As(err2, &refused) || refused.ConstraintName != "stock_available_check" {
		t.Fatalf("the two ended with %v and %v; want the second one refused by stock_available_check", err1, err2)
	}
	answers, err := batch(t.Context(), pool, second)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := answers[0].(events.InventoryRejected); !ok {
		t.Errorf("tried again, it was answered by %+v, want InventoryRejected", answers[0])
	}
	checkStock(t, pool)
}

func TestReserve_FiftyOrdersAtOnceShareTenUnits(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	restock(t, pool, "last-one", 9)
	var wg sync.WaitGroup
	reserved := make(chan bool, 50)
	for range cap(reserved) {
		order := orderFor(newOrderID(t), "last-one", 1)
		wg.Go(func() {
			answers, err := batch(t.Context(), pool, order)
			if err != nil {
				t.Error(err)
				return
			}
			_, ok := answers[0].(events.InventoryReserved)
			reserved <- ok
		})
	}
	wg.Wait()
	close(reserved)
	count := 0
	for ok := range reserved {
		if ok {
			count++
		}
	}
	if count != 10 {
		t.Errorf("%d orders were reserved, want 10", count)
	}
	checkStock(t, pool)
}

// A release that arrives while the order is being reserved cannot see the reservation yet. It must not
// take that for "nothing is known", or the stock would be held for ever.
func TestRelease_MeetsItsOrderUnderWay(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order := orderFor(newOrderID(t), "widget", 2)
	voided := events.PaymentVoided{Subject: events.Subject{OrderID: order.OrderID}, Reason: "cancelled"}
	var reserved, released events.Event
	err1, err2 := race(t, pool, stepping(order, &reserved, true), stepping(voided, &released, true))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if want := expected(voided, Released); released != want {
		t.Errorf("the release was answered by %+v, want %+v", released, want)
	}
	if got := stateOf(t, pool, order.OrderID); got != Released {
		t.Errorf("the order is %s, want RELEASED", got)
	}
	checkStock(t, pool)
}

func TestReserve_MeetsItsTombstoneUnderWay(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order := orderFor(newOrderID(t), "widget", 2)
	voided := events.PaymentVoided{Subject: events.Subject{OrderID: order.OrderID}, Reason: "cancelled"}
	var reserved, released events.Event
	err1, err2 := race(t, pool, stepping(voided, &released, true), stepping(order, &reserved, true))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if reserved != nil {
		t.Errorf("the order was answered by %+v, want nothing", reserved)
	}
	if got := stateOf(t, pool, order.OrderID); got != Released {
		t.Errorf("the order is %s, want RELEASED", got)
	}
	checkStock(t, pool)
}

// Somebody holds gadget. A batch that wants widget and gadget must wait for gadget without holding widget:
// otherwise it and a batch that holds gadget and wants widget would wait for each other.
func TestBatch_LocksItsStockInSKUOrder(t *testing.T) {
	t.Parallel()
	for name, gadget := range map[string]func(orderID string) events.Event{
		"gadget is wanted by an order": func(orderID string) events.Event { return orderFor(orderID, "gadget", 1) },
		"gadget is held for an order that failed": func(orderID string) events.Event {
			return events.PaymentFailed{Subject: events.Subject{OrderID: orderID}, Reason: "card_declined"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := database(t).Pool
			earlier := newOrderID(t)
			if _, err := batch(t.Context(), pool, orderFor(earlier, "gadget", 1)); err != nil {
				t.Fatal(err)
			}
			hold := func(ctx context.Context, tx pgx.Tx) error { return lockStock(ctx, tx, []string{"gadget"}, nil) }
			wait := func(ctx context.Context, tx pgx.Tx) error {
				return lockBatch(ctx, tx, []events.Event{orderFor(newOrderID(t), "widget", 1), gadget(earlier)})
			}
			err1, err2 := race(t, pool, hold, wait, func() {
				if _, err := pool.Exec(t.Context(), `SELECT FROM stock WHERE sku = 'widget' FOR UPDATE NOWAIT`); err != nil {
					t.Errorf("widget is held while gadget is waited for: %v", err)
				}
			})
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
		})
	}
}

// restock is an adjustment without its HTTP.
func restock(t *testing.T, pool *pgxpool.Pool, sku string, delta int64) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := adjustStock(t.Context(), tx, Adjustment{ID: uuid.New(), SKU: sku, Delta: delta, Reason: "test"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
