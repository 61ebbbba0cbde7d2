package order

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/internal/asking"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// The events about an order.
func rejected(id string) events.Event {
	return events.InventoryRejected{Subject: events.Subject{OrderID: id}, Reason: "out_of_stock"}
}

func released(id, reason string) events.Event {
	return events.InventoryReleased{Subject: events.Subject{OrderID: id}, Reason: reason}
}

func shipment(id string) events.Event {
	return events.ShipmentCreated{ShipmentID: "shp_1", Snapshot: events.Snapshot{
		OrderID: id, CustomerID: "ada", PaymentMethod: "tok_visa",
		Lines: []events.Line{{SKU: "widget", Quantity: 1, UnitPrice: 1999}}, Total: events.Money{Amount: 1999, Currency: "USD"},
		ShipTo: events.Address{Name: "Ada", Street: "Bahnhofstrasse 1", City: "Zürich", PostalCode: "8001", Country: "CH"},
	}}
}

func opened(id, incident string) events.Event {
	return events.IncidentOpened{
		Subject: events.Subject{OrderID: id}, IncidentID: incident, Service: "payment", Kind: "refund_refused", Reason: "closed account",
	}
}

func resolved(id, incident string) events.Event {
	return events.IncidentResolved{
		Subject: events.Subject{OrderID: id}, IncidentID: incident, Service: "payment", Kind: "refund_refused", Resolution: "refunded",
	}
}

func TestSaga_EveryEventAtEveryState(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	states := map[Status]func(id string){
		Pending:    func(string) {},
		Cancelling: func(id string) { cancel(t, pool, id) },
		Confirmed:  func(id string) { deliver(t, pool, shipment(id)) },
		Cancelled:  func(id string) { deliver(t, pool, rejected(id)) },
	}
	cancelledFor := func(reason string) func(string) events.Event {
		return func(id string) events.Event {
			return events.OrderCancelled{Subject: events.Subject{OrderID: id}, Reason: reason}
		}
	}
	confirmed := func(id string) events.Event {
		return events.OrderConfirmed{Subject: events.Subject{OrderID: id}, ShipmentID: "shp_1"}
	}
	attention := func(id string) events.Event {
		return events.OrderNeedsAttention{
			Subject: events.Subject{OrderID: id}, IncidentID: "i", Kind: "refund_refused", Reason: "closed account",
		}
	}
	reject := func(id string) events.Event { return rejected(id) }
	release := func(id string) events.Event { return released(id, "card_declined") }
	fenced := func(id string) events.Event { return released(id, "cancelled") }
	ship := func(id string) events.Event { return shipment(id) }
	open := func(id string) events.Event { return opened(id, "i") }
	resolve := func(id string) events.Event { return resolved(id, "i") }

	tests := []struct {
		from   Status
		event  func(id string) events.Event
		to     Status
		reason string
		answer func(id string) events.Event // nil: none
	}{
		{Pending, reject, Cancelled, "out_of_stock", cancelledFor("out_of_stock")},
		{Pending, release, Cancelled, "card_declined", cancelledFor("card_declined")},
		{Pending, fenced, Cancelled, "cancelled", cancelledFor("cancelled")},
		{Pending, ship, Confirmed, "", confirmed},
		{Pending, open, NeedsAttention, "", attention},
		{Pending, resolve, Pending, "", nil},
		{Cancelling, reject, Cancelled, "out_of_stock", cancelledFor("out_of_stock")},
		{Cancelling, release, Cancelled, "card_declined", cancelledFor("card_declined")},
		{Cancelling, fenced, Cancelled, "customer", cancelledFor("customer")},
		{Cancelling, ship, Confirmed, "cancel_too_late", confirmed},
		{Cancelling, open, NeedsAttention, "customer", attention},
		{Cancelling, resolve, Cancelling, "customer", nil},
		{Confirmed, reject, Confirmed, "", nil},
		{Confirmed, release, Confirmed, "", nil},
		{Confirmed, fenced, Confirmed, "", nil},
		{Confirmed, ship, Confirmed, "", nil},
		{Confirmed, open, Confirmed, "", nil},
		{Confirmed, resolve, Confirmed, "", nil},
		{Cancelled, reject, Cancelled, "out_of_stock", nil},
		{Cancelled, release, Cancelled, "out_of_stock", nil},
		{Cancelled, fenced, Cancelled, "out_of_stock", nil},
		{Cancelled, ship, Cancelled, "out_of_stock", nil},
		{Cancelled, open, Cancelled, "out_of_stock", nil},
		{Cancelled, resolve, Cancelled, "out_of_stock", nil},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s gets %s", test.from, test.event("").Type().Name), func(t *testing.T) {
			t.Parallel()
			id := order(t, pool, time.Hour)
			states[test.from](id)
			// Twice, without an inbox that would hide a missing guard: the second one must change nothing.
			var want []events.Event
			if test.answer == nil {
				want = []events.Event{nil, nil}
			} else {
				want = []events.Event{test.answer(id), nil}
			}
			got := deliver(t, pool, test.event(id))
			first, steps := read(t, pool, id), history(t, pool, id)
			same(t, "answers", append(got, deliver(t, pool, test.event(id))...), want)
			same(t, "status", first.public(), test.to)
			same(t, "reason", first.Reason, test.reason)
			same(t, "the order after the second time", read(t, pool, id), first)
			same(t, "its history after the second time", history(t, pool, id), steps)
		})
	}
}

