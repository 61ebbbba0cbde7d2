package order

import (
	"fmt"
	"testing"
	"time"

	"example.com/ordersaga/pkg/events"
)

func TestSweeper_ACancelThatTakesTooLongIsAnIncidentUntilTheOrderEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		event     func(id string) events.Event
		status    Status
		published string
	}{
		"by a cancel":   {func(id string) events.Event { return released(id, "cancelled") }, Cancelled, "OrderCancelled customer"},
		"by a shipment": {shipment, Confirmed, "OrderConfirmed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := database(t).Pool
			late, other := order(t, pool, time.Hour), order(t, pool, time.Hour)
			cancel(t, pool, late)
			for range 2 { // the second round finds nothing
				if err := (sweeper{tx: in(pool)}).runOnce(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			reason := "neither shipped nor cancelled 0s after somebody asked for the cancel"
			same(t, "published", published(t, pool, late), []string{"OrderCreated", "OrderCancelRequested customer", "IncidentOpened " + reason})
			same(t, "published of another", published(t, pool, other), []string{"OrderCreated"})

			incident := texts(t, pool, `SELECT id::text FROM incident WHERE resolved_at IS NULL`)
			same(t, "open incidents", len(incident), 1)
			deliver(t, pool, events.IncidentOpened{
				Subject: events.Subject{OrderID: late}, IncidentID: incident[0], Service: "order", Kind: kindOverdue, Reason: reason,
			})
			same(t, "status meanwhile", read(t, pool, late).public(), NeedsAttention)

			deliver(t, pool, end.event(late), end.event(late))
			same(t, "status at the end", read(t, pool, late).public(), end.status)
			same(t, "open incidents at the end", count(t, pool, `SELECT count(*) FROM incident WHERE resolved_at IS NULL`), 0)
			same(t, "published at the end", published(t, pool, late)[3:], []string{"IncidentResolved"})
		})
	}
}

func TestSweeper_OpensNoIncidentWhereOneIsOpen(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	looked, early, pending, ended := order(t, pool, time.Hour), order(t, pool, time.Hour), order(t, pool, time.Hour), order(t, pool, time.Hour)
	cancel(t, pool, looked)
	deliver(t, pool, opened(looked, "i"))
	cancel(t, pool, ended)
	deliver(t, pool, shipment(ended))
	if err := (sweeper{tx: in(pool)}).runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel(t, pool, early)
	sweep(t, pool) // with an hour's budget
	same(t, "incidents", count(t, pool, `SELECT count(*) FROM incident`), 0)
	same(t, "status of a pending one", read(t, pool, pending).Status, Pending)
}

func TestSweeper_OpensAnIncidentForEachOfManyOrders(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	n := overdueAtOnce + 1
	for _, id := range orders(t, pool, n, time.Hour) {
		cancel(t, pool, id)
	}
	if err := (sweeper{tx: in(pool)}).runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "incidents", count(t, pool, `SELECT count(DISTINCT order_id) FROM incident`), n)
	same(t, "events", fmt.Sprint(count(t, pool, `SELECT count(*) FROM outbox WHERE type LIKE '%IncidentOpened%'`)), fmt.Sprint(n))
}
