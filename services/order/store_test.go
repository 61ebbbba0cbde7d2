package order

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/internal/tracing"
	"example.com/ordersaga/pkg/events"
)

// race runs functions at the same time, and wants all of them to succeed.
func race(t *testing.T, contenders ...func(context.Context) error) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	start := make(chan struct{})
	for _, contender := range contenders {
		group.Go(func() error {
			<-start
			return contender(ctx)
		})
	}
	close(start)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// handles is a contender that handles an event.
func handles(pool *pgxpool.Pool, event events.Event) func(context.Context) error {
	return func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			_, err := react(ctx, tx, event)
			return err
		})
	}
}

// asks is a contender that asks for the cancel of an order.
func asks(pool *pgxpool.Pool, id, reason string) func(context.Context) error {
	return func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return askToCancel(ctx, tx, []string{id}, reason) })
	}
}

func TestRace_DeadlineAgainstConfirmation(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for range 50 {
		id := order(t, pool, 0)
		race(t, patientSweeper(pool).runOnce, handles(pool, shipment(id)))
		o := read(t, pool, id)
		same(t, "status", o.Status, Confirmed)
		asked := o.CancelRequestedAt != nil
		wantHistory, wantPublished := []string{"PENDING", "CONFIRMED"}, []string{"OrderCreated"}
		if asked {
			wantHistory = []string{"PENDING", "CANCELLING deadline", "CONFIRMED cancel_too_late"}
			wantPublished = append(wantPublished, "OrderCancelRequested deadline")
		}
		same(t, "history", history(t, pool, id), wantHistory)
		same(t, "published", published(t, pool, id), wantPublished)
	}
}

func TestRace_TwoCancelsAndTheDeadlineRequestOnce(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for range 50 {
		id := order(t, pool, 0)
		race(t, asks(pool, id, byCustomer), asks(pool, id, byCustomer), patientSweeper(pool).runOnce, patientSweeper(pool).runOnce)
		// A sweeper that met a locked order has skipped it; but then somebody else was asking.
		if got := published(t, pool, id); len(got) != 2 {
			t.Errorf("published %v, want one request", got)
		}
		if got := history(t, pool, id); len(got) != 2 {
			t.Errorf("history %v, want one request", got)
		}
	}
}

func TestRace_ConfirmationAgainstCancellationEndsOnce(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	ends := map[Status]int{}
	for range 50 {
		id := order(t, pool, time.Hour)
		race(t, handles(pool, shipment(id)), handles(pool, rejected(id)), handles(pool, released(id, "x")), handles(pool, shipment(id)))
		steps := history(t, pool, id)
		if len(steps) != 2 {
			t.Errorf("history %v, want one end", steps)
		}
		ends[read(t, pool, id).Status]++
	}
	same(t, "ends", ends[Confirmed]+ends[Cancelled], 50)
}

func TestRace_OpeningAgainstResolvingLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for range 50 {
		id := order(t, pool, time.Hour)
		race(t, handles(pool, opened(id, "i")), handles(pool, resolved(id, "i")), handles(pool, opened(id, "i")))
		same(t, "status", read(t, pool, id).public(), Pending)
	}
}

// TestBatch_OppositeOrdersDoNotDeadlock gives two replicas the same orders the other way round. Without
// the locks in key order at the beginning of a batch, each would hold what the other one needs.
func TestBatch_OppositeOrdersDoNotDeadlock(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for range 20 {
		ids := orders(t, pool, 40, time.Hour)
		var there, back []events.Event
		for i := range ids {
			there = append(there, shipment(ids[i]))
			back = append(back, rejected(ids[len(ids)-1-i]))
		}
		replica := func(list []events.Event) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := handle(ctx, pool, list...)
				return err
			}
		}
		race(t, replica(there), replica(back))
	}
	same(t, "ends", count(t, pool, `SELECT count(*) FROM order_history WHERE status IN ('CONFIRMED', 'CANCELLED')`), 20*40)
}

func TestSweeper_SkipsALockedOrder(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	held, free := order(t, pool, 0), order(t, pool, 0)
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if err := lockOrders(t.Context(), tx, []string{held}); err != nil {
			return err
		}
		sweep(t, pool) // would it wait, it would wait for ever
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "held", read(t, pool, held).Status, Pending)
	same(t, "free", read(t, pool, free).Status, Cancelling)
}

func TestIntake_ManyRequestsUnderOneKeyAreOneOrder(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	counter := intake{tx: in(pool), deadline: time.Hour}
	var fresh, replayed, refused atomic.Int64
	var contenders []func(context.Context) error
	for i := range 20 {
		// Several requests a batch, several batches at once, all under one key.
		batch := []placement{request(t, "k", twoWidgets), request(t, fmt.Sprint("other", i), twoWidgets), request(t, "k", twoWidgets)}
		contenders = append(contenders, func(ctx context.Context) error {
			results, err := counter.commit(ctx, batch)
			if err != nil {
				return err
			}
			for _, r := range []placed{results[0], results[2]} {
				switch {
				case r.err != nil:
					refused.Add(1)
				case r.replayed:
					replayed.Add(1)
				default:
					fresh.Add(1)
				}
			}
			return results[1].err
		})
	}
	race(t, contenders...)
	same(t, "first answers", fresh.Load(), 1)
	same(t, "answers", fresh.Load()+replayed.Load()+refused.Load(), 40)
	same(t, "orders", count(t, pool, `SELECT count(*) FROM orders`), 21)
	same(t, "beginnings", count(t, pool, `SELECT count(*) FROM outbox`), 21)
}