func TestSaga_AnEventAboutAnUnknownOrderChangesNothing(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	id := newID(t)
	for _, event := range []events.Event{rejected(id), released(id, "x"), shipment(id), opened(id, "i"), resolved(id, "i")} {
		same(t, event.Type().Name, deliver(t, pool, event), []events.Event{nil})
	}
	same(t, "orders", count(t, pool, `SELECT count(*) FROM orders`), 0)
	same(t, "history", count(t, pool, `SELECT count(*) FROM order_history`), 0)
	same(t, "incidents, for the order that may come", count(t, pool, `SELECT count(*) FROM order_incident`), 1)
}

// TestSaga_EveryOrderOfEvents plays all permutations of everything that can happen to an order, each event
// followed by all earlier ones again, each event alone and all in one batch.
func TestSaga_EveryOrderOfEvents(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{false, true} {
		t.Run(fmt.Sprintf("in one batch: %v", together), func(t *testing.T) {
			t.Parallel()
			pool := database(t).Pool
			kinds := []string{"rejected", "released", "shipped", "opened", "resolved"}
			all := permutations(kinds)
			ids := orders(t, pool, 2*len(all), time.Hour)
			for i, order := range all {
				play(t, pool, ids[2*i], order, together)
				cancel(t, pool, ids[2*i+1])
				play(t, pool, ids[2*i+1], order, together)
			}
		})
	}
}

func permutations(kinds []string) [][]string {
	if len(kinds) == 0 {
		return [][]string{nil}
	}
	var all [][]string
	for i, first := range kinds {
		rest := append(append([]string{}, kinds[:i]...), kinds[i+1:]...)
		for _, p := range permutations(rest) {
			all = append(all, append([]string{first}, p...))
		}
	}
	return all
}

// play handles events in this order, and checks that the first end stands, is published once, and that
// an incident that was both opened and resolved is over, in whatever order that came.
func play(t *testing.T, pool *pgxpool.Pool, id string, kinds []string, together bool) {
	t.Helper()
	all := map[string]events.Event{
		"rejected": rejected(id), "released": released(id, "card_declined"), "shipped": shipment(id),
		"opened": opened(id, "i"), "resolved": resolved(id, "i"),
	}
	var list []events.Event
	for i := range kinds {
		for _, kind := range kinds[:i+1] {
			list = append(list, all[kind])
		}
	}
	var answers []events.Event
	if together {
		var err error
		if answers, err = handle(t.Context(), pool, list...); err != nil {
			t.Fatalf("%v: %v", kinds, err)
		}
	} else {
		answers = deliver(t, pool, list...)
	}
	end, shipmentID, answer := Cancelled, "", "OrderCancelled"
	for _, kind := range kinds {
		if kind == "shipped" {
			end, shipmentID, answer = Confirmed, "shp_1", "OrderConfirmed"
		}
		if kind == "shipped" || kind == "rejected" || kind == "released" {
			break
		}
	}
	got := read(t, pool, id)
	if got.Status != end || got.ShipmentID != shipmentID || got.Incidents[0].ResolvedAt == nil {
		t.Errorf("%v led to %+v, want %s", kinds, got, end)
	}
	ends := map[string]int{}
	for _, answer := range answers {
		if answer != nil {
			ends[answer.Type().Name]++
		}
	}
	delete(ends, "OrderNeedsAttention")
	same(t, fmt.Sprint("what ", kinds, " was answered with"), ends, map[string]int{answer: 1})
	steps := history(t, pool, id)
	if last := steps[len(steps)-1]; last[:len(end)] != string(end) {
		t.Errorf("%v: the history %v does not end with %s", kinds, steps, end)
	}
}

