package inventory

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/outbox"
)

// nothing is known of an order that no event has reached the inventory about.
const nothing State = ""

// protocol is the state table of the inventory: which event at which state leads where. A pair that is not
// listed changes nothing and answers nothing; for repeated events see below.
func protocol(enough bool) map[State]map[string]State {
	arrival := Rejected
	if enough {
		arrival = Reserved
	}
	return map[State]map[string]State{
		nothing: {
			"OrderCreated":  arrival,
			"PaymentFailed": Released, "PaymentRefunded": Released, "PaymentVoided": Released, // tombstones
		},
		Reserved: {
			"ShipmentCreated": Sold,
			"PaymentFailed":   Released, "PaymentRefunded": Released, "PaymentVoided": Released,
		},
	}
}

// history is the events about an order, in any order and any number.
func history(orderID, sku string) []events.Event {
	order, about := orderFor(orderID, sku, 2), events.Subject{OrderID: orderID}
	return []events.Event{
		order,
		order.Upcast(), // the second version of the same fact: both may come where a translator runs
		events.PaymentFailed{Subject: about, Reason: "card_declined"},
		events.PaymentRefunded{Subject: about, Reason: "destination_not_served: AQ"},
		events.PaymentVoided{Subject: about, Reason: "cancelled"},
		events.ShipmentCreated{Snapshot: order.Snapshot, ShipmentID: "shp_1"},
	}
}

// expected is the answer to an event that leads to a state; nil where there is none.
func expected(event events.Event, to State) events.Event {
	about := events.Subject{OrderID: event.Order()}
	switch e := event.(type) {
	case events.OrderCreated:
		if to == Rejected {
			return events.InventoryRejected{Subject: about, Reason: "out_of_stock: " + e.Lines[0].SKU}
		}
		return events.InventoryReserved{Snapshot: e.Snapshot}
	case events.OrderCreatedV2:
		return expected(first(e), to)
	case events.PaymentFailed:
		return events.InventoryReleased{Subject: about, Reason: e.Reason}
	case events.PaymentRefunded:
		return events.InventoryReleased{Subject: about, Reason: e.Reason}
	case events.PaymentVoided:
		return events.InventoryReleased{Subject: about, Reason: e.Reason}
	}
	return nil
}

// first is an order in its first version, which the events that follow carry in any case.
func first(order events.OrderCreatedV2) events.OrderCreated {
	older, err := order.Downcast()
	if err != nil {
		panic(err) // orders here have one currency
	}
	return older
}

// length is how many events a sequence has. Two lead to every state; two more try every pair of events there.
const length = 4

// TestSaga_EveryOrderOfEvents plays every sequence of events, repetitions included, against the state table:
// with and without stock, each event in a transaction of its own and all in one batch.
// There is no inbox here that would hide a missing state guard.
func TestSaga_EveryOrderOfEvents(t *testing.T) {
	t.Parallel()
	for _, sku := range []string{"widget", "unobtainium"} {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in one batch: %v", sku, together), func(t *testing.T) {
				t.Parallel()
				pool := database(t).Pool
				kinds := len(history("", sku))
				for n := range pow(kinds, length) {
					play(t, pool, sequence(history(newOrderID(t), sku), n), protocol(sku == "widget"), together)
				}
				checkStock(t, pool)
			})
		}
	}
}

// sequence is the nth sequence of events, n being a number of length digits to the base of their kinds.
func sequence(kinds []events.Event, n int) []events.Event {
	var list []events.Event
	for range length {
		list = append(list, kinds[n%len(kinds)])
		n /= len(kinds)
	}
	return list
}

func pow(base, exponent int) int {
	n := 1
	for range exponent {
		n *= base
	}
	return n
}

// play handles the events and compares each answer and the state in the end with the table.
func play(t *testing.T, pool *pgxpool.Pool, list []events.Event, table map[State]map[string]State, together bool) {
	t.Helper()
	var answers []events.Event
	for _, part := range split(list, together) {
		got, err := batch(t.Context(), pool, part...)
		if err != nil {
			t.Fatalf("%s: %v", names(list), err)
		}
		answers = append(answers, got...)
	}
	state := nothing
	for i, event := range list {
		var want events.Event
		if to, listed := table[state][event.Type().Name]; listed {
			state, want = to, expected(event, to)
		}
		if !reflect.DeepEqual(answers[i], want) {
			t.Errorf("%s: event %d was answered by %+v, want %+v", names(list), i+1, answers[i], want)
		}
	}
	if got := stateOf(t, pool, list[0].Order()); got != state {
		t.Errorf("%s led to %q, want %q", names(list), got, state)
	}
}

func split(list []events.Event, together bool) [][]events.Event {
	if together {
		return [][]events.Event{list}
	}
	var parts [][]events.Event
	for i := range list {
		parts = append(parts, list[i:i+1])
	}
	return parts
}

func names(list []events.Event) []string {
	var all []string
	for _, event := range list {
		all = append(all, event.Type().Name)
	}
	return all
}