// TestIntake_OneBadRequestFailsAlone puts text into a batch that the contract keeps out and Postgres
// cannot store.
func TestIntake_OneBadRequestFailsAlone(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	bad := twoWidgets
	bad.CustomerID = "a\x00da"
	results, err := intake{tx: in(pool), deadline: time.Hour}.commit(t.Context(), []placement{
		request(t, "1", twoWidgets), request(t, "2", bad), request(t, "3", twoWidgets),
	})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].err != nil || results[1].err == nil || results[2].err != nil {
		t.Errorf("got %v, %v, %v", results[0].err, results[1].err, results[2].err)
	}
	same(t, "orders", count(t, pool, `SELECT count(*) FROM orders`), 2)
}

func TestIntake_ADatabaseThatIsDownFailsAllAtOnce(t *testing.T) {
	t.Parallel()
	tries := 0
	down := errors.New("connection refused")
	broken := intake{tx: func(context.Context, func(pgx.Tx) error) error { tries++; return down }}
	_, err := broken.commit(t.Context(), []placement{request(t, "1", twoWidgets), request(t, "2", twoWidgets)})
	if !errors.Is(err, down) || tries != 1 {
		t.Errorf("%d tries, %v; want one", tries, err)
	}
}

func TestIntake_ARefusedRequestLeavesTheOthersAndItsKey(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	nothing := twoWidgets
	nothing.Items = []Item{{"perpetuum mobile", 1}}
	counter := intake{tx: in(pool), deadline: time.Hour}
	results, err := counter.commit(t.Context(), []placement{request(t, "1", nothing), request(t, "2", twoWidgets)})
	if err != nil {
		t.Fatal(err)
	}
	var refused Refusal
	if !errors.As(results[0].err, &refused) || results[1].err != nil {
		t.Errorf("got %v, %v", results[0].err, results[1].err)
	}
	same(t, "orders", count(t, pool, `SELECT count(*) FROM orders`), 1)
	results, err = counter.commit(t.Context(), []placement{request(t, "1", twoWidgets)})
	if err != nil || results[0].err != nil || results[0].replayed {
		t.Errorf("corrected under the same key: %+v, %v", results, err)
	}
}

func TestIntake_EachOrderOfABatchHasItsOwnData(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	gizmos := twoWidgets
	gizmos.CustomerID, gizmos.Items = "bob", []Item{{"gizmo", 3}, {"gadget", 1}}
	all := []placement{request(t, "1", twoWidgets), request(t, "2", gizmos)}
	if _, err := (intake{tx: in(pool), deadline: time.Hour}).commit(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	o := read(t, pool, all[1].id)
	same(t, "customer", o.CustomerID, "bob")
	same(t, "total", o.Total, events.Money{Amount: 3*750 + 4950, Currency: "USD"})
	same(t, "lines", o.Lines, []events.Line{{SKU: "gizmo", Quantity: 3, UnitPrice: 750}, {SKU: "gadget", Quantity: 1, UnitPrice: 4950}})
	same(t, "patience", o.Deadline.Sub(o.CreatedAt), time.Hour)
	for _, p := range all {
		var message []byte
		if err := pool.QueryRow(t.Context(), `SELECT payload FROM outbox WHERE key = $1`, p.id).Scan(&message); err != nil {
			t.Fatal(err)
		}
		envelope, event, err := events.Decode(message)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "trace", envelope.TraceParent, tracing.Root(p.id))
		same(t, "event", event, events.Event(events.OrderCreated{Snapshot: read(t, pool, p.id).Snapshot}))
	}
}

// Both have the same order: what a later version adds must not change what was accepted.
func TestIntake_PublishesTheVersionThatIsConfigured(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for v, name := range map[eventVersion]string{1: "saga.order.OrderCreated.v1", 2: "saga.order.OrderCreated.v2"} {
		p := request(t, name, twoWidgets)
		if _, err := (intake{tx: in(pool), deadline: time.Hour, version: v}).commit(t.Context(), []placement{p}); err != nil {
			t.Fatal(err)
		}
		same(t, "subject", texts(t, pool, `SELECT subject FROM outbox WHERE key = $1`, p.id), []string{name + "." + p.id})
		var message []byte
		if err := pool.QueryRow(t.Context(), `SELECT payload FROM outbox WHERE key = $1`, p.id).Scan(&message); err != nil {
			t.Fatal(err)
		}
		_, event, err := events.Decode(message)
		if err != nil {
			t.Fatal(err)
		}
		if second, is := event.(events.OrderCreatedV2); is {
			if event, err = second.Downcast(); err != nil {
				t.Fatal(err)
			}
		}
		same(t, "event", event, events.Event(events.OrderCreated{Snapshot: read(t, pool, p.id).Snapshot}))
	}
}