func TestIncidents_AllMustBeResolved(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	id := order(t, pool, time.Hour)
	steps := []struct {
		event events.Event
		then  Status
	}{
		{opened(id, "a"), NeedsAttention},
		{opened(id, "b"), NeedsAttention},
		{resolved(id, "a"), NeedsAttention},
		{resolved(id, "c"), NeedsAttention}, // a tombstone
		{resolved(id, "b"), Pending},
		{opened(id, "c"), Pending}, // comes too late
		{opened(id, "d"), NeedsAttention},
		{released(id, "card_declined"), Cancelled}, // saga events apply as always
	}
	for _, step := range steps {
		deliver(t, pool, step.event)
		same(t, step.event.Type().Name, read(t, pool, id).public(), step.then)
	}
	shown := map[string]bool{}
	for _, incident := range read(t, pool, id).Incidents {
		shown[incident.ID] = incident.ResolvedAt == nil
	}
	same(t, "open incidents", shown, map[string]bool{"a": false, "b": false, "c": false, "d": true})
}

func TestIncidents_OfEveryServiceCount(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for _, service := range events.Services {
		id := order(t, pool, time.Hour)
		event := opened(id, "i").(events.IncidentOpened)
		event.Service = string(service)
		deliver(t, pool, event)
		same(t, string(service), read(t, pool, id).Incidents[0].Service, string(service))
	}
}

func TestHistory_NamesTheEventThatMadeIt(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for _, event := range []func(string) events.Event{rejected, shipment} {
		id, cause := order(t, pool, time.Hour), newID(t)
		ctx := outbox.WithCause(t.Context(), outbox.Cause{EventID: cause})
		if _, err := handle(ctx, pool, event(id)); err != nil {
			t.Fatal(err)
		}
		same(t, "events in the history", texts(t, pool, `
			SELECT coalesce(event_id::text, 'none') FROM order_history WHERE order_id = $1 ORDER BY position`, id), []string{"none", cause})
	}
}

func TestSweeper_RequestsTheCancelOfAnOverdueOrderOnce(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	overdue, early, stuck, unstuck := order(t, pool, 0), order(t, pool, time.Hour), order(t, pool, 0), order(t, pool, 0)
	asked, shippedLate := order(t, pool, 0), order(t, pool, 0)
	deliver(t, pool, opened(stuck, "i"), opened(unstuck, "i"), resolved(unstuck, "i"), shipment(shippedLate))
	cancel(t, pool, asked)
	sweep(t, pool)
	sweep(t, pool)

	want := map[string]struct {
		status    Status
		published []string
	}{
		overdue:     {Cancelling, []string{"OrderCreated", "OrderCancelRequested deadline"}},
		early:       {Pending, []string{"OrderCreated"}},
		stuck:       {Pending, []string{"OrderCreated"}},
		unstuck:     {Cancelling, []string{"OrderCreated", "OrderCancelRequested deadline"}},
		asked:       {Cancelling, []string{"OrderCreated", "OrderCancelRequested customer"}},
		shippedLate: {Confirmed, []string{"OrderCreated"}},
	}
	for id, w := range want {
		same(t, "status", read(t, pool, id).Status, w.status)
		same(t, "published", published(t, pool, id), w.published)
	}
	same(t, "history", history(t, pool, overdue), []string{"PENDING", "CANCELLING deadline"})
	if read(t, pool, overdue).CancelRequestedAt == nil {
		t.Error("the order does not show when the cancel was requested")
	}

	deliver(t, pool, resolved(stuck, "i"))
	sweep(t, pool)
	same(t, "status once the incident is over", read(t, pool, stuck).Status, Cancelling)
}

// patientSweeper sweeps deadlines alone.
func patientSweeper(pool *pgxpool.Pool) sweeper {
	return sweeper{tx: in(pool), patience: asking.Patience{Budget: time.Hour, Pause: time.Hour}}
}

func sweep(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	if err := patientSweeper(pool).runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSweeper_TakesAsManyBatchesAsThereAre(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	orders(t, pool, 2*overdueAtOnce+1, 0)
	transactions := 0
	s := patientSweeper(pool)
	s.tx = func(ctx context.Context, fn func(pgx.Tx) error) error {
		transactions++
		return in(pool)(ctx, fn)
	}
	if err := s.runOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "pending", count(t, pool, `SELECT count(*) FROM orders WHERE status = 'PENDING'`), 0)
	same(t, "transactions", transactions, 3+2) // the last ones look for cancels that take too long
}