// stateOf is the state that is stored about an order; nothing where none is.
func stateOf(t *testing.T, pool *pgxpool.Pool, orderID string) State {
	t.Helper()
	reservation, err := reservationOf(t.Context(), pool, orderID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return reservation.State
}

// Whoever repeats an event waits for the answer, and gets it with the number of the attempt. Nothing changes again.
func TestSaga_ARepeatedEventIsAnsweredFromTheRow(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	asked := events.Repeat{Attempt: 4}
	for _, undo := range []func(about events.Subject) events.Event{
		func(about events.Subject) events.Event {
			return events.PaymentFailed{Subject: about, Reason: "undone", Repeat: asked}
		},
		func(about events.Subject) events.Event {
			return events.PaymentRefunded{Subject: about, Reason: "undone", Repeat: asked}
		},
		func(about events.Subject) events.Event {
			return events.PaymentVoided{Subject: about, Reason: "undone", Repeat: asked}
		},
	} {
		for _, c := range []struct {
			sentence string
			before   func(order events.OrderCreated) []events.Event
			sku      string
			then     State
			want     func(about events.Subject) events.Event
		}{
			{"unknown, it is released, and a tombstone stays", nil, "widget", Released, func(about events.Subject) events.Event {
				return events.InventoryReleased{Subject: about, Reason: "undone", Repeat: asked}
			}},
			{"reserved, it is released", func(order events.OrderCreated) []events.Event { return []events.Event{order} }, "widget", Released,
				func(about events.Subject) events.Event {
					return events.InventoryReleased{Subject: about, Reason: "undone", Repeat: asked}
				}},
			{"released, with the reason that it was released for", func(order events.OrderCreated) []events.Event {
				return []events.Event{order, events.PaymentFailed{Subject: events.Subject{OrderID: order.OrderID}, Reason: "card_declined"}}
			}, "widget", Released, func(about events.Subject) events.Event {
				return events.InventoryReleased{Subject: about, Reason: "card_declined", Repeat: asked}
			}},
			{"rejected, it was rejected", func(order events.OrderCreated) []events.Event { return []events.Event{order} }, "unobtainium", Rejected,
				func(about events.Subject) events.Event {
					return events.InventoryRejected{Subject: about, Reason: "out_of_stock: unobtainium", Repeat: asked}
				}},
			{"sold, it stays sold", func(order events.OrderCreated) []events.Event {
				return []events.Event{order, events.ShipmentCreated{Snapshot: order.Snapshot, ShipmentID: "shp_1"}}
			}, "widget", Sold, func(events.Subject) events.Event { return nil }},
		} {
			order := orderFor(newOrderID(t), c.sku, 2)
			about := events.Subject{OrderID: order.OrderID}
			var list []events.Event
			if c.before != nil {
				list = c.before(order)
			}
			answers, err := batch(t.Context(), pool, append(list, undo(about), undo(about))...)
			if err != nil {
				t.Fatal(err)
			}
			for _, answer := range answers[len(list):] {
				if want := c.want(about); !reflect.DeepEqual(answer, want) {
					t.Errorf("%s: answered %+v, want %+v", c.sentence, answer, want)
				}
			}
			if got := stateOf(t, pool, order.OrderID); got != c.then {
				t.Errorf("%s: it is %s, want %s", c.sentence, got, c.then)
			}
		}
	}
	checkStock(t, pool)
}

// The order's id alone is no answer: it stands for these lines.
func TestSaga_AnotherOrderUnderTheSameIDIsADeadLetter(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	for sentence, c := range map[string]struct {
		sku  string
		then func(about events.Subject) events.Event
	}{
		"held": {"widget", nil},
		"sold": {"widget", func(about events.Subject) events.Event {
			return events.ShipmentCreated{Snapshot: events.Snapshot{OrderID: about.OrderID}, ShipmentID: "shp_1"}
		}},
		"released": {"widget", func(about events.Subject) events.Event {
			return events.PaymentFailed{Subject: about, Reason: "card_declined"}
		}},
		"rejected": {"unobtainium", nil},
	} {
		order := orderFor(newOrderID(t), c.sku, 2)
		list := []events.Event{order}
		if c.then != nil {
			list = append(list, c.then(events.Subject{OrderID: order.OrderID}))
		}
		if _, err := batch(t.Context(), pool, list...); err != nil {
			t.Fatal(err)
		}
		more := orderFor(order.OrderID, c.sku, 3)
		others := map[string]events.Event{
			"quantity": more, "quantity, in version 2,": more.Upcast(), "SKU": orderFor(order.OrderID, "gadget", 2),
		}
		if sentence == "held" { // of what has ended the lines are known
			elsewhere := order
			elsewhere.ShipTo.City = "Bern"
			others["city"] = elsewhere
		}
		for what, other := range others {
			answers, err := batch(t.Context(), pool, other)
			deadLetter := outbox.DeadLetter(err)
			if err == nil || reflect.TypeOf(err) != reflect.TypeOf(deadLetter) || !strings.Contains(err.Error(), order.OrderID) {
				t.Errorf("%s: another %s: answered %v, %v", sentence, what, answers, err)
			}
		}
		if _, err := batch(t.Context(), pool, order, order.Upcast()); err != nil {
			t.Errorf("%s: the same once more: %v", sentence, err)
		}
	}
	checkStock(t, pool)
}

func TestReserve_AllOrNothing(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	order := orderFor(newOrderID(t), "widget", 2)
	order.Lines = append(order.Lines,
		events.Line{SKU: "unobtainium", Quantity: 1}, events.Line{SKU: "last-one", Quantity: 1}, events.Line{SKU: "no-such-thing", Quantity: 1},
		events.Line{SKU: "last-one", Quantity: 1}) // 1 + 1 is one too many
	answers, err := batch(t.Context(), pool, order)
	if err != nil {
		t.Fatal(err)
	}
	want := events.InventoryRejected{
		Subject: events.Subject{OrderID: order.OrderID}, Reason: "out_of_stock: last-one, no-such-thing, unobtainium",
	}
	if answers[0] != want {
		t.Errorf("answered %+v, want %+v", answers[0], want)
	}
	level, err := stockOf(t.Context(), pool, "widget")
	if err != nil || level.Reserved != 0 {
		t.Errorf("of the SKU that there is enough of %+v is left, %v; want nothing reserved", level, err)
	}
	checkStock(t, pool)
}
